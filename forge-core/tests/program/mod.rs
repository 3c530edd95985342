//! A program: inputs, and steps that each read earlier values. Any bytes are a program, so that one may be cut anywhere.

mod op;

pub use op::Op;

use forge_core::backend::Dual;
use forge_core::backend::reference::Array;
use forge_core::rng::Stream;
use forge_core::{Cx, Tensor};

/// The kind of operation, two operands, and a number for its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(pub [u8; 4]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The shape of each, from [`SHAPES`].
    pub inputs: Vec<u8>,
    pub steps: Vec<Step>,
}

const SHAPES: [&[usize]; 9] =
    [&[3], &[2, 3], &[3, 2], &[], &[1, 3], &[2, 1], &[2, 2, 3], &[3, 3], &[2, 1, 2]];

/// A value beyond this would lose digits to whatever is added to it.
const LARGEST: f64 = 30.0;

fn numbers(shape: &[usize], stream: &Stream) -> Array<f64> {
    let count: usize = shape.iter().product();
    let data = (0..count).map(|i| 3.0 * stream.uniform(i) - 1.5).collect();
    Array { shape: shape.to_vec(), data }
}

impl Program {
    fn operands(&self) -> Vec<Array<f64>> {
        let of = |(i, shape): (usize, &u8)| {
            numbers(SHAPES[*shape as usize % SHAPES.len()], &Stream::new(i as u64, "inputs"))
        };
        self.inputs.iter().enumerate().map(of).collect()
    }

    /// The operations that the steps come to with the values that they read, with their operands' numbers. A step that
    /// would meet a kink, leave its domain or give large numbers is left out.
    pub fn built(&self) -> Vec<(Op, Vec<usize>)> {
        let mut values = self.operands();
        let mut built = Vec::new();
        for Step([kind, a, b, setting]) in &self.steps {
            if values.is_empty() {
                break;
            }
            // Later values rather than earlier ones, so that programs are deep.
            let at = |byte: u8| values.len() - 1 - (byte as usize % values.len()).min(byte as usize % 5);
            let (a, b) = (at(*a), at(*b));
            let Some((op, binary)) = Op::choose(*kind, &values[a], &values[b], *setting as usize) else {
                continue;
            };
            let read = if binary { vec![a, b] } else { vec![a] };
            let operands: Vec<Array<f64>> = read.iter().map(|&i| values[i].clone()).collect();
            let value = op.oracle(&operands);
            let count = value.data.len();
            if count == 0 || count > 24 || value.shape.len() > 4 {
                continue;
            }
            if value.data.iter().any(|v| !v.is_finite() || v.abs() > LARGEST) {
                continue;
            }
            values.push(value);
            built.push((op, read));
        }
        built
    }

    /// Values and gradients from the tape against those of the oracle.
    pub fn check(&self) -> Result<(), String> {
        let inputs = self.operands();
        let built = self.built();
        if built.is_empty() {
            return Ok(());
        }
        let exact = evaluate(&inputs, &built);
        // What nothing reads, and here and there something that is read.
        let read = |i: usize| built.iter().any(|(_, operands)| operands.contains(&i));
        let seeded: Vec<usize> = (inputs.len()..exact.len())
            .filter(|&i| !read(i) || (i * 7 + built.len()).is_multiple_of(5))
            .collect();
        let seed = |i: usize| numbers(&exact[i].shape, &Stream::new(i as u64, "seeds"));

        let cx = Cx::train(0, 0);
        let mut tensors: Vec<Tensor> =
            inputs.iter().map(|x| cx.track(&Tensor::new(&x.data, &x.shape).unwrap()).unwrap()).collect();
        for (op, operands) in &built {
            let operands: Vec<&Tensor> = operands.iter().map(|&i| &tensors[i]).collect();
            tensors.push(op.tensor(&operands).map_err(|e| format!("{op:?}: {e}"))?);
        }
        for (i, (found, wanted)) in tensors.iter().zip(&exact).enumerate() {
            if found.shape() != wanted.shape {
                return Err(format!("value {i} has the shape {:?}, not {:?}", found.shape(), wanted.shape));
            }
            for (f, w) in found.to_f64_vec().unwrap().iter().zip(&wanted.data) {
                let top = wanted.data.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                if f.is_nan() || (f - w).abs() > 1e-12 * top {
                    return Err(format!("value {i} has {f} for {w}"));
                }
            }
        }
        let mut loss: Option<Tensor> = None;
        for &i in &seeded {
            let u = seed(i);
            let share = (&tensors[i] * &Tensor::new(&u.data, &u.shape).unwrap()).unwrap().sum_all().unwrap();
            loss = Some(loss.map_or(share.clone(), |sum| (&sum + &share).unwrap()));
        }
        let Some(loss) = loss.filter(Tensor::is_tracked) else { return Ok(()) };
        let grads = loss.backward(cx).map_err(|e| e.to_string())?;

        // ⟨u, J v⟩ for v one element after the other, with its scale Σ|u||J||v|.
        let mut wanted = Vec::new();
        for (k, input) in inputs.iter().enumerate() {
            for j in 0..input.data.len() {
                let duals: Vec<Array<Dual>> = inputs
                    .iter()
                    .enumerate()
                    .map(|(m, x)| Array {
                        shape: x.shape.clone(),
                        data: (x.data.iter().enumerate())
                            .map(|(i, &value)| Dual { value, slope: f64::from(m == k && i == j) })
                            .collect(),
                    })
                    .collect();
                let values = evaluate(&duals, &built);
                let mut total = (0.0, 0.0);
                for &i in &seeded {
                    for (d, u) in values[i].data.iter().zip(&seed(i).data) {
                        total = (total.0 + u * d.slope, total.1 + (u * d.slope).abs());
                    }
                }
                // Slopes on the way may be larger than those that arrive.
                let most = values.iter().flat_map(|v| &v.data).fold(0.0f64, |m, d| m.max(d.slope.abs()));
                wanted.push((k, j, total.0, total.1.max(most)));
            }
        }
        let scale = wanted.iter().fold(1.0f64, |m, w| m.max(w.3));
        for (k, j, slope, _) in wanted {
            let found = match grads.wrt(&tensors[k]) {
                Some(g) => g.to_f64_vec().unwrap()[j],
                None => 0.0,
            };
            if found.is_nan() || (found - slope).abs() > 1e-12 * scale {
                return Err(format!("input {k}, element {j}: gradient {found} for {slope}"));
            }
        }
        Ok(())
    }

    /// All that are one step smaller.
    pub fn smaller(&self) -> Vec<Program> {
        let mut all = Vec::new();
        for i in 0..self.steps.len() {
            let mut p = self.clone();
            p.steps.remove(i);
            all.push(p);
        }
        for i in 0..self.inputs.len() {
            let mut p = self.clone();
            p.inputs.remove(i);
            all.push(p);
        }
        for i in 0..self.inputs.len() {
            for lower in [0, self.inputs[i] / 2] {
                let mut p = self.clone();
                p.inputs[i] = lower;
                all.push(p);
            }
        }
        for i in 0..self.steps.len() {
            // The kind stays: only what it reads and its setting become simpler.
            for k in 1..4 {
                for lower in [0, self.steps[i].0[k] / 2] {
                    let mut p = self.clone();
                    p.steps[i].0[k] = lower;
                    all.push(p);
                }
            }
        }
        all.retain(|p| p != self);
        all
    }

    /// A statement a line.
    pub fn listing(&self) -> String {
        let inputs = self.operands();
        let mut lines: Vec<String> =
            inputs.iter().enumerate().map(|(i, x)| format!("v{i} = {:?} {:?}", x.shape, x.data)).collect();
        for (i, (op, read)) in self.built().iter().enumerate() {
            let read: Vec<String> = read.iter().map(|r| format!("v{r}")).collect();
            lines.push(format!("v{} = {op:?} of {}", inputs.len() + i, read.join(", ")));
        }
        lines.join("\n")
    }

    /// Inputs, then steps, in hexadecimal.
    pub fn line(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let steps: Vec<String> = self.steps.iter().map(|s| hex(&s.0)).collect();
        format!("{}: {}", hex(&self.inputs), steps.join(" "))
    }

    /// The program of a line.
    pub fn read(line: &str) -> Option<Program> {
        fn bytes(text: &str) -> Option<Vec<u8>> {
            let pair = |i: usize| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok();
            (0..text.len() / 2).map(pair).collect()
        }
        let (inputs, steps) = line.split_once(": ")?;
        let step = |text: &str| Some(Step(bytes(text)?.try_into().ok()?));
        Some(Program { inputs: bytes(inputs)?, steps: steps.split(' ').map(step).collect::<Option<_>>()? })
    }
}

/// All values, inputs first.
fn evaluate<S: forge_core::backend::Scalar>(
    inputs: &[Array<S>],
    built: &[(Op, Vec<usize>)],
) -> Vec<Array<S>> {
    let mut values = inputs.to_vec();
    for (op, read) in built {
        let operands: Vec<Array<S>> = read.iter().map(|&i| values[i].clone()).collect();
        values.push(op.oracle(&operands));
    }
    values
}

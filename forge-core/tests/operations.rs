//! The verification harness: every operation of the registry, against naive loops for its values and against dual
//! numbers for its derivatives, over element types, operand layouts, gradient masks and repeated operands.

#![allow(clippy::unwrap_used)]

mod composed;
mod table;

use forge_core::backend::reference::Array;
use forge_core::backend::{Dual, Scalar};
use forge_core::ops::{Checks, Input, Operation, Sample, registry};
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Device, Tensor};
use std::cell::RefCell;

/// The operands' values.
fn draw(sample: &Sample, salt: u64) -> Vec<Array<f64>> {
    let value = |input: &Input, stream: &Stream, i: usize| {
        let (lo, hi) = input.domain;
        let v = lo + (hi - lo) * stream.uniform(2 * i);
        if input.mirrored && stream.uniform(2 * i + 1) < 0.5 { -v } else { v }
    };
    let operand = |(k, input): (usize, &Input)| {
        if let Some(values) = &input.given {
            return Array { shape: input.shape.clone(), data: values.clone() };
        }
        let stream = Stream::new(salt, &sample.name).at(k as u64);
        let count: usize = input.shape.iter().product();
        // Rounded to f32, so that both element types see the same numbers.
        let data = (0..count).map(|i| f64::from(value(input, &stream, i) as f32)).collect();
        Array { shape: input.shape.clone(), data }
    };
    sample.inputs.iter().enumerate().map(operand).collect()
}

fn direction(shape: &[usize], name: &str) -> Array<f64> {
    let stream = Stream::new(99, name);
    let count: usize = shape.iter().product();
    Array { shape: shape.to_vec(), data: (0..count).map(|i| 2.0 * stream.uniform(i) - 1.0).collect() }
}

thread_local! {
    /// Where the operands of samples lie.
    static DEVICE: RefCell<Device> = RefCell::new(Device::cpu());
}

/// Parts of the names of operations that a family does, of which the CPU has its own.
const OF_FAMILIES: [&str; 8] =
    ["attention", "conv", "cross_entropy", "gru", "lstm", "norm", "pool", "softmax"];

/// Runs on the CPU; of an operation that a family does, also on a device whose families are composed of primitives.
fn on_each_device(operation: &Operation, run: impl Fn()) {
    run();
    if OF_FAMILIES.iter().any(|part| operation.name.contains(part)) {
        DEVICE.set(Device::new(composed::Composed::default()));
        run();
        DEVICE.set(Device::cpu());
    }
}

/// The ways in which an operand may lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Contiguous,
    /// Dimensions stored in reverse order.
    Transposed,
    /// Every second element of a larger storage, not from its start.
    Sliced,
    /// Dimension 1 last, as images have their channels.
    ChannelsLast,
}

impl Place {
    const ALL: [Place; 4] = [Place::Contiguous, Place::Transposed, Place::Sliced, Place::ChannelsLast];
}

fn tensor(array: &Array<f64>, dtype: DType, place: Place) -> Tensor {
    let device = DEVICE.with_borrow(Device::clone);
    let make = |data: &[f64], shape: &[usize]| {
        Tensor::from_vec(data.to_vec(), shape, &device).unwrap().to_dtype(dtype).unwrap()
    };
    let rank = array.shape.len();
    match place {
        Place::Contiguous => make(&array.data, &array.shape),
        Place::Transposed => {
            let reversed: Vec<usize> = (0..rank).rev().collect();
            let turned = forge_core::backend::reference::permute(array, &reversed);
            make(&turned.data, &turned.shape).permute(&reversed).unwrap()
        }
        Place::ChannelsLast if rank < 3 => make(&array.data, &array.shape),
        Place::ChannelsLast => {
            let order: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
            let back: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
            let turned = forge_core::backend::reference::permute(array, &order);
            make(&turned.data, &turned.shape).permute(&back).unwrap()
        }
        Place::Sliced => {
            let Some(&last) = array.shape.last() else { return make(&array.data, &array.shape) };
            let mut shape = array.shape.clone();
            shape[rank - 1] = 2 * last + 1;
            let wide = Array::build(&shape, |i| {
                let mut from = i.to_vec();
                from[rank - 1] = i[rank - 1].saturating_sub(1) / 2;
                if i[rank - 1] % 2 == 1 { array.at(&from) } else { f64::NAN }
            });
            make(&wide.data, &shape).slice(rank - 1, 1, last, 2).unwrap()
        }
    }
}

/// One pass through the tape: results, and the gradient of each wanted operand for the seeds `u`.
fn tape(sample: &Sample, tensors: &[Tensor], mask: u32) -> (Vec<Tensor>, Vec<Option<Vec<f64>>>) {
    let cx = Cx::train(1, 1);
    let leaves: Vec<Tensor> = tensors
        .iter()
        .enumerate()
        .map(|(i, t)| if mask >> i & 1 == 1 { cx.track(t).unwrap() } else { t.clone() })
        .collect();
    let results = (sample.run)(&leaves).unwrap();
    if mask == 0 {
        assert!(
            results.iter().all(|r| !r.is_tracked()),
            "{}: tracked without a tracked operand",
            sample.name
        );
        return (results, vec![None; tensors.len()]);
    }
    let mut loss: Option<Tensor> = None;
    for (k, result) in results.iter().enumerate() {
        let u = tensor(&direction(result.shape(), &format!("u{k}")), result.dtype(), Place::Contiguous);
        let share = (result * &u).unwrap().sum_all().unwrap();
        loss = Some(match loss {
            None => share,
            Some(total) => (&total + &share).unwrap(),
        });
    }
    let grads = loss.unwrap().backward(cx).unwrap();
    let grads = leaves
        .iter()
        .zip(tensors)
        .map(|(leaf, t)| {
            leaf.is_tracked().then(|| match grads.wrt(leaf) {
                Some(g) => {
                    assert_eq!(g.shape(), t.shape(), "{}: gradient's shape", sample.name);
                    g.to_f64_vec().unwrap()
                }
                None => vec![0.0; t.count()],
            })
        })
        .collect();
    (results.iter().map(Tensor::detach).collect(), grads)
}

/// Exact gradients from dual numbers, with the scale Σ|uᵢ||Jᵢⱼ| that rounding is measured against.
/// `tied[k]` is the operand that operand `k` repeats.
fn exact(sample: &Sample, values: &[Array<f64>], tied: &[usize]) -> Vec<Vec<(f64, f64)>> {
    (0..values.len())
        .map(|k| {
            let column = |j: usize| {
                let duals: Vec<Array<Dual>> = values
                    .iter()
                    .enumerate()
                    .map(|(m, v)| Array {
                        shape: v.shape.clone(),
                        data: v
                            .data
                            .iter()
                            .enumerate()
                            .map(|(i, &value)| Dual { value, slope: f64::from(tied[m] == k && i == j) })
                            .collect(),
                    })
                    .collect();
                let out = (sample.duals)(&duals).unwrap();
                let mut total = (0.0, 0.0);
                for (r, result) in out.iter().enumerate() {
                    let u = direction(&result.shape, &format!("u{r}"));
                    for (d, u) in result.data.iter().zip(&u.data) {
                        total = (total.0 + u * d.slope, total.1 + (u * d.slope).abs());
                    }
                }
                total
            };
            if tied[k] != k { vec![] } else { (0..values[k].data.len()).map(column).collect() }
        })
        .collect()
}

fn assert_values(what: &str, found: &[Tensor], wanted: &[Array<f64>], limit: impl Fn(usize, usize) -> f64) {
    assert_eq!(found.len(), wanted.len(), "{what}: number of results");
    for (k, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(f.shape(), w.shape, "{what}: shape of result {k}");
        for (i, (a, b)) in f.to_f64_vec().unwrap().iter().zip(&w.data).enumerate() {
            // Infinities and NaN have no distance.
            let same = a == b || (a.is_nan() && b.is_nan());
            assert!(same || (a - b).abs() <= limit(k, i), "{what}: result {k}, element {i}: {a} for {b}");
        }
    }
}

/// The largest size of a finite value.
fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|v| v.is_finite()).fold(0.0, |m, v| v.abs().max(m))
}

/// So that NaN equals itself, and 0 is not -0.
fn bits(t: &Tensor) -> Vec<u64> {
    t.to_f64_vec().unwrap().into_iter().map(f64::to_bits).collect()
}

/// Values in f64 and in f32. In f32, the error may be four times that of a naive f32 loop on the same data, and
/// four units in the last place of the largest value on top.
fn check_values(name: &str, sample: &Sample) {
    let values = draw(sample, 1);
    let wanted = (sample.values)(&values).unwrap();
    let narrow: Vec<Array<f32>> = values
        .iter()
        .map(|v| Array { shape: v.shape.clone(), data: v.data.iter().map(|&x| x as f32).collect() })
        .collect();
    let naive = (sample.naive)(&narrow).unwrap();
    let naive_error: Vec<f64> = naive
        .iter()
        .zip(&wanted)
        .inspect(|(n, w)| assert_eq!(n.shape, w.shape, "{name} ({}): the loops in f32", sample.name))
        .map(|(n, w)| largest(&n.data.iter().zip(&w.data).map(|(a, b)| a.to_f64() - b).collect::<Vec<_>>()))
        .collect();
    for place in Place::ALL {
        for dtype in [DType::F64, DType::F32] {
            let what = format!("{name} ({}), {dtype}, {place:?}", sample.name);
            let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, dtype, place)).collect();
            let found = (sample.run)(&tensors).unwrap();
            assert!(found.iter().all(|f| f.dtype() == dtype), "{what}: element type");
            // What no f32 holds is an infinity there.
            let round = |v: f64| if dtype == DType::F32 { f64::from(v as f32) } else { v };
            let wanted: Vec<Array<f64>> = wanted
                .iter()
                .map(|w| Array { shape: w.shape.clone(), data: w.data.iter().map(|&v| round(v)).collect() })
                .collect();
            assert_values(&what, &found, &wanted, |k, _| {
                let top = largest(&wanted[k].data).max(f64::MIN_POSITIVE);
                match dtype {
                    DType::F32 => 4.0 * naive_error[k] + 4.0 * f64::from(f32::EPSILON) * top,
                    _ => 1e-13 * top,
                }
            });
            let again = (sample.run)(&tensors).unwrap();
            for (a, b) in found.iter().zip(&again) {
                assert_eq!(bits(a), bits(b), "{what}: two runs differ");
            }
        }
    }
}

fn check_gradients(name: &str, sample: &Sample) {
    let values = draw(sample, 2);
    let n = values.len();
    let own: Vec<usize> = (0..n).collect();
    let wanted = exact(sample, &values, &own);
    let all = (1u32 << n) - 1;
    for place in Place::ALL {
        let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, DType::F64, place)).collect();
        let (_, grads) = tape(sample, &tensors, all);
        compare(&format!("{name} ({}), {place:?}", sample.name), &grads, &wanted);
    }
}

fn compare(what: &str, grads: &[Option<Vec<f64>>], wanted: &[Vec<(f64, f64)>]) {
    for (k, (grad, wanted)) in grads.iter().zip(wanted).enumerate() {
        let Some(grad) = grad else { continue };
        // One scale for an operand: Σ|uᵢ||Jᵢⱼ| of its most sensitive element, since sums of the others pass through it.
        let scale = wanted.iter().fold(0.0, |m: f64, w| m.max(w.1)).max(1e-300);
        for (j, (g, (w, _))) in grad.iter().zip(wanted).enumerate() {
            assert!((g - w).abs() <= 1e-12 * scale, "{what}: operand {k}, element {j}: gradient {g} for {w}");
        }
    }
}

/// Every subset of operands that want a gradient: those that do get the same bits as with all, the others get none.
fn check_masks(name: &str, sample: &Sample) {
    let values = draw(sample, 3);
    let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, DType::F64, Place::Contiguous)).collect();
    let n = tensors.len() as u32;
    let (_, full) = tape(sample, &tensors, (1 << n) - 1);
    for mask in 0..1u32 << n {
        let (_, grads) = tape(sample, &tensors, mask);
        for (k, grad) in grads.iter().enumerate() {
            match grad {
                Some(g) => assert_eq!(Some(g), full[k].as_ref(), "{name}: mask {mask:b}, operand {k}"),
                None => assert_eq!(mask >> k & 1, 0, "{name}: mask {mask:b}, operand {k} got no gradient"),
            }
        }
    }
}

/// The same tensor as two operands, `x · x`: its gradient is the sum of both.
fn check_repeats(name: &str, sample: &Sample) {
    let n = sample.inputs.len();
    for i in 0..n {
        for j in i + 1..n {
            let (a, b) = (&sample.inputs[i], &sample.inputs[j]);
            if a.shape != b.shape {
                continue;
            }
            let mut values = draw(sample, 4);
            // Take the stricter domain: the right operand's, such as a divisor's.
            values[i] = values[j].clone();
            let mut tied: Vec<usize> = (0..n).collect();
            tied[j] = i;
            let wanted = exact(sample, &values, &tied);
            let cx = Cx::train(0, 0);
            let mut leaves: Vec<Tensor> =
                values.iter().map(|v| cx.track(&tensor(v, DType::F64, Place::Contiguous)).unwrap()).collect();
            leaves[j] = leaves[i].clone();
            let results = (sample.run)(&leaves).unwrap();
            let mut loss: Option<Tensor> = None;
            for (k, r) in results.iter().enumerate() {
                let u = tensor(&direction(r.shape(), &format!("u{k}")), r.dtype(), Place::Contiguous);
                let share = (r * &u).unwrap().sum_all().unwrap();
                loss = Some(loss.map_or(share.clone(), |t| (&t + &share).unwrap()));
            }
            let grads = loss.unwrap().backward(cx).unwrap();
            let grad = grads
                .wrt(&leaves[i])
                .map_or_else(|| vec![0.0; values[i].data.len()], |g| g.to_f64_vec().unwrap());
            compare(
                &format!("{name} ({}), operand {i} twice", sample.name),
                &[Some(grad)],
                &[wanted[i].clone()],
            );
        }
    }
}

/// A second opinion: five-point central differences in f64.
fn check_differences(name: &str, sample: &Sample) {
    let values = draw(sample, 5);
    let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, DType::F64, Place::Contiguous)).collect();
    let (_, grads) = tape(sample, &tensors, (1 << values.len()) - 1);
    let value = |values: &[Array<f64>]| {
        let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, DType::F64, Place::Contiguous)).collect();
        let results = (sample.run)(&tensors).unwrap();
        let parts = results.iter().enumerate().map(|(k, r)| {
            let u = direction(r.shape(), &format!("u{k}"));
            r.to_f64_vec().unwrap().iter().zip(&u.data).map(|(a, b)| a * b).sum::<f64>()
        });
        parts.sum::<f64>()
    };
    let h = 1e-3;
    for (k, grad) in grads.iter().enumerate() {
        let grad = grad.as_ref().unwrap();
        let scale = largest(grad).max(1.0);
        for j in (0..grad.len()).step_by(1 + grad.len() / 8) {
            let at = |shift: f64| {
                let mut moved = values.clone();
                moved[k].data[j] += shift;
                value(&moved)
            };
            let slope = (at(-2.0 * h) - 8.0 * at(-h) + 8.0 * at(h) - at(2.0 * h)) / (12.0 * h);
            assert!(
                (slope - grad[j]).abs() <= 1e-7 * scale,
                "{name} ({}): operand {k}, element {j}: difference {slope}, gradient {}",
                sample.name,
                grad[j]
            );
        }
    }
}

fn smooth(sample: &Sample) -> bool {
    sample.checks != Checks::Values
}

/// Checks the chosen samples of every operation.
fn each(choose: impl Fn(&Sample) -> bool, check: impl Fn(&Operation, &Sample)) {
    let operations = registry();
    assert!(operations.len() >= 85, "the registry shrank to {}", operations.len());
    for operation in &operations {
        let samples = (operation.samples)();
        assert!(samples.len() >= 3, "{} has {} samples", operation.name, samples.len());
        on_each_device(operation, || samples.iter().filter(|s| choose(s)).for_each(|s| check(operation, s)));
    }
    let twice = |o: &&Operation| OF_FAMILIES.iter().any(|part| o.name.contains(part));
    assert!(
        operations.iter().filter(twice).count() >= 19,
        "operations of families are no longer known by name"
    );
}

#[test]
fn values_are_those_of_naive_loops() {
    each(|_| true, |o, s| check_values(o.name, s));
}

#[test]
fn gradients_are_exact() {
    each(smooth, |o, s| check_gradients(o.name, s));
}

#[test]
fn every_gradient_mask_gives_the_same_gradients() {
    for operation in registry() {
        let samples = (operation.samples)();
        // The largest sample that is quick under all masks.
        let sample = samples.iter().filter(|s| smooth(s)).max_by_key(|s| {
            s.inputs.iter().map(|i| i.shape.iter().product::<usize>()).sum::<usize>().min(200)
        });
        if let Some(sample) = sample {
            on_each_device(&operation, || check_masks(operation.name, sample));
        }
    }
}

#[test]
fn a_repeated_operand_gets_the_sum_of_its_gradients() {
    each(|s| s.checks == Checks::All, |o, s| check_repeats(o.name, s));
}

#[test]
fn finite_differences_agree() {
    each(smooth, |o, s| check_differences(o.name, s));
}

#[test]
fn errors_say_exactly_what_they_should() {
    for operation in registry() {
        for error in (operation.errors)() {
            match (error.run)() {
                Ok(t) => panic!("{}: gave {t:?} where it should say: {}", operation.name, error.message),
                Err(e) => assert_eq!(e.to_string(), error.message, "{}", operation.name),
            }
        }
    }
}

/// The conventions at kinks, as PyTorch has them.
#[test]
fn kinks_follow_the_conventions() {
    let slope = |f: &dyn Fn(&Tensor) -> forge_core::Result<Tensor>, x: f64| {
        let cx = Cx::train(0, 0);
        let x = cx.track(&Tensor::new(&[x], &[1]).unwrap()).unwrap();
        let grads = f(&x).unwrap().sum_all().unwrap().backward(cx).unwrap();
        grads.wrt(&x).unwrap().item().unwrap()
    };
    assert_eq!(slope(&|x| x.relu(), 0.0), 0.0);
    assert_eq!(slope(&|x| x.abs(), 0.0), 0.0);
    assert_eq!(slope(&|x| x.leaky_relu(0.2), 0.0), 0.2);
    assert_eq!(slope(&|x| x.mae(&Tensor::new(&[1.5], &[1])?), 1.5), 0.0);
    // Huber's loss has no kink; at its bend both sides agree.
    assert_eq!(slope(&|x| x.huber(&Tensor::new(&[0.0], &[1])?, 0.75), 0.75), 0.75);
    assert_eq!(slope(&|x| x.huber(&Tensor::new(&[0.0], &[1])?, 0.75), 0.0), 0.0);
    // An elementwise tie halves: between -q and 1 - q.
    assert_eq!(slope(&|x| x.reshape(&[1, 1])?.pinball(&Tensor::new(&[1.5], &[1])?, &[0.75]), 1.5), -0.25);
}

#[test]
fn extreme_values_neither_overflow_nor_vanish() {
    let x = Tensor::new(&[-1e4f32, -100.0, 0.0, 100.0, 1e4, f32::NAN], &[6]).unwrap();
    let s = x.sigmoid().unwrap().to_vec::<f32>().unwrap();
    assert_eq!((s[0], s[2], s[3], s[4]), (0.0, 0.5, 1.0, 1.0));
    assert!(s[1] > 0.0 && s[1] < 1e-40 && s[5].is_nan(), "{s:?}");
    let t = x.tanh().unwrap().to_vec::<f32>().unwrap();
    assert_eq!((t[0], t[2], t[4]), (-1.0, 0.0, 1.0));
    let r = x.relu().unwrap().to_vec::<f32>().unwrap();
    assert!(r[5].is_nan(), "relu hides NaN");
    // NaN must pass backward through relu, too.
    let cx = Cx::train(0, 0);
    let leaf = cx.track(&x).unwrap();
    let grads = leaf.relu().unwrap().sum_all().unwrap().backward(cx).unwrap();
    assert!(grads.wrt(&leaf).unwrap().to_vec::<f32>().unwrap()[5].is_nan());
    // And where e⁻ˣ overflows or x is 0, gradients are those of the limit.
    let slopes = |f: &dyn Fn(&Tensor) -> forge_core::Result<Tensor>| {
        let cx = Cx::train(0, 0);
        let leaf = cx.track(&Tensor::new(&[-548.0f32, -90.0, 0.0, 90.0, 548.0], &[5]).unwrap()).unwrap();
        let grads = f(&leaf).unwrap().sum_all().unwrap().backward(cx).unwrap();
        grads.wrt(&leaf).unwrap().to_vec::<f32>().unwrap()
    };
    let sigmoid = slopes(&|x| x.sigmoid());
    assert!(sigmoid[1].abs() < 1e-38, "{sigmoid:?}");
    assert_eq!([sigmoid[0], sigmoid[2], sigmoid[3], sigmoid[4]], [0.0, 0.25, 0.0, 0.0]);
    let silu = slopes(&|x| x.silu());
    assert!(silu[1].abs() < 1e-36, "{silu:?}");
    assert_eq!([silu[0], silu[2], silu[3], silu[4]], [0.0, 0.5, 1.0, 1.0]);
}

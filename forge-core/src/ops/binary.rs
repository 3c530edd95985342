//! Elementwise operations of two operands, from the table in `backend/elementwise.rs`.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record_all};
use crate::backend::{Arg, Binary, for_each_binary, reference};
use crate::layout::{Dims, broadcast};
use crate::{ErrorKind, Result, Tensor, profile};

/// What the derivative by an operand is computed from: the left operand, the right one. Sums have a node of their own.
fn reads(op: Binary, side: usize) -> [bool; 2] {
    match (op, side) {
        (Binary::Mul, 0) | (Binary::Div, 0) => [false, true],
        (Binary::Mul, _) => [true, false],
        _ => [true, true],
    }
}

/// A sum or a difference, whose derivatives are ±1. A shape that is the result's own is not kept.
struct SumBackward {
    minus: bool,
    shapes: Option<[Dims; 2]>,
}

impl Backward for SumBackward {
    fn backward(self, mut incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        if !outgoing.wants(1) && self.shapes.is_none() {
            return incoming.pass(0, outgoing, 0);
        }
        let g = incoming.one()?;
        let to = |g: Tensor, side: usize| match &self.shapes {
            Some(shapes) => g.into_sum_to(&shapes[side]),
            None => Ok(g),
        };
        if outgoing.wants(1) {
            let right = to(g.clone(), 1)?;
            outgoing.send(1, if self.minus { (-&right)? } else { right })?;
        }
        if outgoing.wants(0) {
            outgoing.send(0, to(g, 0)?)?;
        }
        Ok(())
    }
}

/// Any other operation, with those operands that the wanted derivatives are computed from.
struct BinaryBackward {
    op: Binary,
    shapes: [Dims; 2],
    kept: [Option<Tensor>; 2],
}

impl Backward for BinaryBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let shape = *g.dims();
        // The derivative does not look at an operand that was not kept.
        let [a, b] =
            self.kept.map(|kept| kept.map_or_else(|| Ok(g.detach()), |t| t.expanded(self.op.name(), shape)));
        let (a, b) = (a?, b?);
        for side in 0..2 {
            if outgoing.wants(side) {
                let device = g.device();
                let operands = [a.arg(), b.arg(), g.arg()];
                let grad = Tensor::elementwise(device, g.dtype(), operands, |[a, b, g], out| {
                    device.binary_grad(self.op, side, a, b, g, out)
                })?;
                outgoing.send(side, grad.into_sum_to(&self.shapes[side])?)?;
            }
        }
        Ok(())
    }
}

impl Tensor {
    /// Any operation of the table, with NumPy's broadcasting.
    ///
    /// `y[i, j] = op(a[i, j], b[i, j])`; shapes broadcast from the right, `[a, 1]` with `[b]` to `[a, b]`.
    ///
    /// ```
    /// use forge_core::{Tensor, backend::Binary};
    /// let (column, row) = (Tensor::new(&[10.0f32, 20.0], &[2, 1])?, Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?);
    /// let y = column.binary(Binary::Sub, &row)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[2, 3][..], vec![9.0, 8.0, 7.0, 19.0, 18.0, 17.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not broadcast, or types or devices differ.
    pub fn binary(&self, op: Binary, other: &Tensor) -> Result<Tensor> {
        self.check_alike(op.name(), other)?;
        let alike = self.dims() == other.dims();
        // Recorded where it lies: a tensor is many words to move, next to a few thousand sums.
        let mut result = if alike { self.paired(op, other) } else { self.broadcast(op, other) };
        if let Ok(out) = &mut result
            && let Err(e) = self.record_pair(op, other, alike, out)
        {
            result = Err(e);
        }
        result
    }

    /// The operation on operands of one shape, unrecorded.
    #[inline]
    fn paired(&self, op: Binary, other: &Tensor) -> Result<Tensor> {
        let device = self.device();
        Tensor::elementwise(device, self.dtype(), [self.arg(), other.arg()], |[a, b], out| {
            device.binary(op, a, b, out)
        })
    }

    /// The operation on operands of two shapes, unrecorded.
    #[inline(never)]
    fn broadcast(&self, op: Binary, other: &Tensor) -> Result<Tensor> {
        let (name, device) = (op.name(), self.device());
        let shape = broadcast(name, self.dims(), other.dims())?;
        let (a, b) = (self.layout().expand(name, shape)?, other.layout().expand(name, shape)?);
        let (a, b) = (Arg { layout: &a, ..self.arg() }, Arg { layout: &b, ..other.arg() });
        Tensor::elementwise(device, self.dtype(), [a, b], |[a, b], out| device.binary(op, a, b, out))
    }

    #[inline]
    fn record_pair(&self, op: Binary, other: &Tensor, alike: bool, out: &mut Tensor) -> Result<()> {
        let (name, operands) = (op.name(), &[self, other]);
        if op.compares() || !(self.is_tracked() || other.is_tracked()) {
            profile::done(name, operands, std::slice::from_ref(out));
            return Ok(());
        }
        let shapes = || [*self.dims(), *other.dims()];
        let result = std::slice::from_mut(out);
        match op {
            Binary::Add | Binary::Sub => record_all(name, operands, result, |_| SumBackward {
                minus: op == Binary::Sub,
                shapes: (!alike).then(shapes),
            }),
            _ => record_all(name, operands, result, |wants| {
                let [left, right] = [0, 1].map(|side| if wants(side) { reads(op, side) } else { [false; 2] });
                let kept = [
                    (left[0] || right[0]).then(|| self.detach()),
                    (left[1] || right[1]).then(|| other.detach()),
                ];
                BinaryBackward { op, shapes: shapes(), kept }
            }),
        }
    }

    /// `self` to the power of `exponent`, elementwise.
    ///
    /// `x^p`, with gradients `p x^(p - 1)` and `x^p ln x`; of a whole number p, [`Tensor::pow_scalar`] is quicker.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (x, p) = (Tensor::new(&[2.0f64, 9.0], &[2])?, Tensor::new(&[3.0f64, 0.5], &[2])?);
    /// assert_eq!(x.pow(&p)?.to_vec::<f64>()?, [8.0, 3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn pow(&self, exponent: &Tensor) -> Result<Tensor> {
        self.binary(Binary::Pow, exponent)
    }

    /// The larger of two, elementwise, NaN if either is; where they are equal, each gets half of the gradient.
    ///
    /// `y = max(a, b)`
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 5.0, f32::NAN], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// let y = a.maximum(&b)?.to_vec::<f32>()?;
    /// assert!(y[..2] == [2.0, 5.0] && y[2].is_nan());
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        self.binary(Binary::Maximum, other)
    }

    /// The smaller of two, elementwise, NaN if either is; where they are equal, each gets half of the gradient.
    ///
    /// `y = min(a, b)`
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 5.0], &[2])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.minimum(&b)?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        self.binary(Binary::Minimum, other)
    }

    /// Same element type, a float, and same device.
    pub(super) fn check_alike(&self, op: &'static str, other: &Tensor) -> Result<()> {
        let (left, right) = (self.dtype(), other.dtype());
        if left != right {
            return Err(ErrorKind::DTypes { op, left, right }.into());
        }
        if !left.is_float() {
            return Err(
                ErrorKind::DType { op, dtype: left, hint: "convert with `.to_dtype(DType::F32)`" }.into()
            );
        }
        if self.device() != other.device() {
            let (left, right) = (self.device().to_string(), other.device().to_string());
            return Err(ErrorKind::Devices { op, left, right }.into());
        }
        Ok(())
    }

    /// An untracked view with dimensions of size 1 repeated.
    pub(super) fn expanded(&self, op: &'static str, shape: Dims) -> Result<Tensor> {
        Ok(self.view(self.layout().expand(op, shape)?))
    }
}

/// A method for each comparison.
macro_rules! comparisons {
    ($($(#[$doc:meta])* pub fn $fn:ident = $name:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            pub fn $fn(&self, other: &Tensor) -> Result<Tensor> {
                self.binary(Binary::$name, other)
            })*
        }
    };
}
comparisons! {
    /// 1 where `self = other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.eq(&b)?.to_vec::<f32>()?, [0.0, 1.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn eq = Eq;

    /// 1 where `self ≠ other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.ne(&b)?.to_vec::<f32>()?, [1.0, 0.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn ne = Ne;

    /// 1 where `self < other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.lt(&b)?.to_vec::<f32>()?, [1.0, 0.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn lt = Lt;

    /// 1 where `self ≤ other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.le(&b)?.to_vec::<f32>()?, [1.0, 1.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn le = Le;

    /// 1 where `self > other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.gt(&b)?.to_vec::<f32>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn gt = Gt;

    /// 1 where `self ≥ other`, else 0, elementwise with broadcasting, in the operands' element type; never tracked.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?, Tensor::new(&[2.0f32], &[1])?);
    /// assert_eq!(a.ge(&b)?.to_vec::<f32>()?, [0.0, 1.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn ge = Ge;
}

macro_rules! rows {
    ($($name:ident($fn:ident), $formula:literal, |$a:ident, $b:ident| $value:expr, |$c:ident, $d:ident| $da:expr,
       |$e:ident, $f:ident| $db:expr, $domain:tt;)*) => {
        /// An operation for each row of the table.
        pub fn operations() -> Vec<Operation> {
            vec![$(Operation {
                name: stringify!($fn),
                formula: $formula,
                samples: || samples(Binary::$name),
                errors,
            },)*]
        }
    };
}
for_each_binary!(rows);

fn samples(op: Binary) -> Vec<Sample> {
    // Of a negative number, only whole powers are numbers.
    let power = op == Binary::Pow;
    let mirrored = op.domain().0 > 0.0 && !power;
    let left = if power { (0.1, 3.0) } else { (-2.0, 2.0) };
    let call = |inputs: Vec<Input>| {
        let name = format!("{:?} and {:?}", inputs[0].shape, inputs[1].shape);
        let sample =
            sample!(name, inputs, |x| x[0].binary(op, &x[1])?, |r| reference::binary(op, &r[0], &r[1]));
        if op.compares() { sample.values_only() } else { sample }
    };
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[], &[]),
        (&[3], &[]),
        (&[4, 3], &[4, 3]),
        (&[4, 3], &[3]),
        (&[4, 1], &[1, 3]),
        (&[2, 1, 3], &[5, 1]),
        (&[0, 3], &[1, 3]),
        (&[1], &[33]),
    ];
    let mut all: Vec<Sample> = shapes
        .into_iter()
        .map(|(a, b)| call(vec![Input::within(a, left), Input { mirrored, ..Input::within(b, op.domain()) }]))
        .collect();
    if power {
        let inputs = vec![Input::within(&[4, 3], left), Input::within(&[3], (-2.0, -0.3))];
        all.push(call(inputs).without_repeats());
    }
    let strange = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    for a in strange {
        all.extend(
            strange.map(|b| call(vec![Input::given(&[1], &[a]), Input::given(&[1], &[b])]).values_only()),
        );
    }
    all
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("add: [2, 3] and [4] do not broadcast together", || {
            &Tensor::new(&[0f32; 6], &[2, 3])? + &Tensor::new(&[0f32; 4], &[4])?
        }),
        ErrorSample::new("mul: f32 and f64 do not mix; convert one of them with `.to_dtype(...)`", || {
            &Tensor::new(&[0f32], &[1])? * &Tensor::new(&[0f64], &[1])?
        }),
        ErrorSample::new("div: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
            &Tensor::new(&[1i64], &[1])? / &Tensor::new(&[1i64], &[1])?
        }),
    ]
}

//! Elementwise operations of two operands, from the table in `backend/elementwise.rs`.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Binary, for_each_binary, reference};
use crate::layout::{Dims, broadcast};
use crate::{ErrorKind, Result, Tensor};

struct BinaryBackward {
    op: Binary,
    a: Tensor,
    b: Tensor,
}

impl Backward for BinaryBackward {
    fn backward(self: Box<Self>, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let shape = *g.dims();
        for (side, operand) in [&self.a, &self.b].into_iter().enumerate() {
            if !outgoing.wants(side) {
                continue;
            }
            let grad = match (self.op, side) {
                (Binary::Add, _) | (Binary::Sub, 0) => g.clone(),
                _ => {
                    let (a, b) =
                        (self.a.expanded(self.op.name(), shape)?, self.b.expanded(self.op.name(), shape)?);
                    let device = g.device().clone();
                    Tensor::build(&device, g.dtype(), shape, |out| {
                        device.binary_grad(self.op, side, a.arg(), b.arg(), g.arg(), out)
                    })?
                }
            };
            outgoing.send(side, grad.sum_to(operand.dims())?)?;
        }
        Ok(())
    }
}

impl Tensor {
    /// Any operation of the table, with NumPy's broadcasting.
    ///
    /// # Errors
    /// When the shapes do not broadcast, or types or devices differ.
    pub fn binary(&self, op: Binary, other: &Tensor) -> Result<Tensor> {
        let name = op.name();
        self.check_alike(name, other)?;
        let shape = broadcast(name, self.dims(), other.dims())?;
        let (a, b) = (self.expanded(name, shape)?, other.expanded(name, shape)?);
        let device = self.device().clone();
        let out =
            Tensor::build(&device, self.dtype(), shape, |out| device.binary(op, a.arg(), b.arg(), out))?;
        if op.compares() {
            return Ok(out);
        }
        let [out] = record(name, &[self, other], [out], |_| {
            Box::new(BinaryBackward { op, a: self.detach(), b: other.detach() })
        })?;
        Ok(out)
    }

    /// `self` to the power of `exponent`, elementwise.
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn pow(&self, exponent: &Tensor) -> Result<Tensor> {
        self.binary(Binary::Pow, exponent)
    }

    /// The larger of two, elementwise, NaN if either is; where they are equal, each gets half of the gradient.
    ///
    /// # Errors
    /// As [`Tensor::binary`].
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        self.binary(Binary::Maximum, other)
    }

    /// The smaller of two, elementwise, NaN if either is; where they are equal, each gets half of the gradient.
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
    ($($name:ident, $fn:ident, $sign:literal;)*) => {
        impl Tensor {
            $(#[doc = concat!("1 where `self ", $sign, " other`, else 0, in the operands' element type; never tracked.")]
            ///
            /// # Errors
            /// As [`Tensor::binary`].
            pub fn $fn(&self, other: &Tensor) -> Result<Tensor> {
                self.binary(Binary::$name, other)
            })*
        }
    };
}
comparisons! {
    Eq, eq, "=";
    Ne, ne, "≠";
    Lt, lt, "<";
    Le, le, "≤";
    Gt, gt, ">";
    Ge, ge, "≥";
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

//! Elementwise operations of one operand, from the table in `backend/elementwise.rs`.

use super::sample::{Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Keep, Unary, UnaryKind, for_each_unary, reference};
use crate::{ErrorKind, Result, Tensor};

struct UnaryBackward {
    op: Unary,
    kept: Option<Tensor>,
}

impl Backward for UnaryBackward {
    fn backward(self: Box<Self>, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let kept = self.kept.as_ref().unwrap_or(&g);
        let device = g.device().clone();
        let grad = Tensor::build(&device, g.dtype(), *g.dims(), |out| {
            device.unary_grad(self.op, kept.arg(), g.arg(), out)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Any operation of the table, with its constants.
    pub fn unary(&self, op: Unary) -> Result<Tensor> {
        let (device, dtype) = (self.device().clone(), self.dtype());
        if !dtype.is_float() {
            let hint = "convert with `.to_dtype(DType::F32)`";
            return Err(ErrorKind::DType { op: op.kind.name(), dtype, hint }.into());
        }
        let out = Tensor::build(&device, dtype, *self.dims(), |out| device.unary(op, self.arg(), out))?;
        let kept = match op.kind.keep() {
            Keep::Input => Some(self.detach()),
            Keep::Output => Some(out.clone()),
            Keep::Nothing => None,
        };
        let [out] = record(op.kind.name(), &[self], [out], |_| Box::new(UnaryBackward { op, kept }))?;
        Ok(out)
    }

    /// `p x`
    pub fn mul_scalar(&self, p: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::MulScalar, p))
    }

    /// `x + p`
    pub fn add_scalar(&self, p: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::AddScalar, p))
    }

    /// `x` where it is positive, else `slope · x`. Maas, Hannun and Ng, ICML 2013.
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::LeakyRelu, slope))
    }
}

/// A method for each row without constants.
macro_rules! methods {
    ($($name:ident, $fn:ident, $formula:literal;)*) => {
        impl Tensor {
            $(#[doc = concat!("`", $formula, "`, elementwise.")]
            pub fn $fn(&self) -> Result<Tensor> {
                self.unary(Unary::new(UnaryKind::$name))
            })*
        }
    };
}
methods! {
    Square, square, "x²";
    Abs, abs, "|x|";
    Sqrt, sqrt, "√x";
    Exp, exp, "eˣ";
    Log, log, "ln x";
    Tanh, tanh, "tanh x";
    Sigmoid, sigmoid, "1 / (1 + e⁻ˣ)";
    Relu, relu, "max(x, 0)";
}

macro_rules! rows {
    ($($name:ident($fn:ident), $formula:literal, |$x:ident, $p:ident| $value:expr, $keep:ident,
       |$k:ident, $q:ident| $derivative:expr, $domain:tt;)*) => {
        /// An operation for each row of the table.
        pub fn operations() -> Vec<Operation> {
            vec![$(Operation {
                name: stringify!($fn),
                formula: $formula,
                samples: || samples(UnaryKind::$name),
                errors: Vec::new,
            },)*]
        }
    };
}
for_each_unary!(rows);

fn samples(kind: UnaryKind) -> Vec<Sample> {
    let op = Unary { kind, constants: [0.7, 0.0] };
    let domain = kind.domain();
    // A domain that begins above 0 and lies on both sides of a kink is mirrored; one that ends the function's own is not.
    let mirrored =
        matches!(kind, UnaryKind::Abs | UnaryKind::Relu | UnaryKind::LeakyRelu | UnaryKind::HuberPenalty);
    let shapes: [&[usize]; 5] = [&[], &[1], &[0, 3], &[7], &[3, 4, 5]];
    shapes
        .into_iter()
        .map(|shape| {
            let input = Input { mirrored, ..Input::within(shape, domain) };
            sample!(format!("{shape:?}"), vec![input], |x| x[0].unary(op)?, |r| reference::unary(op, &r[0]))
        })
        .collect()
}

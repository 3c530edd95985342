//! Elementwise operations of one operand, from the table in `backend/elementwise.rs`.

mod methods;

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record_all};
use crate::backend::{Keep, Unary, UnaryKind, for_each_unary, reference};
use crate::{Error, Result, Tensor};

struct UnaryBackward {
    op: Unary,
    kept: Option<Tensor>,
}

impl Backward for UnaryBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let kept = self.kept.as_ref().unwrap_or(&g);
        let device = g.device();
        let grad = Tensor::elementwise(device, g.dtype(), [kept.arg(), g.arg()], |[kept, g], out| {
            device.unary_grad(self.op, kept, g, out)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Any operation of the table, with its constants.
    ///
    /// `y[i] = op(x[i])`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::{Tensor, backend::{Unary, UnaryKind}};
    /// let x = Tensor::new(&[-2.0f32, 3.0], &[2])?;
    /// assert_eq!(x.unary(Unary::new(UnaryKind::Square))?.to_vec::<f32>()?, [4.0, 9.0]);
    /// assert_eq!(x.unary(Unary::with(UnaryKind::LeakyRelu, 0.5))?.to_vec::<f32>()?, [-1.0, 3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn unary(&self, op: Unary) -> Result<Tensor> {
        self.check_float(op.kind.name(), "convert with `.to_dtype(DType::F32)`")?;
        let (device, dtype) = (self.device(), self.dtype());
        let mut out = Tensor::elementwise(device, dtype, [self.arg()], |[x], out| device.unary(op, x, out))?;
        if !self.is_tracked() {
            return Ok(out);
        }
        let kept = match op.kind.keep() {
            Keep::Input => Some(self.detach()),
            Keep::Output => Some(out.clone()),
            Keep::Nothing => None,
        };
        let result = std::slice::from_mut(&mut out);
        record_all(op.kind.name(), &[self], result, |_| UnaryBackward { op, kept })?;
        Ok(out)
    }

    /// `y = p x`
    ///
    /// Elementwise; `x * p` is the same. Products with a tensor broadcast.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, -3.0], &[2])?.mul_scalar(2.0)?.to_vec::<f32>()?, [2.0, -6.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn mul_scalar(&self, p: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::MulScalar, p))
    }

    /// `y = x + p`
    ///
    /// Elementwise; `x + p` is the same.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, -3.0], &[2])?.add_scalar(2.0)?.to_vec::<f32>()?, [3.0, -1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn add_scalar(&self, p: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::AddScalar, p))
    }

    /// `x` where it is positive, else `slope · x`. Maas, Hannun and Ng, ICML 2013.
    ///
    /// Elementwise.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[4.0f32, -4.0], &[2])?.leaky_relu(0.25)?.to_vec::<f32>()?, [4.0, -1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::LeakyRelu, slope))
    }

    /// `x` to a constant power, elementwise. The gradient of a power 0 is 0, at x = 0 too.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 4.0], &[2])?;
    /// assert_eq!(x.pow_scalar(1.5)?.to_vec::<f64>()?, [1.0, 8.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn pow_scalar(&self, exponent: f64) -> Result<Tensor> {
        // Exact and far quicker than the general power.
        self.unary(match exponent {
            2.0 => Unary::new(UnaryKind::Square),
            0.5 => Unary::new(UnaryKind::Sqrt),
            -0.5 => Unary::new(UnaryKind::Rsqrt),
            -1.0 => Unary::new(UnaryKind::Reciprocal),
            p => Unary::with(UnaryKind::PowScalar, p),
        })
    }

    /// The nearest value between `min` and `max`. Gradients pass between the bounds and on them, NaN stays NaN. One of
    /// the bounds may be infinite.
    ///
    /// `y = min(max(x, min), max)`, elementwise.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[-3.0f64, 0.5, 3.0], &[3])?;
    /// assert_eq!(x.clamp(-1.0, 1.0)?.to_vec::<f64>()?, [-1.0, 0.5, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `min` is above `max`, or one is NaN.
    pub fn clamp(&self, min: f64, max: f64) -> Result<Tensor> {
        self.bounded(UnaryKind::Clamp, min, max)
    }

    /// As [`Tensor::clamp`], but no gradient passes on a bound, as PyTorch has it: `hardtanh(-1.0, 1.0)`, and ReLU6 is
    /// `hardtanh(0.0, 6.0)`.
    ///
    /// `y = min(max(x, min), max)`, elementwise.
    ///
    /// ```
    /// use forge_core::{Cx, Tensor};
    /// let cx = Cx::train(0, 0);
    /// let x = cx.track(&Tensor::new(&[-3.0f64, 6.0, 0.5], &[3])?)?;
    /// let y = x.hardtanh(0.0, 6.0)?;
    /// assert_eq!(y.to_vec::<f64>()?, [0.0, 6.0, 0.5]);
    /// assert_eq!(y.sum_all()?.backward(cx)?.wrt(&x).unwrap().to_vec::<f64>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `min` is above `max`, or one is NaN.
    pub fn hardtanh(&self, min: f64, max: f64) -> Result<Tensor> {
        self.bounded(UnaryKind::Hardtanh, min, max)
    }

    fn bounded(&self, kind: UnaryKind, min: f64, max: f64) -> Result<Tensor> {
        if min <= max {
            return self.unary(Unary { kind, constants: [min, max] });
        }
        Err(Error::argument(kind.name(), format!("nothing lies between the bounds {min} and {max}")))
    }

    /// `x` where it is positive, else `alpha · (eˣ - 1)`. Clevert, Unterthiner and Hochreiter, ICLR 2016.
    ///
    /// Elementwise.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[3.0f64, 0.0, -1000.0], &[3])?.elu(2.0)?;
    /// assert_eq!(y.to_vec::<f64>()?, [3.0, 0.0, -2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        self.unary(Unary::with(UnaryKind::Elu, alpha))
    }

    /// `ln(1 + e^(beta x)) / beta`, a smooth ReLU, and `x` itself where `beta x > threshold`. PyTorch's constants are 1
    /// and 20. Dugas and others, NIPS 2000.
    ///
    /// Elementwise.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[-1000.0f64, 0.0, 1000.0], &[3])?.softplus(1.0, f64::INFINITY)?;
    /// assert_eq!(y.to_vec::<f64>()?, [0.0, 2f64.ln(), 1000.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `beta` is not positive, or `threshold` is NaN.
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        if !(beta > 0.0 && beta.is_finite()) || threshold.is_nan() {
            return Err(Error::argument(
                "softplus",
                format!("beta {beta} must be a positive number, threshold {threshold} a number"),
            ));
        }
        self.unary(Unary { kind: UnaryKind::Softplus, constants: [beta, threshold] })
    }
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
                errors: || errors(UnaryKind::$name),
            },)*]
        }
    };
}
for_each_unary!(rows);

/// Constants and smooth intervals, a pair for each side of each kink.
fn cases(kind: UnaryKind) -> Vec<([f64; 2], (f64, f64))> {
    let (lo, hi) = kind.domain();
    let around = |constants: [f64; 2]| vec![(constants, (lo, hi)), (constants, (-hi, -lo))];
    match kind {
        UnaryKind::Abs
        | UnaryKind::Relu
        | UnaryKind::LeakyRelu
        | UnaryKind::HuberPenalty
        | UnaryKind::Elu
        | UnaryKind::Sign
        | UnaryKind::Floor
        | UnaryKind::Round
        | UnaryKind::Reciprocal => around([0.7, 0.0]),
        UnaryKind::PowScalar => vec![
            ([0.7, 0.0], (lo, hi)),
            ([-1.3, 0.0], (lo, hi)),
            ([3.0, 0.0], (-hi, hi)),
            ([0.0, 0.0], (-hi, hi)),
        ],
        UnaryKind::Clamp | UnaryKind::Hardtanh => vec![
            ([-0.5, 0.7], (lo, hi)),
            ([-0.5, 0.7], (-2.0, -0.55)),
            ([-0.5, 0.7], (0.75, 2.0)),
            ([-0.5, f64::INFINITY], (0.0, 2.0)),
        ],
        UnaryKind::Softplus => {
            vec![([1.0, 20.0], (lo, hi)), ([2.5, 20.0], (8.1, 9.0)), ([0.5, f64::INFINITY], (-90.0, 90.0))]
        }
        _ => vec![([0.7, 0.0], (lo, hi))],
    }
}

fn samples(kind: UnaryKind) -> Vec<Sample> {
    let call = |constants: [f64; 2], input: Input| {
        let op = Unary { kind, constants };
        sample!(
            format!("{:?}, {constants:?}, {:?}", input.shape, input.domain),
            vec![input],
            |x| x[0].unary(op)?,
            |r| reference::unary(op, &r[0])
        )
    };
    let mut all = Vec::new();
    for (constants, domain) in cases(kind) {
        let shapes: [&[usize]; 5] = [&[], &[1], &[0, 3], &[7], &[3, 4, 5]];
        all.extend(shapes.map(|shape| call(constants, Input::within(shape, domain))));
        let strange = [0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 80.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        all.extend(strange.map(|x| call(constants, Input::given(&[1], &[x])).values_only()));
    }
    all
}

fn errors(kind: UnaryKind) -> Vec<ErrorSample> {
    let one = || Tensor::new(&[0f32], &[1]);
    match kind {
        UnaryKind::Exp => {
            vec![ErrorSample::new("exp: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
                Tensor::new(&[1i64], &[1])?.exp()
            })]
        }
        UnaryKind::Clamp => vec![
            ErrorSample::new("clamp: nothing lies between the bounds 2 and 1", move || {
                one()?.clamp(2.0, 1.0)
            }),
            ErrorSample::new("clamp: nothing lies between the bounds NaN and 1", move || {
                one()?.clamp(f64::NAN, 1.0)
            }),
        ],
        UnaryKind::Hardtanh => {
            vec![ErrorSample::new("hardtanh: nothing lies between the bounds 1 and -1", move || {
                one()?.hardtanh(1.0, -1.0)
            })]
        }
        UnaryKind::Softplus => vec![ErrorSample::new(
            "softplus: beta 0 must be a positive number, threshold 20 a number",
            move || one()?.softplus(0.0, 20.0),
        )],
        _ => Vec::new(),
    }
}

//! `logsumexp`: the logarithm of a sum of exponentials, without overflow.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Reduce, reference};
use crate::layout::Dims;
use crate::{DType, Result, Tensor};

struct LogsumexpBackward {
    x: Tensor,
    /// With the reduced dimensions kept as size 1.
    y: Tensor,
    kept: Dims,
}

impl Backward for LogsumexpBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?.reshape(&self.kept)?;
        outgoing.send(0, (&g * (&self.x - &self.y)?.exp()?)?)
    }
}

impl Tensor {
    /// `ln Σ eˣ` over the dimensions `axes`, which are removed, or kept with size 1 if `keep`. Of infinities the result is
    /// an infinity, and -∞ of no element.
    ///
    /// Over dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1000.0f32, 1000.0], &[2])?;
    /// assert_eq!(x.logsumexp(&[0], false)?.item()?, f64::from(1000.0 + 2f32.ln()));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice, or elements are integers.
    pub fn logsumexp(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.check_float("logsumexp", "convert with `.to_dtype(DType::F32)`")?;
        let (shape, kept) = self.shapes_without("logsumexp", axes)?;
        let x = self.detach();
        // A largest element that is infinite leaves nothing to subtract.
        let limit = if self.dtype() == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
        let top = x.reduced("logsumexp", Reduce::Max, axes, true)?.clamp(-limit, limit)?;
        let y = (&x - &top)?.exp()?.sum(axes, true)?.log()?;
        let y = (y + &top)?;
        let out = y.reshape(if keep { &kept } else { &shape })?;
        let [out] = record("logsumexp", &[self], [out], |_| LogsumexpBackward { x, y, kept })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "logsumexp", formula: "ln Σ eˣ over dimensions", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize], bool); 7] = [
        (&[1], &[0], false),
        (&[7], &[0], true),
        (&[3, 4, 5], &[0], false),
        (&[3, 4, 5], &[1], true),
        (&[3, 4, 5], &[2, 0], false),
        (&[0, 4], &[1], false),
        (&[3, 4], &[], false),
    ];
    let call = |input: Input, axes: &'static [usize], keep: bool| {
        sample!(
            format!("{:?} over {axes:?}, {:?}", input.shape, input.given),
            vec![input],
            |x| x[0].logsumexp(axes, keep)?,
            |r| reference::logsumexp(&r[0], axes, keep)
        )
    };
    let mut all: Vec<Sample> =
        cases.into_iter().map(|(shape, axes, keep)| call(Input::new(shape), axes, keep)).collect();
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let strange: [&[f64]; 7] =
        [&[700.0, -700.0], &[-700.0, -700.0], &[-inf, 1.0], &[-inf, -inf], &[inf, 0.0], &[nan, inf], &[]];
    all.extend(strange.map(|x| call(Input::given(&[x.len()], x), &[0], false).values_only()));
    all
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("logsumexp: dimension 1 of [2], which has 1", || {
            Tensor::new(&[0f32; 2], &[2])?.logsumexp(&[1], false)
        }),
        ErrorSample::new("logsumexp: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
            Tensor::new(&[0i64; 2], &[2])?.logsumexp(&[0], false)
        }),
    ]
}

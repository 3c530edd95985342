//! `var` and `std`: variance and standard deviation over some dimensions.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Error, Result, Tensor};

struct VarBackward {
    x: Tensor,
    /// With the reduced dimensions kept as size 1, as the standard deviation.
    mean: Tensor,
    std: Option<Tensor>,
    kept: Dims,
    divisor: f64,
}

impl Backward for VarBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?.reshape(&self.kept)?;
        let slope = match &self.std {
            None => g.mul_scalar(2.0 / self.divisor)?,
            // σ′ = v′ / 2σ. Without spread there is no direction; PyTorch's gradient is 0, too.
            Some(std) => {
                let slope = (&g / std)?.mul_scalar(1.0 / self.divisor)?;
                std.where_(&slope, &Tensor::scalar_like(0.0, &g)?)?
            }
        };
        outgoing.send(0, (slope * (&self.x - &self.mean)?)?)
    }
}

impl Tensor {
    /// Variance over the dimensions `axes`, which are removed, or kept with size 1 if `keep`: the sum of squared distances
    /// from the mean, divided by the number of elements less `correction`. 1 estimates the variance of what the elements
    /// were drawn from (PyTorch's default), 0 is that of the elements themselves. Computed in two passes, so that a large
    /// mean costs no digits.
    ///
    /// `Σ (x - mean)² / (n - correction)`: over dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 2.0, 3.0, 6.0], &[4])?;
    /// assert_eq!(x.var(&[0], 0, false)?.item()?, 3.5);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice, elements are integers, or there are not more of them than
    /// `correction`.
    pub fn var(&self, axes: &[usize], correction: usize, keep: bool) -> Result<Tensor> {
        self.spread("var", axes, correction, keep)
    }

    /// Standard deviation: the square root of [`Tensor::var`]. Where all elements are equal, the gradient is 0.
    ///
    /// `√(Σ (x - mean)² / (n - correction))`: over dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 3.0, 5.0, 7.0, 4.0], &[5])?;
    /// assert_eq!(x.std(&[0], 0, false)?.item()?, 2.0); // distances 3, 1, 1, 3, 0: √(20 / 5)
    /// assert_eq!(x.std(&[0], 1, false)?.item()?, 5f64.sqrt()); // √(20 / 4)
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tensor::var`].
    pub fn std(&self, axes: &[usize], correction: usize, keep: bool) -> Result<Tensor> {
        self.spread("std", axes, correction, keep)
    }

    fn spread(&self, op: &'static str, axes: &[usize], correction: usize, keep: bool) -> Result<Tensor> {
        self.check_float(op, "convert with `.to_dtype(DType::F32)`")?;
        let (shape, kept) = self.shapes_without(op, axes)?;
        let count = self.count_over(op, axes)?;
        if count <= correction {
            return Err(Error::argument(
                op,
                format!(
                    "{count} elements over {axes:?} of {:?} are not more than the correction {correction}",
                    self.shape()
                ),
            ));
        }
        let (x, divisor) = (self.detach(), (count - correction) as f64);
        let mean = x.mean(axes, true)?;
        let mut out = (&x - &mean)?.square()?.sum(axes, true)?.mul_scalar(1.0 / divisor)?;
        if op == "std" {
            out = out.sqrt()?;
        }
        let std = (op == "std").then(|| out.clone());
        let out = out.reshape(if keep { &kept } else { &shape })?;
        let [out] = record(op, &[self], [out], |_| VarBackward { x, mean, std, kept, divisor })?;
        Ok(out)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation {
            name: "var",
            formula: "Σ (x - mean)² / (n - correction) over dimensions",
            samples: || samples(false),
            errors,
        },
        Operation { name: "std", formula: "√var", samples: || samples(true), errors: Vec::new },
    ]
}

fn samples(root: bool) -> Vec<Sample> {
    let cases: [(&[usize], &[usize], usize, bool); 8] = [
        (&[2], &[0], 1, false),
        (&[7], &[0], 0, true),
        (&[3, 4, 5], &[0], 1, false),
        (&[3, 4, 5], &[1], 0, true),
        (&[3, 4, 5], &[2, 0], 1, false),
        (&[3, 4, 5], &[0, 1, 2], 3, false),
        (&[0, 4], &[1], 1, false),
        (&[2, 300], &[1], 1, false),
    ];
    cases
        .into_iter()
        .map(|(shape, axes, correction, keep)| {
            sample!(
                format!("{shape:?} over {axes:?}, correction {correction}"),
                vec![Input::new(shape)],
                |x| if root { x[0].std(axes, correction, keep)? } else { x[0].var(axes, correction, keep)? },
                |r| {
                    let oracle = if root { reference::std } else { reference::var };
                    oracle(&r[0], axes, correction, keep)
                }
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("var: 1 elements over [1] of [3, 1] are not more than the correction 1", || {
            Tensor::new(&[0f32; 3], &[3, 1])?.var(&[1], 1, false)
        }),
        ErrorSample::new("std: dimension 0 is named twice in [0, 0]", || {
            Tensor::new(&[0f32; 3], &[3])?.std(&[0, 0], 1, false)
        }),
        ErrorSample::new("var: there is no element over [0] of [0]", || {
            Tensor::new::<f32>(&[], &[0])?.var(&[0], 0, false)
        }),
        ErrorSample::new("std: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
            Tensor::new(&[0i64; 3], &[3])?.std(&[0], 1, false)
        }),
    ]
}

//! `sum`: over some dimensions or all.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Reduce, reference};
use crate::layout::{Dims, MAX_RANK};
use crate::{Result, Tensor};

struct SumBackward {
    shape: Dims,
    /// The result's shape with summed dimensions kept as size 1.
    kept: Dims,
}

impl Backward for SumBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?.reshape(&self.kept)?;
        outgoing.send(0, g.expanded("sum", self.shape)?)
    }
}

impl Tensor {
    /// Sum over the dimensions `axes`, which are removed, or kept with size 1 if `keep`. Integers are summed as integers.
    ///
    /// `Σ x`: over dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1i64, 2, 3, 4], &[2, 2])?;
    /// assert_eq!(x.sum(&[0], false)?.to_vec::<i64>()?, [4, 6]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn sum(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        let out = self.reduced("sum", Reduce::Sum, axes, keep)?;
        let [out] = record("sum", &[self], [out], |_| {
            let mut kept = *self.dims();
            axes.iter().for_each(|&d| kept.as_mut()[d] = 1);
            SumBackward { shape: *self.dims(), kept }
        })?;
        Ok(out)
    }

    /// Sum of all elements.
    ///
    /// `Σ x`: any shape → `[]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?.sum_all()?.item()?, 10.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the device fails.
    pub fn sum_all(&self) -> Result<Tensor> {
        self.sum(self.all_axes(), false)
    }

    /// The sum over whatever broadcasting from `shape` repeated: the gradient's way back.
    pub(super) fn sum_to(&self, shape: &Dims) -> Result<Tensor> {
        if self.dims() == shape { Ok(self.clone()) } else { self.summed_to(shape) }
    }

    /// As [`Tensor::sum_to`]; itself where it has the shape already.
    pub(super) fn into_sum_to(self, shape: &Dims) -> Result<Tensor> {
        if self.dims() == shape { Ok(self) } else { self.summed_to(shape) }
    }

    fn summed_to(&self, shape: &Dims) -> Result<Tensor> {
        let lead = self.rank() - shape.len();
        let repeated = |d: &usize| *d < lead || (shape[*d - lead] == 1 && self.shape()[*d] != 1);
        let (mut axes, mut count) = ([0; MAX_RANK], 0);
        for d in (0..self.rank()).filter(repeated) {
            axes[count] = d;
            count += 1;
        }
        self.sum(&axes[..count], false)?.reshape(shape)
    }
}

pub const OPERATION: Operation = Operation { name: "sum", formula: "Σ x over dimensions", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize], bool); 9] = [
        (&[], &[], false),
        (&[5], &[0], false),
        (&[5], &[0], true),
        (&[3, 4, 5], &[2], false),
        (&[3, 4, 5], &[0], false),
        (&[3, 4, 5], &[0, 2], true),
        (&[3, 4, 5], &[1], false),
        (&[2, 0], &[1], false),
        (&[3, 700], &[1], false),
    ];
    cases
        .into_iter()
        .map(|(shape, axes, keep)| {
            sample!(
                format!("{shape:?} over {axes:?}"),
                vec![Input::new(shape)],
                |x| x[0].sum(axes, keep)?,
                |r| reference::sum(&r[0], axes, keep)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("sum: dimension 2 of [2, 3], which has 2", || {
            Tensor::new(&[0f32; 6], &[2, 3])?.sum(&[2], false)
        }),
        ErrorSample::new("sum: dimension 0 is named twice in [0, 0]", || {
            Tensor::new(&[0f32; 6], &[2, 3])?.sum(&[0, 0], false)
        }),
    ]
}

//! `unsqueeze` and `squeeze`: a dimension of size 1 comes or goes, without a copy.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// A dimension of size 1 before dimension `axis`.
    ///
    /// Before dimension 1 `[a, b]` → `[a, 1, b]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 2.0], &[2])?.unsqueeze(1)?.shape(), [2, 1]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `axis` is beyond the end, or there are as many dimensions as can be.
    pub fn unsqueeze(&self, axis: usize) -> Result<Tensor> {
        self.unsqueezed("unsqueeze", axis)
    }

    pub(super) fn unsqueezed(&self, op: &'static str, axis: usize) -> Result<Tensor> {
        self.reshape(self.layout().unsqueeze(op, axis)?.shape())
    }

    /// Dimension `axis`, of size 1, removed.
    ///
    /// Dimension 1 of `[a, 1, b]` → `[a, b]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0], &[2, 1])?;
    /// assert_eq!(x.squeeze(1)?.shape(), [2]);
    /// assert!(x.squeeze(0).is_err()); // of size 2
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or has another size.
    pub fn squeeze(&self, axis: usize) -> Result<Tensor> {
        self.layout().check_axis("squeeze", axis)?;
        if self.shape()[axis] != 1 {
            return Err(Error::shape("squeeze", format!("dimension {axis} of {:?} is not 1", self.shape())));
        }
        self.reshape(&self.shapes_without("squeeze", &[axis])?.0)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation {
            name: "unsqueeze",
            formula: "a dimension of size 1 added",
            samples: || samples(true),
            errors,
        },
        Operation {
            name: "squeeze",
            formula: "a dimension of size 1 removed",
            samples: || samples(false),
            errors: squeeze_errors,
        },
    ]
}

fn samples(add: bool) -> Vec<Sample> {
    let cases: [(&[usize], &[usize], usize); 5] = [
        (&[1], &[], 0),
        (&[1, 3], &[3], 0),
        (&[2, 1, 3], &[2, 3], 1),
        (&[2, 3, 1], &[2, 3], 2),
        (&[0, 1], &[0], 1),
    ];
    cases
        .into_iter()
        .map(|(with, without, axis)| {
            let (from, to) = if add { (without, with) } else { (with, without) };
            sample!(
                format!("{from:?} to {to:?}"),
                vec![Input::new(from)],
                |x| if add { x[0].unsqueeze(axis)? } else { x[0].squeeze(axis)? },
                |r| reference::reshape(&r[0], to)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("unsqueeze: no room for a new dimension 2 in [3]", || {
            Tensor::new(&[0f32; 3], &[3])?.unsqueeze(2)
        }),
        ErrorSample::new("unsqueeze: no room for a new dimension 0 in [1, 1, 1, 1, 1, 1]", || {
            Tensor::new(&[0f32], &[1; 6])?.unsqueeze(0)
        }),
    ]
}

fn squeeze_errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("squeeze: dimension 1 of [1, 3] is not 1", || {
            Tensor::new(&[0f32; 3], &[1, 3])?.squeeze(1)
        }),
        ErrorSample::new("squeeze: dimension 1 of [1], which has 1", || {
            Tensor::new(&[0f32], &[1])?.squeeze(1)
        }),
    ]
}

//! `stack`: tensors side by side along a new dimension, composed.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Parts of one shape side by side along a new dimension `axis`.
    ///
    /// `n` parts of `[a, b]` along dimension 1 → `[a, n, b]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0], &[2])?, Tensor::new(&[3.0f32, 4.0], &[2])?);
    /// assert_eq!(Tensor::stack(&[&a, &b], 1)?.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no part, or shapes, types or devices differ, or there is no room for one more dimension.
    pub fn stack(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
        let other = parts.iter().find(|p| p.shape() != parts[0].shape());
        if let Some(other) = other {
            return Err(Error::shape(
                "stack",
                format!("{:?} and {:?} differ", parts[0].shape(), other.shape()),
            ));
        }
        let parts: Result<Vec<Tensor>> = parts.iter().map(|p| p.unsqueezed("stack", axis)).collect();
        Tensor::concat(&parts?.iter().collect::<Vec<_>>(), axis)
    }
}

pub const OPERATION: Operation =
    Operation { name: "stack", formula: "side by side along a new dimension", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(usize, &[usize], usize); 6] =
        [(1, &[], 0), (3, &[2], 0), (2, &[2, 3], 1), (3, &[2, 3], 2), (1, &[4], 1), (2, &[0, 2], 0)];
    cases
        .into_iter()
        .map(|(count, shape, axis)| {
            sample!(
                format!("{count} of {shape:?} along {axis}"),
                vec![Input::new(shape); count],
                |x| Tensor::stack(&x.iter().collect::<Vec<_>>(), axis)?,
                |r| reference::stack(r, axis)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("stack: [2] and [1] differ", || {
            Tensor::stack(&[&Tensor::new(&[0f32; 2], &[2])?, &Tensor::new(&[0f32], &[1])?], 0)
        }),
        ErrorSample::new("stack: no room for a new dimension 2 in [2]", || {
            Tensor::stack(&[&Tensor::new(&[0f32; 2], &[2])?], 2)
        }),
    ]
}

//! `repeat`: all elements of dimensions again and again, composed.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Dimension i `times[i]` times over: a copy, unlike [`Tensor::expand`].
    ///
    /// `[a, b]` with [m, n] → `[m a, n b]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0], &[2])?;
    /// assert_eq!(x.repeat(&[3])?.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is not a number for each dimension.
    pub fn repeat(&self, times: &[usize]) -> Result<Tensor> {
        if times.len() != self.rank() {
            return Err(Error::shape(
                "repeat",
                format!("{} numbers for {:?}; one for each dimension", times.len(), self.shape()),
            ));
        }
        let mut out = self.clone();
        for (axis, &times) in times.iter().enumerate().filter(|(_, times)| **times != 1) {
            let mut shape: Dims = *out.dims();
            let before: usize = shape[..axis].iter().product();
            let block: usize = shape[axis..].iter().product();
            shape.as_mut()[axis] = shape[axis].checked_mul(times).ok_or_else(|| {
                Error::shape(
                    "repeat",
                    format!("{times} times dimension {axis} of {:?} is too much", self.shape()),
                )
            })?;
            // Elements from this dimension on are repeated as one block, whatever the number of dimensions.
            let blocks = out.reshape(&[before, 1, block])?;
            out = blocks.expand(&[before, times, block])?.reshape(&shape)?;
        }
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "repeat", formula: "y[i] = x[i mod n] along dimensions", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 7] = [
        (&[], &[]),
        (&[3], &[1]),
        (&[3], &[4]),
        (&[2, 3], &[3, 1]),
        (&[2, 3], &[2, 3]),
        (&[2, 1, 2, 1, 2, 1], &[1, 3, 2, 1, 1, 2]),
        (&[2, 3], &[0, 2]),
    ];
    cases
        .into_iter()
        .map(|(shape, times)| {
            sample!(
                format!("{shape:?}, {times:?} times"),
                vec![Input::new(shape)],
                |x| x[0].repeat(times)?,
                |r| { reference::repeat(&r[0], times) }
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("repeat: 1 numbers for [2, 3]; one for each dimension", || {
        Tensor::new(&[0f32; 6], &[2, 3])?.repeat(&[2])
    })]
}

//! `concat`: tensors side by side along one dimension.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Layout;
use crate::{Error, Result, Tensor};

struct ConcatBackward {
    axis: usize,
    sizes: Vec<usize>,
}

impl Backward for ConcatBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let mut start = 0;
        for (i, size) in self.sizes.iter().enumerate() {
            if outgoing.wants(i) {
                outgoing.send(i, g.narrow(self.axis, start, *size)?)?;
            }
            start += size;
        }
        Ok(())
    }
}

impl Tensor {
    /// The parts side by side along dimension `axis`.
    ///
    /// `[a, m]` and `[a, n]` along dimension 1 → `[a, m + n]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let (a, b) = (Tensor::new(&[1.0f32, 2.0], &[2, 1])?, Tensor::new(&[3.0f32, 4.0, 5.0, 6.0], &[2, 2])?);
    /// let y = Tensor::concat(&[&a, &b], 1)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[2, 3][..], vec![1.0, 3.0, 4.0, 2.0, 5.0, 6.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no part, or shapes differ elsewhere than in `axis`, or types or devices differ.
    pub fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
        let Some(first) = parts.first() else {
            return Err(Error::argument("concat", "there is nothing to put side by side"));
        };
        first.layout().check_axis("concat", axis)?;
        let mut shape = *first.dims();
        shape.as_mut()[axis] = 0;
        for part in parts {
            first.check_alike("concat", part)?;
            let alike = part.rank() == first.rank()
                && (0..part.rank()).all(|d| d == axis || part.shape()[d] == first.shape()[d]);
            if !alike {
                return Err(Error::shape(
                    "concat",
                    format!(
                        "{:?} and {:?} differ elsewhere than in dimension {axis}",
                        first.shape(),
                        part.shape()
                    ),
                ));
            }
            shape.as_mut()[axis] += part.shape()[axis];
        }
        let device = first.device().clone();
        let out = Tensor::build(&device, first.dtype(), shape, |out| {
            let mut start = 0;
            for part in parts {
                let to = Layout::contiguous(shape).slice("concat", axis, start, part.shape()[axis], 1)?;
                device.copy(part.arg(), out, &to)?;
                start += part.shape()[axis];
            }
            Ok(())
        })?;
        let [out] = record("concat", parts, [out], |_| ConcatBackward {
            axis,
            sizes: parts.iter().map(|p| p.shape()[axis]).collect(),
        })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "concat", formula: "side by side along a dimension", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[&[usize]], usize); 4] = [
        (&[&[3]], 0),
        (&[&[2, 3], &[4, 3]], 0),
        (&[&[2, 3], &[2, 0], &[2, 1]], 1),
        (&[&[2, 3, 2], &[2, 1, 2]], 1),
    ];
    cases
        .into_iter()
        .map(|(shapes, axis)| {
            sample!(
                format!("{shapes:?} along {axis}"),
                shapes.iter().map(|s| Input::new(s)).collect(),
                |x| Tensor::concat(&x.iter().collect::<Vec<_>>(), axis)?,
                |r| reference::concat(r, axis)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("concat: [2, 3] and [2, 4] differ elsewhere than in dimension 0", || {
            Tensor::concat(&[&Tensor::new(&[0f32; 6], &[2, 3])?, &Tensor::new(&[0f32; 8], &[2, 4])?], 0)
        }),
        ErrorSample::new("concat: there is nothing to put side by side", || Tensor::concat(&[], 0)),
    ]
}

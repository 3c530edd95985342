//! `slice`: a range of one dimension with a step, without a copy.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::{Dims, Layout};
use crate::{Result, Tensor};

struct SliceBackward {
    shape: Dims,
    axis: usize,
    start: usize,
    step: usize,
}

impl Backward for SliceBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let device = g.device().clone();
        let to = Layout::contiguous(self.shape).slice(
            "slice",
            self.axis,
            self.start,
            g.shape()[self.axis],
            self.step,
        )?;
        let grad = Tensor::build(&device, g.dtype(), self.shape, |out| {
            device.fill(out, 0.0)?;
            device.copy(g.arg(), out, &to)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// `len` elements of dimension `axis` from `start`, every `step`-th.
    ///
    /// `y[i] = x[start + i step]`: along dimension 1 `[a, b, c]` → `[a, len, c]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[0.0f32, 1.0, 2.0, 3.0, 4.0], &[5])?;
    /// assert_eq!(x.slice(0, 1, 2, 2)?.to_vec::<f32>()?, [1.0, 3.0]);
    /// assert!(x.slice(0, 1, 3, 2).is_err()); // there is no element 5
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the range does not fit the dimension.
    pub fn slice(&self, axis: usize, start: usize, len: usize, step: usize) -> Result<Tensor> {
        let out = self.view(self.layout().slice("slice", axis, start, len, step)?);
        let [out] =
            record("slice", &[self], [out], |_| SliceBackward { shape: *self.dims(), axis, start, step })?;
        Ok(out)
    }

    /// `len` neighbours of dimension `axis` from `start`.
    ///
    /// `y[i] = x[start + i]`: along dimension 1 `[a, b, c]` → `[a, len, c]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[0.0f32, 1.0, 2.0, 3.0], &[4])?;
    /// assert_eq!(x.narrow(0, 1, 2)?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the range does not fit the dimension.
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Result<Tensor> {
        self.slice(axis, start, len, 1)
    }

    /// The element `i` of dimension `axis`, which is removed.
    ///
    /// Along dimension 1 `[a, b, c]` → `[a, c]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
    /// let column = x.select(1, 0)?;
    /// assert_eq!((column.shape(), column.to_vec::<f32>()?), (&[2][..], vec![1.0, 3.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension or the element does not exist.
    pub fn select(&self, axis: usize, i: usize) -> Result<Tensor> {
        let one = self.slice(axis, i, 1, 1)?;
        let mut shape = *self.dims();
        shape.as_mut().copy_within(axis + 1.., axis);
        one.reshape(&shape[..shape.len() - 1])
    }
}

pub const OPERATION: Operation =
    Operation { name: "slice", formula: "y[…, i, …] = x[…, start + i step, …]", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize, usize, usize, usize); 6] = [
        (&[5], 0, 1, 3, 1),
        (&[5], 0, 0, 3, 2),
        (&[3, 4, 5], 1, 1, 2, 2),
        (&[3, 4, 5], 2, 4, 1, 1),
        (&[3, 4], 0, 3, 0, 1),
        (&[3, 4], 1, 0, 4, 1),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, start, len, step)| {
            sample!(
                format!("{shape:?}, {len} from {start} by {step} of dimension {axis}"),
                vec![Input::new(shape)],
                |x| x[0].slice(axis, start, len, step)?,
                |r| reference::slice(&r[0], axis, start, len, step)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("slice: 3 elements from 2 in steps of 1 do not fit dimension 1 of [2, 4]", || {
            Tensor::new(&[0f32; 8], &[2, 4])?.slice(1, 2, 3, 1)
        }),
        ErrorSample::new(
            "slice: 3 elements from 0 in steps of 18446744073709551615 do not fit dimension 1 of [2, 4]",
            || Tensor::new(&[0f32; 8], &[2, 4])?.slice(1, 0, 3, usize::MAX),
        ),
        ErrorSample::new("slice: dimension 2 of [2, 4], which has 2", || {
            Tensor::new(&[0f32; 8], &[2, 4])?.slice(2, 0, 1, 1)
        }),
    ]
}

//! `unfold`: sliding windows, without a copy.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Along, reference};
use crate::layout::{Dims, Layout};
use crate::{Result, Tensor};

/// The fold: each element gets the gradients of all windows that it is in.
struct UnfoldBackward {
    shape: Dims,
    axis: usize,
    size: usize,
    step: usize,
}

impl Backward for UnfoldBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let UnfoldBackward { shape, axis, size, step } = self;
        let g = incoming.one()?;
        let device = g.device();
        let windows = g.shape()[axis];
        let mut flat = shape;
        flat.as_mut()[axis] = windows * size;
        // Windows and places in them as one dimension, with the position that each came from.
        let g = g.last_back("unfold", axis + 1)?.reshape(&flat)?;
        let list: Vec<i64> = (0..windows * size).map(|i| (i / size * step + i % size) as i64).collect();
        let mut along = Dims::filled(&[1; 6][..shape.len()]);
        along.as_mut()[axis] = windows * size;
        let index = Tensor::from_vec(list, &along, device)?.expanded("unfold", flat)?;
        let grad = Tensor::build(device, g.dtype(), shape, |out| {
            device.fill(out, 0.0)?;
            let along = Along { op: "unfold", axis, index: index.arg() };
            device.scatter_add(g.arg(), along, out, &Layout::contiguous(shape))
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Windows of `size` neighbours along `axis`, one every `step` elements, as a new last dimension: a view in which
    /// elements stand in several windows.
    ///
    /// `y[i, k] = x[i step + k]`: along dimension 0 `[n, a]` → `[⌊(n - size) / step⌋ + 1, a, size]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[4])?;
    /// let windows = x.unfold(0, 3, 1)?;
    /// assert_eq!(windows.shape(), [2, 3]);
    /// assert_eq!(windows.to_vec::<f32>()?, [1.0, 2.0, 3.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or is shorter than a window, `size` or `step` is 0, or there is no room for one
    /// more dimension.
    pub fn unfold(&self, axis: usize, size: usize, step: usize) -> Result<Tensor> {
        let out = self.view(self.layout().windows("unfold", axis, size, step)?);
        let [out] =
            record("unfold", &[self], [out], |_| UnfoldBackward { shape: *self.dims(), axis, size, step })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "unfold", formula: "y[…, i, …, k] = x[…, i step + k, …]", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize, usize, usize); 8] = [
        (&[5], 0, 3, 1),
        (&[5], 0, 5, 2),
        (&[7], 0, 2, 3),
        (&[1], 0, 1, 1),
        (&[3, 6], 1, 3, 2),
        (&[6, 3], 0, 4, 1),
        (&[2, 5, 3], 1, 2, 1),
        (&[0, 4], 1, 2, 1),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, size, step)| {
            sample!(
                format!("windows of {size} every {step} along {axis} of {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].unfold(axis, size, step)?,
                |r| reference::unfold(&r[0], axis, size, step)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let with = |shape: &'static [usize], size: usize, step: usize| {
        move || Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())?.unfold(0, size, step)
    };
    vec![
        ErrorSample::new("unfold: windows of 4 every 1 do not fit dimension 0 of [3]", with(&[3], 4, 1)),
        ErrorSample::new("unfold: windows of 0 every 1 do not fit dimension 0 of [3]", with(&[3], 0, 1)),
        ErrorSample::new("unfold: windows of 2 every 0 do not fit dimension 0 of [3]", with(&[3], 2, 0)),
        ErrorSample::new("unfold: [1, 1, 1, 1, 1, 1, 1] has 7 dimensions; at most 6", with(&[1; 6], 1, 1)),
    ]
}

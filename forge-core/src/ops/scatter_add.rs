//! `scatter_add`: elements added where positions along one dimension say.

use super::gather::{named, positions};
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Along, reference};
use crate::layout::{Dims, Layout};
use crate::{Result, Tensor};

struct ScatterAddBackward {
    axis: usize,
    index: Tensor,
    source: Dims,
}

impl Backward for ScatterAddBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        if outgoing.wants(1) {
            let read = g.gathered("scatter_add", self.axis, &self.index)?;
            let grad = if read.dims() == &self.source {
                read
            } else {
                // Elements of the source that no position goes with have no gradient.
                let device = g.device();
                let to = Layout::contiguous(self.source).corner(read.dims());
                Tensor::build(device, g.dtype(), self.source, |out| {
                    device.fill(out, 0.0)?;
                    device.copy(read.arg(), out, &to)
                })?
            };
            outgoing.send(1, grad)?;
        }
        outgoing.send(0, g)
    }
}

impl Tensor {
    /// This tensor with elements of `source` added: `self[i, index[i, j, k], k] += source[i, j, k]` for `axis` 1, and so
    /// on. Several may go to one place; they are added in row-major order, so that the result has the same bits each time.
    /// The index may be smaller than the source, of which it then takes the first elements.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let counts = Tensor::new(&[0.0f32; 3], &[3])?;
    /// let classes = Tensor::new(&[2i64, 0, 2], &[3])?;
    /// let ones = Tensor::new(&[1.0f32; 3], &[3])?;
    /// assert_eq!(counts.scatter_add(0, &classes, &ones)?.to_vec::<f32>()?, [1.0, 0.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index is not i64, does not fit, or names an element that does not exist; when types or devices differ.
    pub fn scatter_add(&self, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        self.check_alike("scatter_add", source)?;
        self.check_positions("scatter_add", axis, index, Some(source))?;
        let (device, index, shape) = (self.device(), index.detach(), *self.dims());
        let read = source.view(source.layout().corner(index.dims()));
        let to = Layout::contiguous(shape).corner(&index.shape_but(axis, &shape));
        let out = Tensor::build(device, self.dtype(), shape, |out| {
            device.copy(self.arg(), out, &Layout::contiguous(shape))?;
            let along = Along { op: "scatter_add", axis, index: index.arg() };
            device.scatter_add(read.arg(), along, out, &to)
        })?;
        let [out] = record("scatter_add", &[self, source], [out], |_| ScatterAddBackward {
            axis,
            index,
            source: *source.dims(),
        })?;
        Ok(out)
    }
}

pub const OPERATION: Operation = Operation {
    name: "scatter_add",
    formula: "y = x, then y[i, index[i, j, k], k] += s[i, j, k]",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    // Into this along a dimension, positions of this shape, a source of this.
    type Case<'a> = (&'a [usize], usize, [&'a [usize]; 2]);
    let cases: [Case; 7] = [
        (&[4], 0, [&[6], &[6]]),
        (&[4, 3], 1, [&[4, 2], &[4, 2]]),
        (&[4, 3], 0, [&[5, 2], &[6, 3]]),
        (&[2, 3, 4], 1, [&[2, 5, 4], &[2, 5, 4]]),
        (&[2, 3, 2], 2, [&[1, 2, 3], &[2, 3, 4]]),
        (&[3, 2], 1, [&[0, 2], &[3, 2]]),
        (&[3, 2], 0, [&[3, 2], &[3, 2]]),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, [index, source])| {
            let at = positions(index, shape[axis]);
            sample!(
                format!("{index:?} of {source:?} along {axis} into {shape:?}"),
                vec![Input::new(shape), Input::new(source)],
                |x| x[0].scatter_add(axis, &Tensor::new(&at, index)?, &x[1])?,
                |r| reference::scatter_add(&r[0], axis, &named(index, shape[axis]), &r[1])
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let with = |index: &'static [i64], shape: &'static [usize], source: &'static [usize]| {
        move || {
            let source = Tensor::zeros(source, crate::DType::F32, &crate::Device::cpu())?;
            Tensor::new(&[0f32; 6], &[3, 2])?.scatter_add(0, &Tensor::new(index, shape)?, &source)
        }
    };
    vec![
        ErrorSample::new(
            "scatter_add: index 3 at position 1 is outside dimension 0, which has 3",
            with(&[0, 3], &[1, 2], &[1, 2]),
        ),
        ErrorSample::new(
            "scatter_add: positions [2, 2] along dimension 0 do not fit [3, 2]",
            with(&[0; 4], &[2, 2], &[1, 2]),
        ),
        ErrorSample::new("scatter_add: not defined for f32; positions are i64", || {
            let x = Tensor::new(&[0f32; 2], &[2])?;
            x.scatter_add(0, &x, &x)
        }),
    ]
}

//! `gather`: a position along one dimension for each element.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Along, reference};
use crate::layout::{Dims, Layout};
use crate::{DType, Error, ErrorKind, Result, Tensor};

/// Sends each gradient to where its element was read.
pub struct GatherBackward {
    pub op: &'static str,
    pub axis: usize,
    pub index: Tensor,
    pub shape: Dims,
}

impl Backward for GatherBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let device = g.device().clone();
        let along = Along { op: self.op, axis: self.axis, index: self.index.arg() };
        let grad = Tensor::build(&device, g.dtype(), self.shape, |out| {
            device.fill(out, 0.0)?;
            let to = Layout::contiguous(self.shape).corner(&self.index.shape_but(self.axis, &self.shape));
            device.scatter_add(g.arg(), along, out, &to)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Element `[i, j, k]` of the result is `self[i, index[i, j, k], k]` for `axis` 1, and so on: the index has a number
    /// for each element of the result. In the other dimensions it may be smaller than this tensor.
    ///
    /// `y[i, j, k] = x[i, index[i, j, k], k]`, of the index's shape.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let scores = Tensor::new(&[0.1f32, 0.9, 0.7, 0.3], &[2, 2])?;
    /// let class = Tensor::new(&[1i64, 0], &[2, 1])?;
    /// assert_eq!(scores.gather(1, &class)?.to_vec::<f32>()?, [0.9, 0.7]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the index is not i64, does not fit, or names an element that does not exist.
    pub fn gather(&self, axis: usize, index: &Tensor) -> Result<Tensor> {
        self.check_positions("gather", axis, index, None)?;
        let index = index.detach();
        let out = self.gathered("gather", axis, &index)?;
        let [out] = record("gather", &[self], [out], |_| GatherBackward {
            op: "gather",
            axis,
            index,
            shape: *self.dims(),
        })?;
        Ok(out)
    }

    /// The elements at the positions; untracked.
    pub(super) fn gathered(&self, op: &'static str, axis: usize, index: &Tensor) -> Result<Tensor> {
        let device = self.device();
        let from = self.view(self.layout().corner(&index.shape_but(axis, self.dims())));
        let along = Along { op, axis, index: index.arg() };
        Tensor::build(device, self.dtype(), *index.dims(), |out| device.gather(from.arg(), along, out))
    }

    /// This shape, but dimension `axis` of another.
    pub(super) fn shape_but(&self, axis: usize, other: &Dims) -> Dims {
        let mut shape = *self.dims();
        shape.as_mut()[axis] = other[axis];
        shape
    }

    /// That these are positions on the device of `data`.
    pub(super) fn check_index(&self, op: &'static str, data: &Tensor) -> Result<()> {
        if self.dtype() != DType::I64 {
            return Err(ErrorKind::DType { op, dtype: self.dtype(), hint: "positions are i64" }.into());
        }
        if self.device() != data.device() {
            let (left, right) = (data.device().to_string(), self.device().to_string());
            return Err(ErrorKind::Devices { op, left, right }.into());
        }
        Ok(())
    }

    /// That `index` has a position along `axis` of this for each element that it names: it fits into `source`, if there
    /// is one, and but for `axis` into this.
    pub(super) fn check_positions(
        &self,
        op: &'static str,
        axis: usize,
        index: &Tensor,
        source: Option<&Tensor>,
    ) -> Result<()> {
        self.layout().check_axis(op, axis)?;
        index.check_index(op, self)?;
        let fits = |whole: &Tensor, but: Option<usize>| {
            whole.rank() == index.rank()
                && (0..index.rank()).all(|d| Some(d) == but || index.shape()[d] <= whole.shape()[d])
        };
        if fits(self, Some(axis)) && source.is_none_or(|source| fits(source, None)) {
            return Ok(());
        }
        Err(Error::shape(
            op,
            format!("positions {:?} along dimension {axis} do not fit {:?}", index.shape(), self.shape()),
        ))
    }
}

pub const OPERATION: Operation =
    Operation { name: "gather", formula: "y[i, j, k] = x[i, index[i, j, k], k]", samples, errors };

/// Positions below `size` in some order, with repeats.
pub fn positions(shape: &[usize], size: usize) -> Vec<i64> {
    (0..shape.iter().product()).map(|i: usize| ((5 * i + i / 3) % size.max(1)) as i64).collect()
}

/// The same positions for the oracle.
pub fn named(shape: &[usize], size: usize) -> reference::Array<f64> {
    let data = positions(shape, size).into_iter().map(|i| i as f64).collect();
    reference::Array { shape: shape.to_vec(), data }
}

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize, &[usize]); 8] = [
        (&[4], 0, &[6]),
        (&[4, 3], 1, &[4, 1]),
        (&[4, 3], 0, &[2, 3]),
        (&[2, 3, 4], 1, &[2, 5, 4]),
        (&[2, 3, 4], 2, &[1, 2, 3]),
        (&[2, 3, 4], 0, &[3, 2, 4]),
        (&[3, 2], 1, &[0, 2]),
        (&[1, 1], 0, &[1, 1]),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, index)| {
            let at = positions(index, shape[axis]);
            sample!(
                format!("{index:?} along {axis} of {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].gather(axis, &Tensor::new(&at, index)?)?,
                |r| reference::gather(&r[0], axis, &named(index, shape[axis]))
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let with = |axis: usize, index: &'static [i64], shape: &'static [usize]| {
        move || Tensor::new(&[0f32; 6], &[3, 2])?.gather(axis, &Tensor::new(index, shape)?)
    };
    vec![
        ErrorSample::new(
            "gather: index 2 at position 3 is outside dimension 1, which has 2",
            with(1, &[0, 1, 0, 2], &[2, 2]),
        ),
        ErrorSample::new(
            "gather: positions [4, 1] along dimension 1 do not fit [3, 2]",
            with(1, &[0; 4], &[4, 1]),
        ),
        ErrorSample::new("gather: positions [2] along dimension 0 do not fit [3, 2]", with(0, &[0, 0], &[2])),
        ErrorSample::new("gather: dimension 2 of [3, 2], which has 2", with(2, &[0], &[1, 1])),
    ]
}

//! Which dimensions an operation works along, as views that put them last.

use crate::backend::Reduce;
use crate::layout::{Dims, MAX_RANK};
use crate::{Error, ErrorKind, Result, Tensor};

/// An order of dimensions.
type Order = [usize; MAX_RANK];

impl Tensor {
    /// That the elements are floats.
    pub(super) fn check_float(&self, op: &'static str, hint: &'static str) -> Result<()> {
        if self.dtype().is_float() {
            return Ok(());
        }
        Err(ErrorKind::DType { op, dtype: self.dtype(), hint }.into())
    }

    /// The dimensions put together by a reduction; untracked.
    pub(crate) fn reduced(
        &self,
        op: &'static str,
        reduce: Reduce,
        axes: &[usize],
        keep: bool,
    ) -> Result<Tensor> {
        let (shape, kept) = self.shapes_without(op, axes)?;
        let mut order: Order = [0; MAX_RANK];
        let rest = (0..self.rank()).filter(|d| !axes.contains(d));
        let last = (0..self.rank()).filter(|d| axes.contains(d));
        order.iter_mut().zip(rest.chain(last)).for_each(|(to, d)| *to = d);
        let turned = self.view(self.layout().permute(op, &order[..self.rank()])?);
        let device = self.device();
        Tensor::build(device, self.dtype(), if keep { kept } else { shape }, |out| {
            device.reduce(reduce, turned.arg(), axes.len(), out)
        })
    }

    /// The shape without the dimensions `axes`, and with each of them of size 1.
    pub(super) fn shapes_without(&self, op: &'static str, axes: &[usize]) -> Result<(Dims, Dims)> {
        for (i, &axis) in axes.iter().enumerate() {
            self.layout().check_axis(op, axis)?;
            if axes[..i].contains(&axis) {
                return Err(Error::shape(op, format!("dimension {axis} is named twice in {axes:?}")));
            }
        }
        let (mut kept, mut rest, mut rank) = (*self.dims(), [0; MAX_RANK], 0);
        for d in 0..self.rank() {
            if axes.contains(&d) {
                kept.as_mut()[d] = 1;
            } else {
                rest[rank] = self.shape()[d];
                rank += 1;
            }
        }
        Ok((Dims::filled(&rest[..rank]), kept))
    }

    /// The number of elements that a reduction over `axes` puts together; that it is not 0.
    pub(super) fn count_over(&self, op: &'static str, axes: &[usize]) -> Result<usize> {
        self.shapes_without(op, axes)?;
        match axes.iter().map(|&d| self.shape()[d]).product() {
            0 => Err(Error::shape(op, format!("there is no element over {axes:?} of {:?}", self.shape()))),
            count => Ok(count),
        }
    }

    /// All dimensions, to be handed to a reduction.
    pub(super) fn all_axes(&self) -> &'static [usize] {
        &[0, 1, 2, 3, 4, 5][..self.rank()]
    }

    /// An untracked view with dimension `axis` last.
    pub(crate) fn with_last(&self, op: &'static str, axis: usize) -> Result<Tensor> {
        self.layout().check_axis(op, axis)?;
        let mut order: Order = [0; MAX_RANK];
        let others = (0..self.rank()).filter(|&d| d != axis);
        order.iter_mut().zip(others.chain([axis])).for_each(|(to, d)| *to = d);
        Ok(self.view(self.layout().permute(op, &order[..self.rank()])?))
    }

    /// The way back of [`Tensor::with_last`]: an untracked view with the last dimension at `axis`.
    pub(crate) fn last_back(&self, op: &'static str, axis: usize) -> Result<Tensor> {
        let last = self.rank() - 1;
        let mut order: Order = [0; MAX_RANK];
        let before = 0..axis;
        order.iter_mut().zip(before.chain([last]).chain(axis..last)).for_each(|(to, d)| *to = d);
        Ok(self.view(self.layout().permute(op, &order[..self.rank()])?))
    }
}

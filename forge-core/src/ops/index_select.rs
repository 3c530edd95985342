//! `index_select`: rows of the first dimension by number.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{DType, Error, ErrorKind, Result, Tensor};

struct IndexSelectBackward {
    index: Tensor,
    shape: Dims,
}

impl Backward for IndexSelectBackward {
    fn backward(self: Box<Self>, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let device = g.device().clone();
        let grad = Tensor::build(&device, g.dtype(), self.shape, |out| {
            device.scatter_add(g.arg(), self.index.arg(), self.shape[0], out)
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Row `i` of the result is row `index[i]` of the first dimension; rows may repeat.
    ///
    /// # Errors
    /// When `index` is not a list of i64, or names a row that does not exist.
    pub fn index_select(&self, index: &Tensor) -> Result<Tensor> {
        if index.dtype() != DType::I64 {
            let hint = "row numbers are i64";
            return Err(ErrorKind::DType { op: "index_select", dtype: index.dtype(), hint }.into());
        }
        if index.rank() != 1 || self.rank() == 0 {
            return Err(Error::shape(
                "index_select",
                format!(
                    "a list of row numbers and at least one dimension are needed, not {:?} of {:?}",
                    index.shape(),
                    self.shape()
                ),
            ));
        }
        let mut shape = *self.dims();
        shape.as_mut()[0] = index.shape()[0];
        let device = self.device().clone();
        let out =
            Tensor::build(&device, self.dtype(), shape, |out| device.gather(self.arg(), index.arg(), out))?;
        let [out] = record("index_select", &[self], [out], |_| {
            Box::new(IndexSelectBackward { index: index.detach(), shape: *self.dims() })
        })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "index_select", formula: "y[i, …] = x[index[i], …]", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 4] =
        [(&[4], &[3, 0]), (&[3, 2], &[1, 1, 0, 1]), (&[3, 2, 2], &[2]), (&[3, 2], &[])];
    cases
        .into_iter()
        .map(|(shape, index)| {
            let rows: Vec<i64> = index.iter().map(|&i| i as i64).collect();
            sample!(
                format!("{index:?} of {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].index_select(&Tensor::new(&rows, &[rows.len()])?)?,
                |r| reference::index_select(&r[0], index)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("index_select: index 3 at position 1 is outside the 3 rows (0 to 2)", || {
        Tensor::new(&[0f32; 6], &[3, 2])?.index_select(&Tensor::new(&[0i64, 3], &[2])?)
    })]
}

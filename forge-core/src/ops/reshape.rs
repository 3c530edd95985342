//! `reshape`: another shape over the same elements, without a copy where the strides allow it.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Error, Result, Tensor};

struct ReshapeBackward(Dims);

impl Backward for ReshapeBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        outgoing.send(0, incoming.one()?.reshape(&self.0)?)
    }
}

impl Tensor {
    /// The same elements in row-major order under another shape.
    ///
    /// `[a, b]` → `[c, d]` with a b = c d: a view where strides allow it, else a copy.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
    /// let y = x.reshape(&[3, 2])?;
    /// assert_eq!(y.select(0, 1)?.to_vec::<f32>()?, [3.0, 4.0]);
    /// assert!(x.reshape(&[4]).is_err());
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the number of elements differs.
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor> {
        let dims = Dims::new("reshape", shape)?;
        if dims.count() != self.count() {
            return Err(Error::shape(
                "reshape",
                format!("{:?} has {} elements, {shape:?} has {}", self.shape(), self.count(), dims.count()),
            ));
        }
        let out = match self.layout().reshape(dims) {
            Some(layout) => self.view(layout),
            None => {
                let packed = self.packed()?;
                packed.view(crate::layout::Layout::contiguous(dims))
            }
        };
        let [out] = record("reshape", &[self], [out], |_| ReshapeBackward(*self.dims()))?;
        Ok(out)
    }
}

pub const OPERATION: Operation = Operation {
    name: "reshape",
    formula: "the same elements, row-major, under another shape",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 6] = [
        (&[], &[1, 1]),
        (&[6], &[2, 3]),
        (&[2, 3, 4], &[6, 4]),
        (&[2, 3, 4], &[2, 12]),
        (&[4, 6], &[2, 2, 3, 2]),
        (&[0, 3], &[3, 0]),
    ];
    cases
        .into_iter()
        .map(|(from, to)| {
            sample!(format!("{from:?} to {to:?}"), vec![Input::new(from)], |x| x[0].reshape(to)?, |r| {
                reference::reshape(&r[0], to)
            })
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("reshape: [2, 3] has 6 elements, [4] has 4", || {
        Tensor::new(&[0f32; 6], &[2, 3])?.reshape(&[4])
    })]
}

//! `permute` and `transpose`: another order of dimensions, without a copy.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Error, Result, Tensor};

/// The order that was asked for.
struct PermuteBackward(Dims);

impl Backward for PermuteBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let mut inverse = self.0;
        self.0.iter().enumerate().for_each(|(to, &from)| inverse.as_mut()[from] = to);
        outgoing.send(0, incoming.one()?.permute(&inverse)?)
    }
}

impl Tensor {
    /// Dimension `i` of the result is dimension `order[i]` of this.
    ///
    /// `[a, b, c]` with the order [2, 0, 1] → `[c, a, b]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 2, 3])?;
    /// let y = x.permute(&[2, 0, 1])?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[3, 1, 2][..], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `order` is not a permutation of the dimensions.
    pub fn permute(&self, order: &[usize]) -> Result<Tensor> {
        let out = self.view(self.layout().permute("permute", order)?);
        let [out] = record("permute", &[self], [out], |_| PermuteBackward(Dims::filled(order)))?;
        Ok(out)
    }

    /// The last two dimensions swapped.
    ///
    /// `[…, a, b]` → `[…, b, a]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
    /// assert_eq!(x.transpose()?.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are fewer than two dimensions.
    pub fn transpose(&self) -> Result<Tensor> {
        let rank = self.rank();
        if rank < 2 {
            return Err(Error::shape(
                "transpose",
                format!("{:?} has fewer than two dimensions", self.shape()),
            ));
        }
        let mut order = *self.dims();
        order.as_mut().iter_mut().enumerate().for_each(|(i, d)| *d = i);
        order.as_mut().swap(rank - 2, rank - 1);
        self.permute(&order)
    }
}

pub const OPERATION: Operation =
    Operation { name: "permute", formula: "dimension i of y is dimension order[i] of x", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 4] =
        [(&[3], &[0]), (&[3, 4], &[1, 0]), (&[2, 3, 4], &[2, 0, 1]), (&[2, 0, 4], &[1, 2, 0])];
    cases
        .into_iter()
        .map(|(shape, order)| {
            sample!(
                format!("{shape:?} to {order:?}"),
                vec![Input::new(shape)],
                |x| x[0].permute(order)?,
                |r| reference::permute(&r[0], order)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("permute: [0, 0] is not an order of the 2 dimensions of [2, 3]", || {
            Tensor::new(&[0f32; 6], &[2, 3])?.permute(&[0, 0])
        }),
        ErrorSample::new("transpose: [6] has fewer than two dimensions", || {
            Tensor::new(&[0f32; 6], &[6])?.transpose()
        }),
    ]
}

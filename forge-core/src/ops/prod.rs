//! `prod`: product along one dimension.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Reduce, Scan, reference};
use crate::{Result, Tensor};

/// The derivative is the product of all others: of those before, and of those after. Nothing is divided by an element, so
/// zeros do no harm.
struct ProdBackward {
    x: Tensor,
    axis: usize,
}

impl Backward for ProdBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let (_, kept) = self.x.shapes_without("prod", &[self.axis])?;
        let g = incoming.one()?.reshape(&kept)?;
        let others =
            |reverse| self.x.scanned(Scan { op: Reduce::Prod, axis: self.axis, reverse, exclusive: true });
        outgoing.send(0, (&g * (others(false)? * others(true)?)?)?)
    }
}

impl Tensor {
    /// Product along `axis`, which is removed, or kept with size 1 if `keep`; 1 of no element. Integers wrap around.
    ///
    /// `Π x`: along dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::{Cx, Tensor};
    /// let cx = Cx::train(0, 0);
    /// let x = cx.track(&Tensor::new(&[2.0f64, 0.0, 3.0], &[3])?)?;
    /// let grads = x.prod(0, false)?.backward(cx)?;
    /// assert_eq!(grads.wrt(&x).unwrap().to_vec::<f64>()?, [0.0, 6.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist.
    pub fn prod(&self, axis: usize, keep: bool) -> Result<Tensor> {
        let out = self.reduced("prod", Reduce::Prod, &[axis], keep)?;
        let [out] = record("prod", &[self], [out], |_| ProdBackward { x: self.detach(), axis })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "prod", formula: "Π x along a dimension", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(Input, usize, bool); 9] = [
        (Input::new(&[1]), 0, false),
        (Input::new(&[5]), 0, true),
        (Input::new(&[3, 4, 5]), 0, false),
        (Input::new(&[3, 4, 5]), 1, true),
        (Input::new(&[3, 4, 5]), 2, false),
        (Input::new(&[2, 0]), 1, false),
        // One zero, two of them.
        (Input::given(&[3], &[2.0, 0.0, -1.5]), 0, false),
        (Input::given(&[2, 3], &[0.0, 0.0, -1.5, 1.0, 0.0, 3.0]), 1, false),
        (Input::given(&[2, 2], &[0.0, 2.0, 0.0, 1.0]), 0, false),
    ];
    cases
        .into_iter()
        .map(|(input, axis, keep)| {
            sample!(
                format!("{:?} along {axis}, {:?}", input.shape, input.given),
                vec![input],
                |x| x[0].prod(axis, keep)?,
                |r| reference::prod(&r[0], axis, keep)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("prod: dimension 1 of [2], which has 1", || {
        Tensor::new(&[0f32; 2], &[2])?.prod(1, false)
    })]
}

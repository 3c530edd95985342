//! `expand`: dimensions of size 1 repeated, without a copy.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Result, Tensor};

struct ExpandBackward(Dims);

impl Backward for ExpandBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        outgoing.send(0, incoming.one()?.sum_to(&self.0)?)
    }
}

impl Tensor {
    /// Repeats dimensions of size 1, and adds leading ones, to reach `shape`, as broadcasting does.
    ///
    /// `[a, 1, b]` → `[c, a, d, b]`, a view.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0], &[2, 1])?;
    /// assert_eq!(x.expand(&[2, 3])?.to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a size is neither equal nor 1.
    pub fn expand(&self, shape: &[usize]) -> Result<Tensor> {
        let out = self.expanded("expand", Dims::new("expand", shape)?)?;
        let [out] = record("expand", &[self], [out], |_| ExpandBackward(*self.dims()))?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "expand", formula: "dimensions of size 1 repeated", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 4] =
        [(&[], &[2, 3]), (&[3], &[2, 3]), (&[2, 1, 3], &[2, 4, 3]), (&[1, 3], &[0, 3])];
    cases
        .into_iter()
        .map(|(from, to)| {
            sample!(format!("{from:?} to {to:?}"), vec![Input::new(from)], |x| x[0].expand(to)?, |r| {
                reference::expand(&r[0], to)
            })
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("expand: [2, 3] does not broadcast to [2, 4]", || {
        Tensor::new(&[0f32; 6], &[2, 3])?.expand(&[2, 4])
    })]
}

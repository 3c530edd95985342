//! `cumsum`: running sums along one dimension.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Reduce, Scan, reference};
use crate::{Result, Tensor};

struct CumsumBackward {
    axis: usize,
}

impl Backward for CumsumBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let scan = Scan { op: Reduce::Sum, axis: self.axis, reverse: true, exclusive: false };
        outgoing.send(0, incoming.one()?.scanned(scan)?)
    }
}

impl Tensor {
    /// The sum of each element and all before it along `axis`. Integers are summed as integers.
    ///
    /// `y[i] = Σ x[j]` over j ≤ i; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.cumsum(0)?.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist.
    pub fn cumsum(&self, axis: usize) -> Result<Tensor> {
        self.layout().check_axis("cumsum", axis)?;
        let out = self.scanned(Scan { op: Reduce::Sum, axis, reverse: false, exclusive: false })?;
        let [out] = record("cumsum", &[self], [out], |_| CumsumBackward { axis })?;
        Ok(out)
    }

    /// A running reduction; untracked.
    pub(super) fn scanned(&self, scan: Scan) -> Result<Tensor> {
        let device = self.device();
        Tensor::build(device, self.dtype(), *self.dims(), |out| device.scan(scan, self.arg(), out))
    }
}

pub const OPERATION: Operation =
    Operation { name: "cumsum", formula: "y[i] = Σ x[j] over j ≤ i along a dimension", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize); 7] =
        [(&[1], 0), (&[7], 0), (&[3, 4, 5], 0), (&[3, 4, 5], 1), (&[3, 4, 5], 2), (&[0, 3], 1), (&[3, 0], 1)];
    let mut all: Vec<Sample> = cases
        .into_iter()
        .map(|(shape, axis)| {
            sample!(format!("{shape:?} along {axis}"), vec![Input::new(shape)], |x| x[0].cumsum(axis)?, |r| {
                reference::cumsum(&r[0], axis)
            })
        })
        .collect();
    all.push(
        sample!(
            "NaN from its place on",
            vec![Input::given(&[4], &[1.0, f64::INFINITY, f64::NAN, 1.0])],
            |x| x[0].cumsum(0)?,
            |r| reference::cumsum(&r[0], 0)
        )
        .values_only(),
    );
    all
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("cumsum: dimension 1 of [2], which has 1", || {
        Tensor::new(&[0f32; 2], &[2])?.cumsum(1)
    })]
}

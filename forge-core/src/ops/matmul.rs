//! `matmul`: matrix products, batched, with leading dimensions broadcast.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Gemm, reference};
use crate::layout::{Dims, MAX_RANK, broadcast};
use crate::profile::{Call, bilinear, count};
use crate::{Error, Result, Tensor};

struct MatmulBackward {
    a: Tensor,
    b: Tensor,
}

impl Backward for MatmulBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        if outgoing.wants(0) {
            let grad = g.matmul(&self.b.transpose()?)?.sum_to(self.a.dims())?;
            outgoing.send(0, grad)?;
        }
        if outgoing.wants(1) {
            let grad = match flat(&self.a, &self.b) {
                // One product over all rows instead of a batch that is summed afterwards.
                Some(a) => a.transpose()?.matmul(&g.reshape(&[a.shape()[0], g.shape()[g.rank() - 1]])?)?,
                None => self.a.transpose()?.matmul(&g)?.sum_to(self.b.dims())?,
            };
            outgoing.send(1, grad)?;
        }
        Ok(())
    }
}

/// `[…, m, k]` as `[rows, k]`, when the right operand is one matrix for the whole batch.
fn flat(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let k = a.shape()[a.rank() - 1];
    let rows = a.shape()[..a.rank() - 1].iter().product();
    (b.rank() == 2 && a.rank() > 2)
        .then(|| a.layout().reshape(Dims::filled(&[rows, k])).map(|l| a.view(l)))?
}

impl Tensor {
    /// `[…, m, k] x […, k, n] → […, m, n]`. Leading dimensions broadcast.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let a = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
    /// let x = Tensor::new(&[1.0f32, 1.0], &[2, 1])?;
    /// assert_eq!(a.matmul(&x)?.to_vec::<f32>()?, [3.0, 7.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When an operand has fewer than two dimensions, inner dimensions differ, or leading ones do not broadcast.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        self.check_alike("matmul", other)?;
        let (ra, rb) = (self.rank(), other.rank());
        let fail =
            |why: String| Error::shape("matmul", format!("{:?} x {:?}: {why}", self.shape(), other.shape()));
        if ra < 2 || rb < 2 {
            return Err(fail("both need at least two dimensions".into()));
        }
        let (k, k_other) = (self.shape()[ra - 1], other.shape()[rb - 2]);
        if k != k_other {
            return Err(fail(format!("inner dimensions {k} and {k_other} differ")));
        }
        let (m, n) = (self.shape()[ra - 2], other.shape()[rb - 1]);
        let out = match flat(self, other) {
            Some(rows) => {
                let mut shape = *self.dims();
                shape.as_mut()[ra - 1] = n;
                product(&rows, other, shape)?
            }
            None => {
                let lead = broadcast(
                    "matmul",
                    &Dims::filled(&self.shape()[..ra - 2]),
                    &Dims::filled(&other.shape()[..rb - 2]),
                )
                .map_err(|_| fail("leading dimensions do not broadcast".into()))?;
                let with = |rows: usize, cols: usize| {
                    let mut shape = [rows; MAX_RANK];
                    shape[..lead.len()].copy_from_slice(&lead);
                    shape[lead.len() + 1] = cols;
                    Dims::filled(&shape[..lead.len() + 2])
                };
                let (a, b) = (self.expanded("matmul", with(m, k))?, other.expanded("matmul", with(k, n))?);
                product(&a, &b, with(m, n))?
            }
        };
        let [out] = record("matmul", &[self, other], [out], |_| MatmulBackward {
            a: self.detach(),
            b: other.detach(),
        })?;
        Ok(out)
    }
}

fn product(a: &Tensor, b: &Tensor, shape: Dims) -> Result<Tensor> {
    let device = a.device().clone();
    let gemm = Gemm { a: a.arg(), b: b.arg(), alpha: 1.0, beta: 0.0, bias: None, activation: None };
    Tensor::build(&device, a.dtype(), shape, |out| device.gemm(gemm, out))
}

/// Two for each element of the product and of the dimension that is summed over.
pub fn flops(call: &Call) -> [f64; 2] {
    let inner = call.operand(0).last().map_or(0.0, |&n| n as f64);
    bilinear(call, 2.0 * count(call.result(0)) * inner)
}

pub const OPERATION: Operation =
    Operation { name: "matmul", formula: "y[…, i, j] = Σ a[…, i, k] b[…, k, j]", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 9] = [
        (&[1, 1], &[1, 1]),
        (&[3, 4], &[4, 5]),
        (&[7, 33], &[33, 17]),
        (&[2, 3, 4], &[4, 5]),
        (&[2, 3, 4], &[2, 4, 5]),
        (&[2, 1, 3, 4], &[3, 4, 2]),
        (&[3, 4], &[2, 4, 5]),
        (&[0, 4], &[4, 5]),
        (&[3, 0], &[0, 5]),
    ];
    cases
        .into_iter()
        .map(|(a, b)| {
            sample!(
                format!("{a:?} x {b:?}"),
                vec![Input::new(a), Input::new(b)],
                |x| x[0].matmul(&x[1])?,
                |r| reference::matmul(&r[0], &r[1])
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("matmul: [32, 10] x [12, 64]: inner dimensions 10 and 12 differ", || {
            Tensor::new(&[0f32; 320], &[32, 10])?.matmul(&Tensor::new(&[0f32; 768], &[12, 64])?)
        }),
        ErrorSample::new("matmul: [3] x [3, 1]: both need at least two dimensions", || {
            Tensor::new(&[0f32; 3], &[3])?.matmul(&Tensor::new(&[0f32; 3], &[3, 1])?)
        }),
        ErrorSample::new("matmul: [2, 1, 1] x [3, 1, 1]: leading dimensions do not broadcast", || {
            Tensor::new(&[0f32; 2], &[2, 1, 1])?.matmul(&Tensor::new(&[0f32; 3], &[3, 1, 1])?)
        }),
    ]
}

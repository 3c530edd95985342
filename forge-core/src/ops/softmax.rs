//! `softmax` and `log_softmax`: shares along one dimension, one node each.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::{Result, Tensor};

struct SoftmaxBackward {
    y: Tensor,
    axis: usize,
    log: bool,
}

impl Backward for SoftmaxBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let grad = g.device().softmax().softmax_backward(&self.y, &g, self.axis, self.log)?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// `eˣ / Σ eˣ` along `axis`: positive shares that sum to 1. No input overflows; an element of -∞ has the share 0, and
    /// where all are -∞ the shares are NaN. Bridle, 1990.
    ///
    /// The shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1000.0f32, 1000.0, f32::NEG_INFINITY], &[3])?;
    /// assert_eq!(x.softmax(0)?.to_vec::<f32>()?, [0.5, 0.5, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist, or elements are integers.
    pub fn softmax(&self, axis: usize) -> Result<Tensor> {
        self.shares("softmax", axis, false)
    }

    /// `x - ln Σ eˣ` along `axis`: the logarithm of [`Tensor::softmax`], exact where a share is too small for a number.
    ///
    /// The shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[0.0f64, -2000.0], &[2])?;
    /// assert_eq!(x.log_softmax(0)?.to_vec::<f64>()?, [0.0, -2000.0]); // the logarithm of softmax would be -∞
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist, or elements are integers.
    pub fn log_softmax(&self, axis: usize) -> Result<Tensor> {
        self.shares("log_softmax", axis, true)
    }

    fn shares(&self, op: &'static str, axis: usize, log: bool) -> Result<Tensor> {
        self.check_float(op, "convert with `.to_dtype(DType::F32)`")?;
        self.layout().check_axis(op, axis)?;
        let out = self.device().softmax().softmax(&self.detach(), axis, log)?;
        let y = out.clone();
        let [out] = record(op, &[self], [out], |_| SoftmaxBackward { y, axis, log })?;
        Ok(out)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation {
            name: "softmax",
            formula: "eˣ / Σ eˣ along a dimension",
            samples: || samples(false),
            errors,
        },
        Operation {
            name: "log_softmax",
            formula: "x - ln Σ eˣ along a dimension",
            samples: || samples(true),
            errors: Vec::new,
        },
    ]
}

fn samples(log: bool) -> Vec<Sample> {
    let call = |input: Input, axis: usize| {
        sample!(
            format!("{:?} along {axis}, {:?}", input.shape, input.given),
            vec![input],
            |x| if log { x[0].log_softmax(axis)? } else { x[0].softmax(axis)? },
            |r| if log { reference::log_softmax(&r[0], axis) } else { reference::softmax(&r[0], axis) }
        )
    };
    let cases: [(&[usize], usize); 7] = [
        (&[7], 0),
        (&[17], 0),
        (&[3, 4, 5], 0),
        (&[3, 4, 5], 1),
        (&[3, 4, 5], 2),
        (&[0, 4], 1),
        (&[4, 0], 1),
    ];
    let mut all: Vec<Sample> = cases.into_iter().map(|(shape, axis)| call(Input::new(shape), axis)).collect();
    // Of one element; the oracle cancels to exactly 0 here.
    all.push(call(Input::given(&[4, 1], &[0.0; 4]), 1));
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let strange: [&[f64]; 5] =
        [&[700.0, 699.0, -700.0], &[-700.0, -700.0], &[-inf, 1.0], &[nan, 1.0], &[-inf, nan]];
    all.extend(strange.map(|x| call(Input::given(&[x.len()], x), 0).values_only()));
    all
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("softmax: dimension 1 of [2], which has 1", || {
            Tensor::new(&[0f32; 2], &[2])?.softmax(1)
        }),
        ErrorSample::new("log_softmax: not defined for i64; convert with `.to_dtype(DType::F32)`", || {
            Tensor::new(&[0i64; 2], &[2])?.log_softmax(0)
        }),
    ]
}

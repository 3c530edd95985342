//! `dropout`: elements set to 0 at random in training, the others scaled up.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::{Random, reference};
use crate::rng::Stream;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Inverted dropout: each element is kept with probability `1 - rate` and then divided by it.
    ///
    /// The factors are those of `stream`, so the same stream drops the same elements on every device. Srivastava and
    /// others, *Dropout*, JMLR 2014.
    ///
    /// `y = x mask / (1 - rate)`; the shape stays.
    ///
    /// ```
    /// use forge_core::{Tensor, rng::Stream};
    /// let y = Tensor::new(&[3.0f32; 100], &[100])?.dropout(0.25, Stream::new(0, "doc"))?.to_vec::<f32>()?;
    /// assert!(y.iter().all(|v| *v == 0.0 || *v == 4.0)); // 3 / 0.75
    /// let dropped = y.iter().filter(|v| **v == 0.0).count();
    /// assert!((10..40).contains(&dropped));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `rate` is not in [0, 1).
    pub fn dropout(&self, rate: f64, stream: Stream) -> Result<Tensor> {
        if !(0.0..1.0).contains(&rate) {
            return Err(Error::argument("dropout", format!("rate {rate} is not in [0, 1)")));
        }
        if rate == 0.0 {
            return Ok(self.clone());
        }
        let device = self.device().clone();
        let factors = Tensor::build(&device, self.dtype(), *self.dims(), |out| {
            device.random(Random::Mask { keep: 1.0 - rate }, stream, out)
        })?;
        self * &factors
    }
}

pub const OPERATION: Operation =
    Operation { name: "dropout", formula: "x mask / (1 - rate), mask from a Philox stream", samples, errors };

fn samples() -> Vec<Sample> {
    [(0.3, &[5usize, 7][..]), (0.9, &[64]), (0.0, &[3]), (0.5, &[0])]
        .into_iter()
        .map(|(rate, shape)| {
            let stream = Stream::new(7, "sample").at(3);
            sample!(
                format!("rate {rate} on {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].dropout(rate, stream)?,
                |r| reference::dropout(&r[0], 1.0 - rate, &stream)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("dropout: rate 1 is not in [0, 1)", || {
        Tensor::new(&[1f32], &[1])?.dropout(1.0, Stream::new(0, ""))
    })]
}

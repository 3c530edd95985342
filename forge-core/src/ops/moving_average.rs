//! `moving_average`: the trend of a sequence, of the sequence's own length.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::{Dims, Layout};
use crate::{DType, Device, Error, ErrorKind, Result, Tensor, profile};

struct MovingAverageBackward {
    kernel: usize,
}

impl Backward for MovingAverageBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let (time, around) = (g.shape()[1], self.kernel - 1);
        let before = around / 2;
        // The gradient of the padded sequence, which then folds onto the steps that were repeated.
        let nothing = |n: usize| {
            let shape = [g.shape()[0], n, g.shape()[2]];
            Tensor::zeros(&shape, g.dtype(), g.device())
        };
        let wide = Tensor::concat(&[&nothing(around)?, &g, &nothing(around)?], 1)?;
        let padded = window_means(&wide, self.kernel)?;
        let first = padded.narrow(1, 0, before + 1)?.sum(&[1], true)?;
        let grad = if time == 1 {
            padded.sum(&[1], true)?
        } else {
            let last = padded.narrow(1, before + time - 1, around - before + 1)?.sum(&[1], true)?;
            Tensor::concat(&[&first, &padded.narrow(1, before + 1, time - 2)?, &last], 1)?
        };
        outgoing.send(0, grad)
    }
}

/// Means of `kernel` neighbours of dimension 1, which gets shorter by `kernel - 1`.
fn window_means(x: &Tensor, kernel: usize) -> Result<Tensor> {
    let mut shape = *x.dims();
    shape.as_mut()[1] -= kernel - 1;
    let device = x.device().clone();
    let sum = Tensor::build(&device, x.dtype(), shape, |out| {
        let part = |j: usize| x.layout().slice("moving_average", 1, j, shape[1], 1);
        let all = Layout::contiguous(shape);
        device.copy(x.view(part(0)?).arg(), out, &all)?;
        (1..kernel).try_for_each(|j| device.accumulate(x.view(part(j)?).arg(), out, &all))
    })?;
    sum.mul_scalar(1.0 / kernel as f64)
}

impl Tensor {
    /// The mean of `kernel` neighbours in time, `[batch, time, features]` to the same shape: a step with `(kernel - 1) /
    /// 2` before it and `kernel / 2` after it. The first and the last step stand for what lies before and after.
    ///
    /// The trend of Autoformer (Wu and others, NeurIPS 2021) and DLinear (Zeng and others, AAAI 2023); what it leaves,
    /// `x - trend`, is the season.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[0.0f32, 3.0, 9.0], &[1, 3, 1])?;
    /// assert_eq!(x.moving_average(3)?.to_vec::<f32>()?, [1.0, 4.0, 7.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shape is another, the sequence is empty, or `kernel` is 0.
    pub fn moving_average(&self, kernel: usize) -> Result<Tensor> {
        let _operation = profile::operation("moving_average", None);
        if !self.dtype().is_float() {
            let hint = "convert with `.to_dtype(DType::F32)`";
            return Err(ErrorKind::DType { op: "moving_average", dtype: self.dtype(), hint }.into());
        }
        let &[_, time, _] = self.shape() else {
            return Err(Error::shape(
                "moving_average",
                format!("x is {:?}, not [batch, time, features]", self.shape()),
            ));
        };
        if kernel == 0 || time == 0 {
            return Err(Error::argument(
                "moving_average",
                format!("a kernel of {kernel} over {time} time steps; both must be at least 1"),
            ));
        }
        let before = (kernel - 1) / 2;
        let x = self.detach();
        let edge = |t: usize, n: usize| {
            let mut shape = Dims::filled(self.shape());
            shape.as_mut()[1] = n;
            x.narrow(1, t, 1)?.expanded("moving_average", shape)
        };
        let padded = Tensor::concat(&[&edge(0, before)?, &x, &edge(time - 1, kernel - 1 - before)?], 1)?;
        let out = window_means(&padded, kernel)?;
        let [out] = record("moving_average", &[self], [out], |_| MovingAverageBackward { kernel })?;
        Ok(out)
    }
}

pub const OPERATION: Operation = Operation {
    name: "moving_average",
    formula: "mean of neighbours in time, edges repeated",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize); 7] = [
        (&[1, 5, 1], 3),
        (&[2, 6, 3], 5),
        (&[2, 6, 2], 4),
        (&[1, 4, 2], 1),
        // A kernel that is longer than the sequence.
        (&[2, 3, 1], 9),
        (&[2, 1, 2], 3),
        (&[0, 3, 1], 3),
    ];
    cases
        .into_iter()
        .map(|(shape, kernel)| {
            sample!(
                format!("{shape:?}, kernel {kernel}"),
                vec![Input::new(shape)],
                |x| x[0].moving_average(kernel)?,
                |r| reference::moving_average(&r[0], kernel)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let call = |shape: &'static [usize], kernel: usize| {
        move || Tensor::zeros(shape, DType::F32, &Device::cpu())?.moving_average(kernel)
    };
    vec![
        ErrorSample::new("moving_average: x is [4, 2], not [batch, time, features]", call(&[4, 2], 3)),
        ErrorSample::new(
            "moving_average: a kernel of 0 over 4 time steps; both must be at least 1",
            call(&[1, 4, 2], 0),
        ),
    ]
}

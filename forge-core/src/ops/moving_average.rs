//! `moving_average`: the trend of a sequence, of the sequence's own length.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Dims;
use crate::{DType, Device, Error, ErrorKind, Result, Tensor, profile};

struct MovingAverageBackward {
    kernel: usize,
}

impl Backward for MovingAverageBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        outgoing.send(0, folded(&incoming.one()?, self.kernel)?)
    }
}

struct FoldedBackward {
    kernel: usize,
}

impl Backward for FoldedBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        outgoing.send(0, averaged(&incoming.one()?, self.kernel)?)
    }
}

/// The moving average of an untracked `x`.
fn averaged(x: &Tensor, kernel: usize) -> Result<Tensor> {
    let (time, before) = (x.shape()[1], (kernel - 1) / 2);
    let edge = |t: usize, n: usize| {
        let mut shape = Dims::filled(x.shape());
        shape.as_mut()[1] = n;
        x.narrow(1, t, 1)?.expanded("moving_average", shape)
    };
    let padded = Tensor::concat(&[&edge(0, before)?, x, &edge(time - 1, kernel - 1 - before)?], 1)?;
    window_means(&padded, kernel)
}

/// The gradient of an untracked sequence, given that of its moving average: what a linear map of the average is as one of
/// the sequence.
fn folded(g: &Tensor, kernel: usize) -> Result<Tensor> {
    let (time, around) = (g.shape()[1], kernel - 1);
    let before = around / 2;
    // The gradient of the padded sequence, which then folds onto the steps that were repeated.
    let nothing = |n: usize| {
        let shape = [g.shape()[0], n, g.shape()[2]];
        Tensor::zeros(&shape, g.dtype(), g.device())
    };
    let wide = Tensor::concat(&[&nothing(around)?, g, &nothing(around)?], 1)?;
    let padded = window_means(&wide, kernel)?;
    let first = padded.narrow(1, 0, before + 1)?.sum(&[1], true)?;
    if time == 1 {
        padded.sum(&[1], true)
    } else {
        let last = padded.narrow(1, before + time - 1, around - before + 1)?.sum(&[1], true)?;
        Tensor::concat(&[&first, &padded.narrow(1, before + 1, time - 2)?, &last], 1)
    }
}

/// Means of `kernel` neighbours of dimension 1, which gets shorter by `kernel - 1`.
fn window_means(x: &Tensor, kernel: usize) -> Result<Tensor> {
    // Sums of 1, 2, 4, … neighbours, each of two of the one before, and of those the ones that make up the kernel.
    let (mut doubled, mut width, mut left) = (x.clone(), 1, kernel);
    let mut sum: Option<(Tensor, usize)> = None;
    loop {
        if left % 2 == 1 {
            sum = Some(match sum {
                None => (doubled.clone(), width),
                Some((sum, of)) => (neighbours(&sum, of, &doubled)?, of + width),
            });
        }
        left /= 2;
        if left == 0 {
            break;
        }
        doubled = neighbours(&doubled, width, &doubled)?;
        width *= 2;
    }
    sum.map_or(doubled, |(sum, _)| sum).mul_scalar(1.0 / kernel as f64)
}

/// Sums of `of` neighbours of dimension 1, each plus that of those which follow.
fn neighbours(sums: &Tensor, of: usize, following: &Tensor) -> Result<Tensor> {
    let steps = following.shape()[1] - of;
    sums.narrow(1, 0, steps)? + following.narrow(1, of, steps)?
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
        let out = averaged(&self.detach(), kernel)?;
        let [out] = record("moving_average", &[self], [out], |_| MovingAverageBackward { kernel })?;
        Ok(out)
    }

    /// `[rows, time, 1]`, each row a linear map of the moving average of a sequence, as a linear map of the sequence itself:
    /// Σ row · average(x) = Σ folded(row) · x.
    pub(crate) fn over_average(&self, kernel: usize) -> Result<Tensor> {
        let out = folded(&self.detach(), kernel)?;
        let [out] = record("over_average", &[self], [out], |_| FoldedBackward { kernel })?;
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
    let cases: [(&[usize], usize); 8] = [
        (&[1, 5, 1], 3),
        // Of sums of one, two and four neighbours.
        (&[1, 9, 2], 7),
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

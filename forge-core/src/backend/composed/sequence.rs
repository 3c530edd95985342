use crate::layout::Layout;
use crate::{Host, Result, Tensor};

/// The time steps of a batch of sequences in the order in which a recurrent layer takes them, with their lengths.
#[derive(Debug)]
pub struct Sequence {
    /// The input, `[batch, time, features]`, 0 after the end of each sample.
    pub x: Tensor,
    reverse: bool,
    lengths: Option<Ends>,
}

/// Which samples have a time step.
#[derive(Debug)]
struct Ends {
    /// `[time, batch, 1]`: 1 where the sample has the step, else 0.
    within: Tensor,
    /// 1 less that.
    after: Tensor,
}

impl Sequence {
    pub fn new(x: &Tensor, lengths: Option<&[usize]>, reverse: bool) -> Result<Self> {
        let Some(lengths) = lengths else { return Ok(Sequence { x: x.clone(), reverse, lengths: None }) };
        let device = x.device();
        // Copied, not multiplied by 0: the padding may hold NaN.
        let clean = Tensor::build(device, x.dtype(), *x.dims(), |out| {
            device.fill(out, 0.0)?;
            for (sample, &len) in lengths.iter().enumerate() {
                let part = |layout: &Layout| {
                    layout.slice("sequence", 0, sample, 1, 1)?.slice("sequence", 1, 0, len, 1)
                };
                device.copy(x.view(part(x.layout())?).arg(), out, &part(&Layout::contiguous(*x.dims()))?)?;
            }
            Ok(())
        })?;
        let time = x.shape()[1];
        let flags =
            (0..time).flat_map(|t| lengths.iter().map(move |&len| if t < len { 1.0 } else { 0.0 })).collect();
        let flags = Tensor::from_host(Host::F64(flags), &[time, lengths.len(), 1], &crate::Device::cpu())?;
        let within = flags.to_dtype(x.dtype())?.to_device(device)?;
        let after = within.mul_scalar(-1.0)?.add_scalar(1.0)?;
        Ok(Sequence { x: clean, reverse, lengths: Some(Ends { within, after }) })
    }

    /// Bytes that it holds beyond the operands.
    pub fn bytes(&self) -> usize {
        let ends = |e: &Ends| (self.x.count() + 2 * e.within.count()) * self.x.dtype().size();
        self.lengths.as_ref().map_or(0, ends)
    }

    /// Time steps, first taken first.
    pub fn order(&self) -> Vec<usize> {
        let time = self.x.shape()[1];
        if self.reverse { (0..time).rev().collect() } else { (0..time).collect() }
    }

    /// `value` for the samples that have step `t`, 0 for the others.
    pub fn within(&self, t: usize, value: Tensor) -> Result<Tensor> {
        match &self.lengths {
            Some(ends) => &value * ends.within.select(0, t)?,
            None => Ok(value),
        }
    }

    /// `inside` (which is 0 elsewhere) for the samples that have step `t`, `rest` for the others.
    pub fn or(&self, t: usize, inside: Tensor, rest: &Tensor) -> Result<Tensor> {
        match &self.lengths {
            Some(ends) => &inside + (rest * ends.after.select(0, t)?)?,
            None => Ok(inside),
        }
    }

    /// Values `[batch, hidden]` of all steps, first taken first, as `[batch, time, hidden]`.
    pub fn stack(&self, mut steps: Vec<Tensor>) -> Result<Tensor> {
        if self.reverse {
            steps.reverse();
        }
        let with_time: Result<Vec<Tensor>> =
            steps.iter().map(|s| s.reshape(&[s.shape()[0], 1, s.shape()[1]])).collect();
        Tensor::concat(&with_time?.iter().collect::<Vec<_>>(), 1)
    }
}

/// `[batch, time, n]` as `[batch time, n]`.
pub fn rows(x: &Tensor) -> Result<Tensor> {
    x.reshape(&[x.shape()[0] * x.shape()[1], x.shape()[2]])
}

/// The gradient that comes through a sigmoid of output `s`: σ′ = σ (1 - σ).
pub fn through_sigmoid(d: Tensor, s: &Tensor) -> Result<Tensor> {
    (d * s)? * s.mul_scalar(-1.0)?.add_scalar(1.0)?
}

/// The gradient that comes through a tanh of output `y`: tanh′ = 1 - tanh².
pub fn through_tanh(d: Tensor, y: &Tensor) -> Result<Tensor> {
    d * y.square()?.mul_scalar(-1.0)?.add_scalar(1.0)?
}

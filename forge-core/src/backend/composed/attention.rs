use super::Composed;
use crate::backend::{Attention, AttentionArgs, Random, Reduce, Saved};
use crate::{Device, Host, Result, Tensor};

impl Attention for Composed {
    fn attention(&self, args: &AttentionArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        let mut scores = args.q.mul_scalar(args.scale)?.matmul(&args.k.transpose()?)?;
        if let Some(mask) = &args.mask {
            scores = (scores + mask)?;
        }
        if args.causal {
            scores = (&scores + &later_steps(&scores)?)?;
        }
        let weights = weights_of(&scores)?;
        let out = dropped(args, &weights)?.matmul(&args.v)?;
        let bytes = weights.count() * weights.dtype().size();
        Ok((out, keep.then(|| Saved::new(weights, bytes))))
    }

    fn attention_backward(
        &self,
        args: &AttentionArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 4],
    ) -> Result<[Option<Tensor>; 4]> {
        let weights: Tensor = saved.take()?;
        let of_v = if needs[2] { Some(dropped(args, &weights)?.transpose()?.matmul(&grad)?) } else { None };
        if !(needs[0] || needs[1] || needs[3]) {
            return Ok([None, None, of_v, None]);
        }
        // Through the softmax: ds = w (dw - Σ dw w). The factors of dropout are the same both ways.
        let through = (&weights * dropped(args, &grad.matmul(&args.v.transpose()?)?)?)?;
        let total = through.sum(&[3], true)?;
        let of_scores = (&through - (&weights * total)?)?;
        let scaled = of_scores.mul_scalar(args.scale)?;
        Ok([
            if needs[0] { Some(scaled.matmul(&args.k)?) } else { None },
            if needs[1] { Some(scaled.transpose()?.matmul(&args.q)?) } else { None },
            of_v,
            needs[3].then_some(of_scores),
        ])
    }
}

/// Softmax over the keys; 0 where every key is hidden.
fn weights_of(scores: &Tensor) -> Result<Tensor> {
    let top =
        scores.reduced("attention", Reduce::Max, &[3], true)?.clamp(f64::from(f32::MIN), f64::INFINITY)?;
    let e = (scores - top)?.exp()?;
    // At least 1 where a key is seen.
    let total = e.sum(&[3], true)?.clamp(f64::from(f32::MIN_POSITIVE), f64::INFINITY)?;
    e / total
}

/// `x`, of the weights' shape, times the factors of dropout.
fn dropped(args: &AttentionArgs, x: &Tensor) -> Result<Tensor> {
    let Some((rate, stream)) = args.dropout else { return Ok(x.clone()) };
    let device = x.device().clone();
    let factors = Tensor::build(&device, x.dtype(), *x.dims(), |out| {
        device.random(Random::Mask { keep: 1.0 - rate }, stream, out)
    })?;
    x * &factors
}

/// -∞ where a key is later than the step, `[time, source]`.
fn later_steps(scores: &Tensor) -> Result<Tensor> {
    let (time, source) = (scores.shape()[2], scores.shape()[3]);
    let step = |t: usize| (0..source).map(move |s| if s <= t { 0.0 } else { f64::NEG_INFINITY });
    let mask = Host::F64((0..time).flat_map(step).collect());
    Tensor::from_host(mask, &[time, source], &Device::cpu())?
        .to_dtype(scores.dtype())?
        .to_device(scores.device())
}

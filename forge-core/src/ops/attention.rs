//! `attention`: scaled dot-product attention as one node of the tape.

use super::sample::{Checks, ErrorSample, Input, Operation, Sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{AttentionArgs, Binary, Saved, reference};
use crate::layout::{Dims, broadcast};
use crate::profile::{self, Call, count};
use crate::rng::Stream;
use crate::{DType, Device, Error, ErrorKind, Result, Tensor};

/// Which keys a step sees, and with what weights.
///
/// ```
/// use forge_core::{ops::{attention, Attend}, Tensor};
/// let q = Tensor::new(&[0.0f64], &[1, 1, 1, 1])?;
/// let (k, v) = (Tensor::new(&[0.0f64; 3], &[1, 1, 3, 1])?, Tensor::new(&[1.0f64, 3.0, 100.0], &[1, 1, 3, 1])?);
/// let padding = Tensor::new(&[1i64, 1, 0], &[1, 1, 1, 3])?; // the last key is not there
/// let y = attention(&q, &k, &v, &Attend { mask: Some(padding), ..Attend::default() })?;
/// assert_eq!(y.item()?, 2.0);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attend {
    /// Of a shape that broadcasts to `[batch, heads, time, source]`: floats are added to the scores, and -∞ hides a key;
    /// of i64, 0 hides a key and any other number shows it.
    pub mask: Option<Tensor>,
    /// Whether step t sees the keys 0 to t only.
    pub causal: bool,
    /// Factor of the scores; 1 / √dim where it is `None`.
    pub scale: Option<f64>,
    /// Rate of dropout on the weights of the keys, and the stream of its factors.
    pub dropout: Option<(f64, Stream)>,
}

struct AttentionBackward {
    args: AttentionArgs,
    saved: Saved,
}

impl Backward for AttentionBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grad = incoming.one()?;
        let masked = self.args.mask.as_ref().map(|m| *m.dims());
        let needs = [0, 1, 2, 3].map(|i| (i < 3 || masked.is_some()) && outgoing.wants(i));
        let device = grad.device().clone();
        let out = device.attention().attention_backward(&self.args, self.saved, grad, &needs)?;
        for (i, grad) in out.into_iter().enumerate() {
            if let (Some(grad), true) = (grad, needs[i]) {
                let grad = match masked {
                    Some(shape) if i == 3 => grad.sum_to(&shape)?,
                    _ => grad,
                };
                outgoing.send(i, grad)?;
            }
        }
        Ok(())
    }
}

/// Values weighted by how well their keys fit each query: softmax(q kᵀ / √dim + mask) v. Vaswani and others, *Attention
/// is all you need*, NeurIPS 2017.
///
/// q is `[batch, heads, time, dim]`, k `[batch, heads, source, dim]`, v `[batch, heads, source, width]`; the result is
/// `[batch, heads, time, width]`. A step from which every key is hidden gets 0.
///
/// ```
/// use forge_core::{ops::{attention, Attend}, Tensor};
/// let q = Tensor::new(&[0.0f64, 0.0], &[1, 1, 2, 1])?;
/// let v = Tensor::new(&[1.0f64, 3.0], &[1, 1, 2, 1])?;
/// let y = attention(&q, &q, &v, &Attend { causal: true, ..Attend::default() })?;
/// assert_eq!(y.to_vec::<f64>()?, [1.0, 2.0]); // the first step sees itself only
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit, there is no key, or the dropout rate is not in [0, 1).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, how: &Attend) -> Result<Tensor> {
    const OP: &str = "attention";
    let _operation = profile::operation(OP, None);
    q.check_alike(OP, k)?;
    q.check_alike(OP, v)?;
    let (&[batch, heads, time, dim], &[.., source, width]) = (q.shape(), v.shape()) else {
        return Err(Error::shape(
            OP,
            format!("q is {:?}, v is {:?}; both must be [batch, heads, time, dim]", q.shape(), v.shape()),
        ));
    };
    let keys_and_values = [[batch, heads, source, dim], [batch, heads, source, width]];
    for ((name, tensor), shape) in [("k", k), ("v", v)].into_iter().zip(keys_and_values) {
        if tensor.shape() != shape {
            return Err(Error::shape(
                OP,
                format!("{name} is {:?}, not {shape:?}, for q of {:?}", tensor.shape(), q.shape()),
            ));
        }
    }
    if source == 0 || dim == 0 {
        return Err(Error::shape(OP, format!("k of {:?} has no key", k.shape())));
    }
    if let Some((rate, _)) = how.dropout.filter(|(rate, _)| !(0.0..1.0).contains(rate)) {
        return Err(Error::argument(OP, format!("dropout {rate} is not in [0, 1)")));
    }
    let mask = match &how.mask {
        Some(mask) => Some(additive(mask, q, &Dims::filled(&[batch, heads, time, source]))?),
        None => None,
    };
    let args = AttentionArgs {
        q: q.detach(),
        k: k.detach(),
        v: v.detach(),
        mask: mask.as_ref().map(Tensor::detach),
        causal: how.causal,
        scale: how.scale.unwrap_or(1.0 / (dim as f64).sqrt()),
        dropout: how.dropout.filter(|(rate, _)| *rate > 0.0),
    };
    let operands = [q, k, v, mask.as_ref().unwrap_or(v)];
    let operands = &operands[..if mask.is_some() { 4 } else { 3 }];
    let keep = operands.iter().any(|t| t.is_tracked());
    let (out, saved) = q.device().attention().attention(&args, keep)?;
    let Some(saved) = saved else {
        profile::done(OP, operands, std::slice::from_ref(&out));
        return Ok(out);
    };
    let [out] = record(OP, operands, [out], |_| AttentionBackward { args, saved })?;
    Ok(out)
}

/// A mask as what is added to the scores of shape `scores`.
fn additive(mask: &Tensor, q: &Tensor, scores: &Dims) -> Result<Tensor> {
    let fits = broadcast("attention", mask.dims(), scores).is_ok_and(|shape| shape == *scores);
    if !fits {
        return Err(Error::shape(
            "attention",
            format!("a mask of {:?} does not broadcast to the scores {scores:?}", mask.shape()),
        ));
    }
    if mask.dtype() != DType::I64 {
        q.check_alike("attention", mask)?;
        return Ok(mask.clone());
    }
    if mask.device() != q.device() {
        let (left, right) = (q.device().to_string(), mask.device().to_string());
        return Err(ErrorKind::Devices { op: "attention", left, right }.into());
    }
    // ln 1 = 0 shows a key, ln 0 = -∞ hides it.
    let mask = mask.to_dtype(q.dtype())?;
    mask.binary(Binary::Ne, &Tensor::scalar_like(0.0, &mask)?)?.log()
}

/// The products q kᵀ and p v; backward, those with the gradient of each operand and of p. What a mask leaves out counts.
pub fn flops(call: &Call) -> [f64; 2] {
    let source = call.operand(1).get(2).map_or(0.0, |&n| n as f64);
    let scores = 2.0 * count(call.operand(0)) * source;
    let values = 2.0 * count(call.result(0)) * source;
    let of_scores = call.wants(0) + call.wants(1);
    let shares = if of_scores > 0.0 { values } else { 0.0 };
    [scores + values, scores * of_scores + values * call.wants(2) + shares]
}

pub const OPERATION: Operation =
    Operation { name: "attention", formula: "softmax(q kᵀ / √dim + mask) v", samples, errors };

/// `[batch, heads, time, source, dim, width]` as operands.
fn shapes([batch, heads, time, source, dim, width]: [usize; 6]) -> Vec<Vec<usize>> {
    vec![vec![batch, heads, time, dim], vec![batch, heads, source, dim], vec![batch, heads, source, width]]
}

fn samples() -> Vec<Sample> {
    let stream = Stream::new(5, "attention");
    let build = |sizes: [usize; 6], mask: Option<Input>, how: Attend| {
        let (causal, dropout) = (how.causal, how.dropout);
        let scale = how.scale.unwrap_or(1.0 / (sizes[4] as f64).sqrt());
        let about = format!(
            "mask {:?}, causal {causal}, dropout {:?}",
            mask.as_ref().map(|m| &m.shape),
            dropout.map(|d| d.0)
        );
        Sample {
            name: format!("[batch, heads, time, source, dim, width] = {sizes:?}, {about}"),
            inputs: shapes(sizes).iter().map(|s| Input::new(s)).chain(mask).collect(),
            checks: Checks::All,
            run: Box::new(move |x| {
                let how = Attend { mask: x.get(3).cloned(), ..how.clone() };
                Ok(vec![attention(&x[0], &x[1], &x[2], &how)?])
            }),
            values: Box::new(move |r| Ok(vec![reference::attention(r, causal, scale, dropout)])),
            naive: Box::new(move |r| Ok(vec![reference::attention(r, causal, scale, dropout)])),
            duals: Box::new(move |r| Ok(vec![reference::attention(r, causal, scale, dropout)])),
        }
    };
    let plain = Attend::default;
    let causal = || Attend { causal: true, ..plain() };
    let inf = f64::NEG_INFINITY;
    vec![
        build([1, 1, 1, 1, 1, 1], None, plain()),
        build([2, 2, 3, 4, 2, 3], None, plain()),
        build([1, 2, 4, 4, 2, 2], None, causal()),
        // More steps than keys, and more keys than steps.
        build([1, 1, 5, 3, 2, 2], None, causal()),
        build([1, 1, 2, 4, 2, 2], None, Attend { scale: Some(0.3), ..causal() }),
        build([2, 2, 3, 4, 2, 2], Some(Input::new(&[2, 1, 1, 4])), plain()),
        build([2, 2, 3, 3, 2, 2], Some(Input::new(&[3, 3])), causal()),
        build([1, 2, 3, 5, 2, 2], None, Attend { dropout: Some((0.4, stream)), ..plain() }),
        build([0, 2, 3, 4, 2, 3], None, plain()),
        // The second step sees no key at all; its score's derivative is 0, but no difference of -∞ is a number.
        build([1, 1, 2, 3, 2, 2], Some(Input::given(&[2, 3], &[0.0, inf, 1.0, inf, inf, inf])), plain())
            .values_only(),
        Sample {
            name: "extreme scores".into(),
            ..build([1, 1, 1, 3, 1, 1], Some(Input::given(&[3], &[1e4, -1e4, 9990.0])), plain()).values_only()
        },
        Sample {
            name: "a mask of integers".into(),
            run: Box::new(|x| {
                let mask = Some(Tensor::new(&[1i64, 0, 2], &[3])?.to_device(x[0].device())?);
                Ok(vec![attention(&x[0], &x[1], &x[2], &Attend { mask, ..Attend::default() })?])
            }),
            values: Box::new(move |r| Ok(vec![hidden_key(r)])),
            naive: Box::new(move |r| Ok(vec![hidden_key(r)])),
            duals: Box::new(move |r| Ok(vec![hidden_key(r)])),
            ..build([1, 1, 2, 3, 2, 2], None, plain())
        },
    ]
}

/// Attention of which the second of three keys is hidden.
fn hidden_key<S: crate::backend::Scalar>(r: &[reference::Array<S>]) -> reference::Array<S> {
    let mask = [0.0, f64::NEG_INFINITY, 0.0].map(S::from_f64);
    let mask = reference::Array { shape: vec![3], data: mask.to_vec() };
    reference::attention(&[r[0].clone(), r[1].clone(), r[2].clone(), mask], false, 0.5f64.sqrt(), None)
}

fn errors() -> Vec<ErrorSample> {
    let call = |change: usize, shape: &'static [usize], how: Attend| {
        move || {
            let mut all = shapes([2, 2, 3, 4, 5, 6]);
            all[change] = shape.to_vec();
            let zeros = |s: &Vec<usize>| Tensor::zeros(s, DType::F32, &Device::cpu());
            attention(&zeros(&all[0])?, &zeros(&all[1])?, &zeros(&all[2])?, &how)
        }
    };
    let rate = Attend { dropout: Some((1.0, Stream::new(0, ""))), ..Attend::default() };
    vec![
        ErrorSample::new(
            "attention: k is [2, 2, 4, 6], not [2, 2, 4, 5], for q of [2, 2, 3, 5]",
            call(1, &[2, 2, 4, 6], Attend::default()),
        ),
        ErrorSample::new(
            "attention: q is [3, 5], v is [2, 2, 4, 6]; both must be [batch, heads, time, dim]",
            call(0, &[3, 5], Attend::default()),
        ),
        ErrorSample::new("attention: k of [2, 2, 0, 5] has no key", || {
            let zeros = |s: &[usize]| Tensor::zeros(s, DType::F32, &Device::cpu());
            attention(
                &zeros(&[2, 2, 3, 5])?,
                &zeros(&[2, 2, 0, 5])?,
                &zeros(&[2, 2, 0, 6])?,
                &Attend::default(),
            )
        }),
        ErrorSample::new("attention: k of [2, 2, 4, 0] has no key", || {
            let zeros = |s: &[usize]| Tensor::zeros(s, DType::F32, &Device::cpu());
            attention(
                &zeros(&[2, 2, 3, 0])?,
                &zeros(&[2, 2, 4, 0])?,
                &zeros(&[2, 2, 4, 6])?,
                &Attend::default(),
            )
        }),
        ErrorSample::new("attention: dropout 1 is not in [0, 1)", call(0, &[2, 2, 3, 5], rate)),
        ErrorSample::new(
            "attention: a mask of [3, 3] does not broadcast to the scores [2, 2, 3, 4]",
            move || {
                let mask = Some(Tensor::zeros(&[3, 3], DType::F32, &Device::cpu())?);
                call(0, &[2, 2, 3, 5], Attend { mask, ..Attend::default() })()
            },
        ),
    ]
}

use super::Array;
use crate::backend::{Random, Scalar};
use crate::rng::Stream;

/// Scaled dot-product attention: Vaswani and others, *Attention is all you need*, NeurIPS 2017.
///
/// `x` is q, k, v and, if there is one, the mask.
pub fn attention<S: Scalar>(
    x: &[Array<S>],
    causal: bool,
    scale: f64,
    dropout: Option<(f64, Stream)>,
) -> Array<S> {
    let (q, k, v, mask) = (&x[0], &x[1], &x[2], x.get(3));
    let [batch, heads, time, dim] = q.shape[..] else { return q.clone() };
    let (source, width) = (k.shape[2], v.shape[3]);
    Array::build(&[batch, heads, time, width], |i| {
        let (b, h, t) = (i[0], i[1], i[2]);
        let score = |s: usize| {
            let dot = Array::total((0..dim).map(|d| q.at(&[b, h, t, d]) * k.at(&[b, h, s, d])));
            let scaled = dot * S::from_f64(scale);
            mask.map_or(scaled, |m| scaled + m.at(&[b, h, t, s]))
        };
        let seen: Vec<(usize, S)> = (0..source)
            .filter(|&s| !causal || s <= t)
            .map(|s| (s, score(s)))
            .filter(|(_, score)| score.to_f64() != f64::NEG_INFINITY)
            .collect();
        let top = S::from_f64(seen.iter().fold(f64::NEG_INFINITY, |m, (_, s)| m.max(s.to_f64())));
        let total = Array::total(seen.iter().map(|&(_, s)| (s - top).exp()));
        Array::total(seen.iter().map(|&(s, score)| {
            let element = ((b * heads + h) * time + t) * source + s;
            let factor = dropout
                .map_or(1.0, |(rate, stream)| Random::Mask { keep: 1.0 - rate }.draw(&stream, element));
            (score - top).exp() / total * S::from_f64(factor) * v.at(&[b, h, s, i[3]])
        }))
    })
}

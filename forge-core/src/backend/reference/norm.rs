//! Normalisation, straight from its definition.

use super::Array;
use crate::backend::{NormKind, Scalar};

impl NormKind {
    /// Whether the elements at two indices share statistics, in an array of so many channels.
    fn share(self, channels: usize, a: &[usize], b: &[usize]) -> bool {
        match self {
            NormKind::Batch => a[1] == b[1],
            NormKind::Layer { dims } => a[..a.len() - dims] == b[..b.len() - dims],
            NormKind::Group { groups } => {
                a[0] == b[0] && a[1] / (channels / groups) == b[1] / (channels / groups)
            }
        }
    }
}

/// Mean and mean square distance from it, of the elements that share theirs with the one at `at`.
pub fn moments<S: Scalar>(x: &Array<S>, kind: NormKind, at: &[usize]) -> [S; 2] {
    let channels = x.shape.get(1).copied().unwrap_or(1);
    let mut elements = Vec::new();
    let all = Array::build(&x.shape, |i| {
        if kind.share(channels, at, i) {
            elements.push(x.at(i));
        }
        S::zero()
    });
    drop(all);
    let count = S::from_f64(elements.len() as f64);
    let mean = Array::total(elements.iter().copied()) / count;
    let variance = Array::total(elements.iter().map(|&v| (v - mean) * (v - mean))) / count;
    [mean, variance]
}

/// (x - mean) / √(variance + eps) · weight + bias, with the statistics that `moments` gives for an index.
pub fn normalise<S: Scalar>(
    x: &Array<S>,
    weight: Option<&Array<S>>,
    bias: Option<&Array<S>>,
    kind: NormKind,
    eps: f64,
    moments: impl Fn(&[usize]) -> [S; 2],
) -> Array<S> {
    Array::build(&x.shape, |at| {
        let [mean, variance] = moments(at);
        let place = match kind {
            NormKind::Layer { dims } => &at[at.len() - dims..],
            _ => &at[1..2],
        };
        let y = (x.at(at) - mean) / (variance + S::from_f64(eps)).sqrt();
        let y = weight.map_or(y, |w| y * w.at(place));
        bias.map_or(y, |b| y + b.at(place))
    })
}

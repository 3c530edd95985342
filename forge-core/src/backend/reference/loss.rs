use super::Array;
use crate::backend::Scalar;

fn number<S: Scalar>(value: S) -> Array<S> {
    Array { shape: vec![], data: vec![value] }
}

fn greater<S: Scalar>(a: S, b: S) -> S {
    if a > b { a } else { b }
}

/// ln of each class's probability in one row.
fn log_probabilities<S: Scalar>(z: &Array<S>, row: usize) -> Vec<S> {
    let row: Vec<S> = (0..z.shape[1]).map(|c| z.at(&[row, c])).collect();
    // A constant: shifting all logits changes no probability.
    let top = S::from_f64(row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(v.to_f64())));
    let total = Array::total(row.iter().map(|&v| (v - top).exp())).ln();
    row.iter().map(|&v| v - top - total).collect()
}

/// What a row of a loss over classes is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// A class, or none where the row does not count.
    Classes(&'a [Option<usize>]),
    /// A share of each class.
    Shares,
}

/// `z` is the logits `[rows, classes]` and, if so the truth, the shares.
pub fn cross_entropy<S: Scalar>(z: &[Array<S>], truth: Truth, weight: &[f64], smoothing: f64) -> Array<S> {
    let (logits, classes) = (&z[0], z[0].shape[1]);
    let (mut total, mut norm) = (S::zero(), 0.0);
    for row in 0..logits.shape[0] {
        let share = |c: usize| match truth {
            Truth::Classes(t) => S::from_f64(f64::from(t[row] == Some(c))),
            Truth::Shares => z[1].at(&[row, c]),
        };
        norm += match truth {
            Truth::Classes(t) => match t[row] {
                Some(class) => weight[class],
                None => continue,
            },
            Truth::Shares => 1.0,
        };
        for (c, log_p) in log_probabilities(logits, row).into_iter().enumerate() {
            let smooth = share(c) * S::from_f64(1.0 - smoothing) + S::from_f64(smoothing / classes as f64);
            if smooth.to_f64() != 0.0 || matches!(truth, Truth::Shares) {
                total = total - S::from_f64(weight[c]) * smooth * log_p;
            }
        }
    }
    number(total / S::from_f64(norm))
}

/// Weighted mean of the negative log probabilities of the classes.
pub fn nll<S: Scalar>(log_p: &Array<S>, classes: &[Option<usize>], weight: &[f64]) -> Array<S> {
    let counted = || classes.iter().enumerate().filter_map(|(row, class)| Some((row, (*class)?)));
    let total =
        Array::total(counted().map(|(row, class)| S::from_f64(-weight[class]) * log_p.at(&[row, class])));
    number(total / S::from_f64(counted().map(|(_, class)| weight[class]).sum()))
}

/// Σ t (ln t - x) over the number of rows; `x` is ln of the prediction.
pub fn kl_divergence<S: Scalar>(x: &Array<S>, target: &Array<S>, log_target: bool) -> Array<S> {
    let term = |(&x, &t): (&S, &S)| match log_target {
        true => t.exp() * (t - x),
        false if t.to_f64() == 0.0 => S::zero(),
        false => t * (t.ln() - x),
    };
    let total = Array::total(x.data.iter().zip(&target.data).map(term));
    number(total / S::from_f64(x.shape[0] as f64))
}

/// Mean of -p y ln σ(z) - (1 - y) ln(1 - σ(z)); `positive` has one p for each element of the last dimension.
pub fn bce_with_logits<S: Scalar>(z: &Array<S>, y: &Array<S>, positive: &[f64]) -> Array<S> {
    // ln(1 + e^v), without overflow
    let softplus = |v: S| greater(v, S::zero()) + (S::one() + (-v.abs()).exp()).ln();
    let term = |(i, (&z, &y)): (usize, (&S, &S))| {
        S::from_f64(positive[i % positive.len()]) * y * softplus(-z) + (S::one() - y) * softplus(z)
    };
    let total = Array::total(z.data.iter().zip(&y.data).enumerate().map(term));
    number(total / S::from_f64(z.data.len() as f64))
}

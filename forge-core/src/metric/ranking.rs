//! Metrics of scores that should rank positive samples before negative ones.

use super::finite;

/// Samples by falling score, equal scores together: the number of positive and of negative ones at each score. `None` if
/// a score is NaN.
fn groups(scored: impl IntoIterator<Item = (bool, f64)>) -> Option<Vec<(u64, u64)>> {
    let mut scored: Vec<(bool, f64)> = scored.into_iter().collect();
    if scored.iter().any(|(_, score)| score.is_nan()) {
        return None;
    }
    // Equal numbers must be equal neighbours: 0 and -0 are.
    scored.sort_by(|(_, a), (_, b)| (b + 0.0).total_cmp(&(a + 0.0)));
    let same = |a: &(bool, f64), b: &(bool, f64)| a.1 == b.1;
    let count = |group: &[(bool, f64)]| {
        let positive = group.iter().filter(|(positive, _)| *positive).count();
        (positive as u64, (group.len() - positive) as u64)
    };
    Some(scored.chunk_by(same).map(count).collect())
}

/// Area under the ROC curve of `(positive, score)`: the probability that a positive sample has a higher score than a
/// negative one, equal scores counting half. Hanley and McNeil, 1982. Undefined without samples of both kinds, or if a score
/// is NaN.
///
/// ```
/// use forge_core::metric::roc_auc;
/// assert_eq!(roc_auc([(false, 0.1), (false, 0.4), (true, 0.35), (true, 0.8)]), Some(0.75));
/// assert_eq!(roc_auc([(true, 0.5), (false, 0.5)]), Some(0.5));
/// assert_eq!(roc_auc([(true, 0.9), (true, 0.8)]), None);
/// ```
pub fn roc_auc(scored: impl IntoIterator<Item = (bool, f64)>) -> Option<f64> {
    let (mut positive, mut negative, mut twice) = (0_u64, 0_u64, 0_u128);
    for (p, n) in groups(scored)? {
        twice += u128::from(n) * u128::from(2 * positive + p);
        (positive, negative) = (positive + p, negative + n);
    }
    finite(twice as f64 / (2.0 * positive as f64 * negative as f64))
}

/// Average precision of `(positive, score)`, the area under the precision–recall curve as a sum of steps: Σ (Rₙ - Rₙ₋₁) Pₙ
/// over the distinct scores, falling. Undefined without a positive sample, or if a score is NaN.
///
/// ```
/// use forge_core::metric::average_precision;
/// // By falling score: right, wrong, right. The recall rises by ½ at the precisions 1 and ⅔.
/// assert_eq!(average_precision([(true, 0.9), (false, 0.8), (true, 0.7)]), Some(0.5 + 0.5 * 2.0 / 3.0));
/// ```
pub fn average_precision(scored: impl IntoIterator<Item = (bool, f64)>) -> Option<f64> {
    let (mut positive, mut seen, mut sum) = (0_u64, 0_u64, 0.0);
    for (p, n) in groups(scored)? {
        (positive, seen) = (positive + p, seen + p + n);
        sum += p as f64 * (positive as f64 / seen as f64);
    }
    finite(sum / positive as f64)
}

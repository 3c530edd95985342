//! Fewer points that draw the same line.

/// Points kept of one bucket at most: first, lowest, highest, last, and one that is missing.
const KEPT: usize = 5;

/// Indices of at most `limit` values whose line looks like that of all values.
///
/// This is M4 of Jugel, Jerzak, Hackenbroich and Markl, *M4: A Visualization-Oriented Time Series Data
/// Aggregation* (VLDB 2014): cut the values into equal buckets and keep the first, lowest, highest and last of
/// each. A line through these is drawn without error when a bucket is no wider than a pixel. Beyond the paper, a
/// bucket with missing values keeps one of them, so that the line breaks there too.
///
/// The result ascends. No more values than `limit`: all are kept. The lowest and the highest of all values are
/// always kept (`limit` is taken as 5 if less).
pub(crate) fn thin(values: &[Option<f64>], limit: usize) -> Vec<usize> {
    let n = values.len();
    if n <= limit {
        return (0..n).collect();
    }
    let buckets = (limit / KEPT).max(1);
    let mut kept = Vec::with_capacity(limit);
    for b in 0..buckets {
        let (start, end) = (b * n / buckets, (b + 1) * n / buckets);
        let present = || (start..end).filter_map(|i| values[i].map(|v| (i, v)));
        let mut picks: Vec<usize> = [
            present().next(),
            present().min_by(|a, b| a.1.total_cmp(&b.1)),
            present().max_by(|a, b| a.1.total_cmp(&b.1)),
            present().next_back(),
        ]
        .into_iter()
        .flatten()
        .map(|(i, _)| i)
        .chain((start..end).find(|&i| values[i].is_none()))
        .collect();
        picks.sort_unstable();
        picks.dedup();
        kept.extend(picks);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spike_and_a_gap_survive() {
        let mut values: Vec<Option<f64>> = (0..100_000).map(|i| Some((i as f64 * 0.01).sin())).collect();
        values[54_321] = Some(9.0);
        values[70_000] = None;
        let kept = thin(&values, 2000);
        assert!(kept.len() <= 2000 && kept.len() >= 800, "{}", kept.len());
        assert!(kept.contains(&54_321) && kept.contains(&70_000));
        assert_eq!((kept[0], kept[kept.len() - 1]), (0, 99_999));
    }

    #[test]
    fn few_values_are_all_kept() {
        assert_eq!(thin(&[Some(1.0), None, Some(2.0)], 3), [0, 1, 2]);
        assert!(thin(&[], 10).is_empty());
    }

    proptest! {
        #[test]
        fn thinned_series_keep_what_matters(
            values in prop::collection::vec(prop::option::weighted(0.9, -1e6..1e6f64), 0..3000),
            limit in 5..400usize,
        ) {
            let kept = thin(&values, limit);
            prop_assert!(kept.len() <= limit);
            prop_assert!(kept.windows(2).all(|w| w[0] < w[1]), "not ascending");
            let all: Vec<f64> = values.iter().flatten().copied().collect();
            let some: Vec<f64> = kept.iter().filter_map(|&i| values[i]).collect();
            let extremes = |v: &[f64]| (v.iter().copied().fold(f64::INFINITY, f64::min), v.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            prop_assert_eq!(extremes(&all), extremes(&some));
            prop_assert_eq!(all.first(), some.first());
            prop_assert_eq!(all.last(), some.last());
            // Every missing stretch as long as a bucket breaks the line.
            let bucket = values.len().div_ceil((limit / KEPT).max(1));
            let mut run = 0;
            for (i, v) in values.iter().enumerate() {
                run = if v.is_none() { run + 1 } else { 0 };
                if run >= 2 * bucket {
                    prop_assert!(kept.iter().any(|&k| k + run > i && k <= i && values[k].is_none()));
                }
            }
        }
    }
}

//! Every chain is undone exactly, and learns from train rows alone.

use crate::prices;
use forge_pipelines::sources::{CheckParams, CsvParams, load};
use forge_pipelines::transforms::{
    Chain, FittedChain, FittedTransform, TransformParam, TransformParam::*, forward_filled,
};
use proptest::prelude::*;
use std::num::NonZeroUsize;

/// Forecasting what happens must give what happened, from any origin.
#[track_caller]
fn round_trip(raw: &[f64], chain: &Chain, train: usize, origin: usize, horizon: usize) {
    let fitted = chain.fit(raw, 0..train).unwrap();
    let transformed = fitted.apply(raw);
    let mut path = transformed[origin + 1..=origin + horizon].to_vec();
    fitted.invert(&mut path, &raw[..=origin]);
    for (step, back) in path.iter().enumerate() {
        let value = raw[origin + 1 + step];
        assert!((back - value).abs() <= 1e-9 * value.abs(), "{fitted}: {back} for {value}, step {step}");
    }
}

fn chains() -> Vec<Chain> {
    // These need values that no other transform promises, so they can only come first.
    let only_first = |t: &TransformParam| matches!(t, Log | Log1p | BoxCox);
    let later: Vec<TransformParam> = TransformParam::ALL.iter().copied().filter(|t| !only_first(t)).collect();
    let longer = |chains: &[Vec<TransformParam>], by: &[TransformParam]| -> Vec<Vec<TransformParam>> {
        chains.iter().flat_map(|c| by.iter().map(|t| [c.clone(), vec![*t]].concat())).collect()
    };
    let one = longer(&[vec![]], TransformParam::ALL);
    let two = longer(&one, &later);
    let three = longer(&two, &[Diff, Standardize]);
    [vec![vec![]], one, two, three].concat().into_iter().map(Chain).collect()
}

#[test]
fn every_chain_is_undone_on_real_prices() {
    for file in ["msft_daily.csv", "ibm_daily.csv"] {
        let frame = prices(file).frame;
        for column in ["Close", "Adj Close", "Volume"] {
            let raw = frame.numbers(column).unwrap();
            for chain in chains() {
                round_trip(raw, &chain, 2289, 2615, 5);
                round_trip(raw, &chain, 2289, 60, 3209);
            }
        }
    }
}

/// The files whose forms differ most: gaps in the oil prices, three currencies.
#[test]
fn chains_are_undone_on_oil_and_exchange_rates() {
    let read = |yaml: &str| {
        let source: CsvParams = serde_yaml::from_str(yaml).unwrap();
        load(&source, &crate::example_data(), &CheckParams::default()).unwrap().frame
    };
    let oil = forward_filled(read("{csv: wti_daily.csv, na: ['.']}").numbers("DCOILWTICO").unwrap());
    let first = oil.iter().position(|v| v.is_finite()).unwrap();
    let rates = read("{csv: ecb_fx_eur_daily.csv}");
    let rate = |name: &str| rates.numbers(name).unwrap().to_vec();
    for raw in [oil[first..].to_vec(), rate("USD"), rate("GBP"), rate("CHF")] {
        for chain in chains().into_iter().step_by(7) {
            round_trip(&raw, &chain, 5000, 6000, 500);
        }
    }
}

/// What a model works on, taken back, is the file: every transform and the usual chains, each price and volume, from the
/// first origin on.
#[test]
fn inverses_give_every_stock_file_back() {
    let usual = [vec![Log, Diff, Standardize], vec![BoxCox, Robust], vec![Log1p, Minmax]];
    let single = TransformParam::ALL.iter().map(|transform| vec![*transform]);
    let chains: Vec<Chain> = single.chain(usual).map(Chain).collect();
    let mut columns = 0;
    for path in crate::shared_stock() {
        let source = CsvParams { na: vec![".".into()], ..CsvParams::new(path.to_str().unwrap()) };
        let frame = load(&source, std::path::Path::new(""), &CheckParams::default()).unwrap().frame;
        for name in frame.names() {
            let filled = forward_filled(frame.numbers(name).unwrap());
            let raw = &filled[filled.iter().position(|v| v.is_finite()).unwrap()..];
            columns += 1;
            for chain in &chains {
                let fitted = chain.fit(raw, 0..raw.len() / 2).unwrap();
                let mut path = fitted.apply(raw).split_off(30);
                fitted.invert(&mut path, &raw[..30]);
                for (back, value) in path.iter().zip(&raw[30..]) {
                    let within = 1e-6 * value.abs();
                    assert!((back - value).abs() <= within, "{name}, {fitted}: {back} for {value}");
                }
            }
        }
    }
    assert!(columns == 0 || columns >= 16, "{columns} columns");
}

#[test]
fn values_against_hand_computed_ones() {
    let raw = [1.0, 2.0, 4.0, 16.0, 8.0];
    let ln2 = 2.0_f64.ln();
    let diff = Chain(vec![Log, Diff]).fit(&raw, 0..4).unwrap().apply(&raw);
    assert!(diff[0].is_nan());
    for (got, expected) in diff[1..].iter().zip([ln2, ln2, 2.0 * ln2, -ln2]) {
        assert!((got - expected).abs() < 1e-15);
    }
    // Mean 4/3 ln 2, population deviation sqrt(2)/3 ln 2 over the three train differences.
    let all = Chain(vec![Log, Diff, Standardize]).fit(&raw, 0..4).unwrap().apply(&raw);
    for (got, expected) in
        all[1..].iter().zip([-0.5_f64.sqrt(), -0.5_f64.sqrt(), 2.0_f64.sqrt(), -4.949_747_468_305_833])
    {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

#[test]
fn learnt_values_against_hand_computed_ones() {
    let raw = [3.0, 1.0, 2.0, 10.0, 5.0, 100.0];
    let apply = |t: TransformParam| Chain(vec![t]).fit(&raw, 0..5).unwrap().apply(&raw);
    assert_eq!(apply(Minmax), [2.0 / 9.0, 0.0, 1.0 / 9.0, 1.0, 4.0 / 9.0, 11.0]);
    // Median 3, quartiles 2 and 5.
    assert_eq!(apply(Robust), [0.0, -2.0 / 3.0, -1.0 / 3.0, 7.0 / 3.0, 2.0 / 3.0, 97.0 / 3.0]);
    assert!((apply(Log1p)[1] - 2.0_f64.ln()).abs() < 1e-15);
    let two = NonZeroUsize::new(2).unwrap();
    let seasonal = apply(SeasonalDiff(two));
    assert!(seasonal[..2].iter().all(|v| v.is_nan()));
    assert_eq!(seasonal[2..], [-1.0, 9.0, 3.0, 90.0]);
}

/// Bell-shaped values, bent by a known power, are straightened by about that power, and by the textbook's likelihood no
/// other is better.
#[test]
fn box_cox_finds_the_power() {
    // Quantiles of the logistic distribution.
    let bell: Vec<f64> = (1..400).map(|i| f64::from(i) / 400.0).map(|p| (p / (1.0 - p)).ln()).collect();
    let lambda = |series: &[f64]| {
        let fitted = Chain(vec![BoxCox]).fit(series, 0..series.len()).unwrap();
        match &fitted.0[0] {
            FittedTransform::BoxCox(found) => (found.lambda, found.scale),
            other => panic!("{other:?}"),
        }
    };
    let (found, scale) = lambda(&bell.iter().map(|z| (0.3 * z).exp()).collect::<Vec<_>>());
    assert!(found.abs() < 1e-6 && (scale - 1.0).abs() < 1e-12, "{found} {scale}");
    for power in [0.5, -1.0, 1.5] {
        let bent: Vec<f64> = bell.iter().map(|z| 7.0 * (10.0 + z).powf(1.0 / power)).collect();
        let (found, _) = lambda(&bent);
        assert!((found - power).abs() < 0.1, "{power}: {found}");
        let n = bent.len() as f64;
        let likelihood = |lambda: f64| {
            let y: Vec<f64> = bent.iter().map(|x| (x.powf(lambda) - 1.0) / lambda).collect();
            let mean = y.iter().sum::<f64>() / n;
            let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
            (lambda - 1.0) * bent.iter().map(|x| x.ln()).sum::<f64>() - n / 2.0 * variance.ln()
        };
        let best = likelihood(found);
        assert!((-200..200).all(|i| likelihood((f64::from(i) + 0.5) / 100.0) <= best + 1e-6), "{power}");
        assert!(likelihood(found + 0.001) < best && likelihood(found - 0.001) < best, "{power}");
    }
}

#[test]
fn box_cox_outside_its_range_is_its_limit() {
    let raw: Vec<f64> = (1..50).map(|i| f64::from(i).sqrt()).collect();
    let fitted = Chain(vec![BoxCox]).fit(&raw, 0..49).unwrap();
    let mut path = [-1e9, f64::NAN];
    fitted.invert(&mut path, &raw);
    assert_eq!(path[0], 0.0);
    assert!(path[1].is_nan());
}

/// A gap teaches nothing and breaks no inverse: the difference over it is that to the last value known.
#[test]
fn chains_over_missing_values() {
    let raw = [1.0, 2.0, f64::NAN, 5.0, 4.0];
    let fitted = Chain(vec![Diff, Standardize]).fit(&raw, 0..5).unwrap();
    let FittedTransform::Standardize(learnt) = &fitted.0[1] else { panic!() };
    // Differences 1, 3, -1: the missing row's own 0 is no observation.
    assert!((learnt.mean - 1.0).abs() < 1e-15 && (learnt.std - (8.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    let filled = forward_filled(&raw);
    assert_eq!(filled, [1.0, 2.0, 2.0, 5.0, 4.0]);
    let mut path = fitted.apply(&filled)[3..].to_vec();
    fitted.invert(&mut path, &filled[..3]);
    assert!((path[0] - 5.0).abs() < 1e-12 && (path[1] - 4.0).abs() < 1e-12);
    assert!(forward_filled(&[f64::NAN, 3.0])[0].is_nan());
}

#[test]
fn nothing_is_learnt_beyond_the_train_rows() {
    let mut raw: Vec<f64> = (1..=100).map(|i| f64::from(i * i % 37 + 1)).collect();
    for chain in chains() {
        let before = chain.fit(&raw, 0..70).unwrap();
        let saved = raw[70..].to_vec();
        raw[70..].iter_mut().for_each(|v| *v *= 1000.0);
        assert_eq!(chain.fit(&raw, 0..70).unwrap(), before);
        raw[70..].copy_from_slice(&saved);
    }
}

#[test]
fn what_is_refused() {
    let fit = |chain: &[TransformParam], raw: &[f64]| Chain(chain.to_vec()).fit(raw, 0..2).unwrap_err();
    let log = fit(&[Log], &[1.0, 2.0, 0.0]);
    assert_eq!(
        (log.code(), log.message().as_str()),
        ("E0340", "`log` of 0 does not exist: it takes values above 0")
    );
    let constant = fit(&[Standardize], &[0.1, 0.1, 5.0]);
    assert_eq!(constant.code(), "E0341");
    assert!(constant.message().contains("0.1"), "{constant}");
    assert_eq!(fit(&[Diff, Diff, Standardize], &[1.0, 2.0, 3.0]).code(), "E0342");
    assert_eq!(
        fit(&[Log1p], &[1.0, -0.5, -1.0]).message(),
        "`log1p` of -1 (row 2) does not exist: values must be above -1"
    );
    assert_eq!(fit(&[BoxCox], &[1.0, 2.0, 0.0]).code(), "E0343");
    for transform in [Minmax, Robust, BoxCox] {
        let constant = fit(&[transform], &[7.0, 7.0, 5.0]);
        assert_eq!(constant.code(), "E0341", "{constant}");
        assert!(!constant.message().contains("standardize"));
    }
    let flat = Chain(vec![Robust]).fit(&[1.0, 1.0, 1.0, 1.0, 9.0], 0..5).unwrap_err();
    assert_eq!(flat.code(), "E0344");
}

#[test]
fn rounding_noise_is_a_constant() {
    let raw = vec![0.1 + 0.2; 1001];
    assert_eq!(Chain::default().fit(&raw, 0..1001).unwrap_err().code(), "E0341");
}

#[test]
fn too_little_history_gives_no_number_rather_than_a_wrong_one() {
    let fitted = Chain(vec![Diff, Diff]).fit(&[1.0, 2.0, 4.0], 0..3).unwrap();
    let mut path = [1.0];
    fitted.invert(&mut path, &[1.0]);
    assert!(path[0].is_nan());
    fitted.invert(&mut path, &[]);
    assert!(path[0].is_nan());
}

#[test]
fn a_fitted_chain_is_kept_to_the_bit() {
    let frame = prices("msft_daily.csv").frame;
    let raw = frame.numbers("Close").unwrap();
    let fitted = Chain(vec![Log, Diff, Standardize]).fit(raw, 0..2289).unwrap();
    assert_eq!(fitted.to_string(), "log → diff → standardize");
    assert_eq!(FittedChain::default().to_string(), "none");
    let json = serde_json::to_string(&fitted).unwrap();
    assert!(json.starts_with(r#"[{"log":{}},{"diff":{}},{"standardize":{"mean":"#), "{json}");
    assert_eq!(serde_json::from_str::<FittedChain>(&json).unwrap(), fitted);
}

proptest! {
    /// A parser that is off by one in the last place would make a reloaded model forecast other numbers.
    #[test]
    fn any_mean_and_deviation_is_kept_to_the_bit(raw in proptest::collection::vec(-1e6..1e6_f64, 3..9)) {
        if let Ok(fitted) = Chain::default().fit(&raw, 0..raw.len()) {
            let json = serde_json::to_string(&fitted).unwrap();
            prop_assert_eq!(serde_json::from_str::<FittedChain>(&json).unwrap(), fitted);
        }
    }

    #[test]
    fn every_chain_is_undone_on_random_series(
        raw in proptest::collection::vec(0.01..1000.0_f64, 60..120),
        pick in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
    ) {
        let chains = chains();
        let chain = &chains[pick.index(chains.len())];
        let origin = 50 + at.index(raw.len() - 55);
        let horizon = raw.len() - 1 - origin;
        if let Ok(fitted) = chain.fit(&raw, 0..raw.len()) {
            let transformed = fitted.apply(&raw);
            let mut path = transformed[origin + 1..].to_vec();
            fitted.invert(&mut path, &raw[..=origin]);
            for step in 0..horizon {
                let value = raw[origin + 1 + step];
                prop_assert!((path[step] - value).abs() <= 1e-9 * value.max(1.0), "{fitted}");
            }
        }
    }
}

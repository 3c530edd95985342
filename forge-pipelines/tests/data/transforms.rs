//! Every chain is undone exactly, and learns from train rows alone.

use crate::prices;
use forge_pipelines::transforms::{Chain, FittedChain, TransformParam, TransformParam::*};
use proptest::prelude::*;

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
    let mut all = vec![vec![]];
    for _ in 0..3 {
        let longer: Vec<Vec<TransformParam>> = all
            .iter()
            .flat_map(|c| TransformParam::ALL.iter().map(|t| [c.clone(), vec![*t]].concat()))
            // A logarithm needs positive values, so it can only come first.
            .filter(|c| c.iter().skip(1).all(|t| *t != Log))
            .collect();
        all.extend(longer);
    }
    all.dedup();
    all.into_iter().map(Chain).collect()
}

#[test]
fn every_chain_is_undone_on_real_prices() {
    for file in ["msft_daily.csv", "ibm_daily.csv"] {
        let frame = prices(file).frame;
        for column in ["Close", "Adj Close", "Volume"] {
            let raw = frame.numbers(column).unwrap();
            for chain in chains() {
                round_trip(raw, &chain, 2289, 2615, 5);
                round_trip(raw, &chain, 2289, 10, 3259);
            }
        }
    }
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
        raw in proptest::collection::vec(0.01..1000.0_f64, 12..60),
        pick in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
    ) {
        let chains = chains();
        let chain = &chains[pick.index(chains.len())];
        let origin = 3 + at.index(raw.len() - 5);
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

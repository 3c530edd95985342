//! Columns in their roles.

use crate::{frame, prepared, prices};
use forge_pipelines::prepare::{Prepared, autocorrelation};
use forge_pipelines::roles::Roles;
use forge_pipelines::split::{Split, SplitParams};
use forge_pipelines::transforms::TransformParam::*;

fn split() -> Split {
    SplitParams::default().split(3270).unwrap()
}

#[test]
fn targets_come_first_and_their_own_past_is_an_input() {
    let data = prices("msft_daily.csv").frame;
    let target = Roles::one("Close", [Log, Diff, Standardize]);
    let past = Roles::one("Volume", [Log, Standardize]);
    let p = Prepared::new(&data, &split(), &target, &past).unwrap();
    let names: Vec<&str> = p.inputs.iter().map(|c| c.name.as_str()).collect();
    assert_eq!((names.as_slice(), p.target_count, p.first_valid_row), (["Close", "Volume"].as_slice(), 1, 1));
    assert_eq!(p.targets()[0].raw[0], 90.81);
    assert!(p.inputs[0].transformed[0].is_nan() && p.inputs[1].transformed[0].is_finite());
    for column in &p.inputs {
        let train = &column.transformed[1..2289];
        let mean = train.iter().sum::<f64>() / 2288.0;
        assert!(mean.abs() < 1e-3, "{}: {mean}", column.name);
    }
    let overview = p.overview(0, 20).unwrap();
    assert_eq!(overview.parts, [(0, 2289), (2289, 2616), (2616, 3270)]);
    assert_eq!(overview.axis.label(2616), "2010-07-27");
    assert_eq!(overview.transform, "log → diff → standardize");
    // Daily returns hardly correlate; a wrong series (levels) would give 0.99.
    assert!(overview.autocorrelation.len() == 20 && overview.autocorrelation.iter().all(|r| r.abs() < 0.1));
}

#[test]
fn places_of_errors_in_values() {
    let mut values: Vec<f64> = (1..=100).map(f64::from).collect();
    values[95] = -3.0;
    let data = frame(&[("y", values)]);
    let s = SplitParams::default().split(100).unwrap();
    let error = Prepared::new(&data, &s, &Roles::one("y", [Log]), &Roles::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory:97: column `y`: `log` of -3 does not exist: it takes values above 0"
    );
}

#[test]
fn roles_that_are_refused() {
    let data = prices("msft_daily.csv").frame;
    let fail = |target: Roles, past: Roles| Prepared::new(&data, &split(), &target, &past).unwrap_err();
    let close = || Roles::names(["Close"]);
    assert_eq!(fail(Roles::default(), close()).code(), "E0352");
    assert_eq!(fail(close(), close()).code(), "E0351");
    let unknown = fail(Roles::names(["Adj close"]), Roles::default());
    assert!(unknown.hint().unwrap().contains("`Adj Close`"), "{unknown}");
    assert_eq!(fail(Roles::names(["Date"]), Roles::default()).code(), "E0321");
    let beyond = Split { train: 0..10, val: 10..20, test: 20..9999 };
    assert_eq!(Prepared::new(&data, &beyond, &close(), &Roles::default()).unwrap_err().code(), "E0321");
}

#[test]
fn autocorrelation_of_known_series() {
    // For 1, 2, 3, 4, 5 about 3: (2 + 0 + 0 + 2) / 10 at lag 1, (0 - 1 + 0) / 10 at lag 2.
    let r = autocorrelation(&[1.0, 2.0, 3.0, 4.0, 5.0], 2);
    assert!((r[0] - 0.4).abs() < 1e-15 && (r[1] + 0.1).abs() < 1e-15, "{r:?}");
    assert!(autocorrelation(&[2.0; 9], 3).is_empty());
    assert_eq!(autocorrelation(&[1.0, 2.0], 9).len(), 1);
    assert!(autocorrelation(&[], 3).is_empty());
}

#[test]
fn an_empty_chain_keeps_the_values() {
    let s = Split { train: 0..6, val: 6..7, test: 7..10 };
    let values: Vec<f64> = (0..10).map(f64::from).collect();
    let p = prepared(&values, &[], &s);
    assert_eq!(p.inputs[0].transformed, values);
    assert_eq!(p.first_valid_row, 0);
}

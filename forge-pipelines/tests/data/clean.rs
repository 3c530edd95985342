//! Repairs of a frame, and the guards on them.

use crate::frame;
use forge_pipelines::DataError;
use forge_pipelines::frame::Frame;
use forge_pipelines::guards::strange_values;
use forge_pipelines::sources::{CleanParams, Freq};

const N: f64 = f64::NAN;

fn clean(yaml: &str, data: Frame) -> Result<(Frame, Vec<String>), DataError> {
    let d = serde_yaml::Deserializer::from_str(yaml);
    let params: CleanParams = serde_yaml::with::singleton_map_recursive::deserialize(d).unwrap();
    params.clean(data).map(|(frame, notices)| (frame, notices.into_iter().map(|n| n.text).collect()))
}

fn filled(yaml: &str, values: &[f64]) -> Vec<Option<f64>> {
    let (frame, _) = clean(yaml, frame(&[("x", values.to_vec())])).unwrap();
    frame.numbers("x").unwrap().iter().map(|v| v.is_finite().then_some(*v)).collect()
}

#[test]
fn bounds_blank_what_lies_outside() {
    let data = frame(&[("humid", vec![-1.0, 0.0, 100.0, 101.0, N]), ("x", vec![1.0; 5])]);
    let (cleaned, said) = clean("{bounds: {humid: {min: 0, max: 100}, x: {max: 2}}}", data).unwrap();
    let humid = cleaned.numbers("humid").unwrap();
    assert!(humid[0].is_nan() && humid[3].is_nan() && humid[1..3] == [0.0, 100.0]);
    assert_eq!(said, ["`humid`: 2 values outside their bounds are taken for missing"]);
}

#[test]
fn filling_and_its_limit() {
    let values = [N, 1.0, N, N, N, 5.0, N];
    let some = |v: &[f64]| v.iter().map(|v| v.is_finite().then_some(*v)).collect::<Vec<_>>();
    assert_eq!(filled("{fill: {forward: {limit: 2}}}", &values), some(&[N, 1.0, 1.0, 1.0, N, 5.0, 5.0]));
    assert_eq!(filled("{fill: {backward: {limit: 2}}}", &values), some(&[1.0, 1.0, N, 5.0, 5.0, 5.0, N]));
    assert_eq!(filled("{fill: {linear: {limit: 2}}}", &values), some(&values));
    assert_eq!(filled("{fill: {linear: {limit: 3}}}", &values), some(&[N, 1.0, 2.0, 3.0, 4.0, 5.0, N]));
    let (_, said) = clean("{fill: {forward: {limit: 1}}}", frame(&[("x", values.to_vec())])).unwrap();
    assert_eq!(said, ["`x`: 2 missing values are filled, 3 stay missing"]);
}

#[test]
fn only_forward_looks_back() {
    let guard = |yaml: &str| {
        let d = serde_yaml::Deserializer::from_str(yaml);
        let params: CleanParams = serde_yaml::with::singleton_map_recursive::deserialize(d).unwrap();
        params.looks_back_only().map_err(|e| (e.code(), e.is_guard()))
    };
    assert_eq!(guard("{fill: {forward: {limit: 9}}}"), Ok(()));
    assert_eq!(guard("{fill: {backward: {limit: 1}}}"), Err(("L05", true)));
    assert_eq!(guard("{fill: {linear: {limit: 1}}}"), Err(("L05", true)));
}

#[test]
fn rows_columns_and_names() {
    let data = || frame(&[("a", vec![1.0, N, 3.0, 4.0]), ("b", vec![N, 2.0, 3.0, 4.0]), ("c", vec![0.0; 4])]);
    let (cleaned, said) = clean("{rename: {a: x}, drop: {missing: [x], columns: [c]}}", data()).unwrap();
    assert_eq!(cleaned.names().collect::<Vec<_>>(), ["x", "b"]);
    assert_eq!(cleaned.numbers("x").unwrap(), [1.0, 3.0, 4.0]);
    assert_eq!((cleaned.lines.as_slice(), cleaned.time.axis().len()), ([2, 4, 5].as_slice(), 3));
    assert_eq!(said, ["1 of 4 rows are left out: a value is missing"]);
    for (yaml, code, word) in [
        ("{drop: {missing: [z]}}", "E0314", "z"),
        ("{drop: {columns: [z]}}", "E0314", "z"),
        ("{bounds: {z: {min: 0}}}", "E0314", "z"),
        ("{bounds: {a: {min: 1, max: 0}}}", "E0324", "leave no value"),
        ("{rename: {a: b}}", "E0324", "`b`"),
        ("{rename: {z: b}}", "E0314", "z"),
    ] {
        let error = clean(yaml, data()).unwrap_err();
        assert!(error.code() == code && error.message().contains(word), "{yaml}: {error}");
    }
    let mut hourly = data();
    hourly.freq = Freq::Step { seconds: 3600 };
    assert_eq!(clean("{drop: {missing: [a]}}", hourly).unwrap_err().code(), "E0324");
    let gone = frame(&[("a", vec![N, 1.0])]);
    assert_eq!(clean("{drop: {missing: [a]}}", gone).unwrap_err().code(), "E0324");
}

#[test]
fn sentinels_and_wild_values_are_pointed_out() {
    let mut values: Vec<f64> = (0..200).map(|i| f64::from(i % 40)).collect();
    let said = |values: &[f64]| -> Vec<String> {
        let notices = strange_values(&frame(&[("x", values.to_vec())]));
        assert!(notices.iter().all(|n| n.code == "L12"));
        notices.into_iter().map(|n| n.text).collect()
    };
    assert!(said(&values).is_empty());
    values[7] = -9999.0;
    values[90] = -9999.0;
    values[91] = 1e6;
    let found = said(&values);
    assert!(
        found[0].starts_with("`x`: 2 values are -9999,") && found[0].contains("sentinels: [-9999]"),
        "{found:?}"
    );
    assert!(found[1].starts_with("`x`: 1 values lie") && found[1].contains("1000000"), "{found:?}");
    // -9 is a temperature here, and half a column of zeros says nothing about the rest.
    assert!(said(&(0..100).map(|i| f64::from(i % 30) - 9.0).collect::<Vec<_>>()).is_empty());
    assert!(said(&(0..100).map(|i| if i == 5 { 500.0 } else { 0.0 }).collect::<Vec<_>>()).is_empty());
    for file in ["msft_daily.csv", "ibm_daily.csv"] {
        assert!(strange_values(&crate::prices(file).frame).is_empty());
    }
}

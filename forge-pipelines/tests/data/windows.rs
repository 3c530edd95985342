//! Which rows belong to which window.

use crate::prepared;
use forge_core::history::Part::*;
use forge_pipelines::prepare::Prepared;
use forge_pipelines::split::{Split, SplitParams};
use forge_pipelines::transforms::TransformParam::{self, *};
use forge_pipelines::windows::{WindowParams, Windows};
use forge_pipelines::{frame::Frame, roles::Roles};
use proptest::prelude::*;

fn ramp(rows: usize) -> Vec<f64> {
    (0..rows).map(|i| i as f64 + 1.0).collect()
}

fn cut(rows: usize, chain: &[TransformParam], params: WindowParams) -> Windows {
    let split = SplitParams::default().split(rows).unwrap();
    Windows::new(&prepared(&ramp(rows), chain, &split), params).unwrap()
}

#[test]
fn counts_of_the_price_files() {
    for (horizon, test, val) in [(1, 654, 327), (5, 650, 323)] {
        let w = cut(3270, &[], WindowParams::new(60, horizon));
        assert_eq!((w.len(Test), w.len(Val)), (test, val));
        assert_eq!(w.len(Train), 2289 - 60 - horizon + 1);
        assert_eq!(w.origins(Test)[0], 2615);
        assert_eq!(*w.origins(Test).last().unwrap(), 3269 - horizon);
        assert_eq!(w.origins(Train)[0], 59);
    }
    // A difference has no first row, which costs one training window and no other.
    let w = cut(3270, &[Log, Diff], WindowParams::new(60, 5));
    assert_eq!((w.len(Train), w.len(Test), w.origins(Train)[0]), (2289 - 60 - 5, 650, 60));
}

/// Window counts of the published protocol at look-back 96: test rows - horizon + 1.
#[test]
fn counts_of_the_published_protocol() {
    for (horizon, counts) in [(96, [5120, 665, 1422]), (720, [4496, 41, 798])] {
        let n: usize = 7588;
        let (train, test) = (n * 7 / 10, n / 5);
        let split = Split { train: 0..train, val: train..n - test, test: n - test..n };
        let w = Windows::new(&prepared(&ramp(n), &[], &split), WindowParams::new(96, horizon)).unwrap();
        assert_eq!([w.len(Train), w.len(Val), w.len(Test)], counts);
    }
}

#[test]
fn a_stride_thins_training_only() {
    let w = cut(1000, &[], WindowParams { lookback: 10, horizon: 3, stride: 7 });
    assert_eq!(&w.origins(Train)[..3], [9, 16, 23]);
    assert_eq!((w.len(Val), w.len(Test)), (98, 198));
}

#[test]
fn batches_hold_the_rows_they_should() {
    let rows = 100;
    let data: Frame =
        crate::frame(&[("a", ramp(rows)), ("b", ramp(rows).iter().map(|v| v * 1000.0).collect())]);
    let split = SplitParams::default().split(rows).unwrap();
    let p = Prepared::new(&data, &split, &Roles::one("b", []), &Roles::one("a", [])).unwrap();
    let w = Windows::new(&p, WindowParams::new(3, 2)).unwrap();
    let (mut x, mut y) = (vec![0.0; 2 * 3 * 2], vec![0.0; 2 * 2]);
    w.fill_batch(Test, &[0, 18], &mut x, &mut y).unwrap();
    // The first test window: rows 77, 78, 79 are seen, rows 80 and 81 (values 81 and 82) are forecast.
    assert_eq!(x[..6], [78_000.0, 78.0, 79_000.0, 79.0, 80_000.0, 80.0]);
    assert_eq!(y, [81_000.0, 82_000.0, 99_000.0, 100_000.0]);
    assert_eq!(w.last_input(), [98_000.0, 98.0, 99_000.0, 99.0, 100_000.0, 100.0]);
    for (indices, xs) in [(&[19][..], 6), (&[0][..], 5)] {
        let mut x = vec![0.0; xs];
        assert_eq!(w.fill_batch(Test, indices, &mut x, &mut [0.0; 2]).unwrap_err().code(), "E0364");
    }
    assert_eq!(w.fill_batch(Test, &[], &mut [], &mut []), Ok(()));
}

/// What a perfect model puts out must come back as what happened.
#[test]
fn perfect_outputs_are_perfect_forecasts() {
    let values: Vec<f64> = (0..300).map(|i| 50.0 + f64::from(i % 17) + f64::from(i) * 0.1).collect();
    let split = SplitParams::default().split(300).unwrap();
    let p = prepared(&values, &[Log, Diff, Standardize], &split);
    let w = Windows::new(&p, WindowParams::new(20, 4)).unwrap();
    let indices: Vec<usize> = (0..w.len(Test)).collect();
    let mut x = vec![0.0; indices.len() * 20];
    let mut y = vec![0.0; indices.len() * 4];
    w.fill_batch(Test, &indices, &mut x, &mut y).unwrap();
    assert!(x.iter().chain(&y).all(|v| v.is_finite()));
    let f = w.forecasts(&p, Test, "oracle", &[], &y).unwrap();
    for (row, actual, predicted) in f.at_step(3, 0) {
        assert_eq!(actual, values[row]);
        // The network's f32 is all the error there is.
        assert!((predicted - actual).abs() < 1e-4, "{predicted} {actual}");
    }
    assert_eq!(w.forecasts(&p, Test, "short", &[], &y[1..]).unwrap_err().code(), "E0364");
}

#[test]
fn windows_that_do_not_fit() {
    let split = SplitParams::default().split(100).unwrap();
    let p = prepared(&ramp(100), &[Diff], &split);
    let fail = |lookback, horizon| Windows::new(&p, WindowParams::new(lookback, horizon)).unwrap_err();
    for (lookback, horizon, code, hint) in [
        (5, 21, "E0361", "is 20"),
        (5, 11, "E0361", "is 10"),
        (80, 1, "E0362", "is 79"),
        (usize::MAX, 1, "E0362", "is 79"),
        (5, usize::MAX, "E0361", "is 20"),
        (69, 1, "E0363", "at most 69"),
    ] {
        let error = fail(lookback, horizon);
        assert_eq!(error.code(), code, "{lookback} {horizon}: {error}");
        assert!(error.hint().unwrap().contains(hint), "{error}: {:?}", error.hint());
    }
    assert!(Windows::new(&p, WindowParams::new(68, 1)).is_ok());
    assert_eq!(fail(0, 1).code(), "E0360");
    assert_eq!(fail(1, 0).code(), "E0360");
}

#[test]
fn overlapping_parts_are_caught() {
    let split = Split { train: 0..60, val: 55..80, test: 80..100 };
    let p = prepared(&ramp(100), &[], &split);
    let error = Windows::new(&p, WindowParams::new(5, 2)).unwrap_err();
    assert_eq!(
        (error.code(), error.message().as_str()),
        ("L03", "row 55 is a target of the train part and of the val part")
    );
    assert!(error.is_guard());
}

#[test]
fn remarks_on_thin_evidence() {
    let codes = |rows: usize| cut(rows, &[], WindowParams::new(5, 1)).notices.len();
    assert_eq!((codes(490), codes(510)), (1, 0));
    let split = SplitParams::default().split(1000).unwrap();
    let constant = Windows::new(&prepared(&[7.0; 1000], &[], &split), WindowParams::new(5, 1)).unwrap();
    assert_eq!(constant.notices.len(), 1);
    assert!(constant.notices[0].text.contains("`y` is 7"), "{:?}", constant.notices);
}

proptest! {
    /// All target rows of a window lie in its part, inputs are known, every scored row is a target, none twice over
    /// two parts.
    #[test]
    fn windows_keep_to_their_part(
        rows in 20_usize..400,
        lookback in 1_usize..40,
        horizon in 1_usize..12,
        stride in 1_usize..5,
        embargo in 0_usize..6,
        diff in any::<bool>(),
    ) {
        let Ok(split) = (SplitParams { embargo, ..SplitParams::default() }).split(rows) else { return Ok(()) };
        let p = prepared(&ramp(rows), if diff { &[Diff] } else { &[] }, &split);
        let Ok(w) = Windows::new(&p, WindowParams { lookback, horizon, stride }) else { return Ok(()) };
        w.check_disjoint().unwrap();
        for part in [Train, Val, Test] {
            let range = split.part(part);
            for (i, o) in w.origins(part).iter().enumerate() {
                prop_assert!(o + 1 >= range.start && o + horizon < range.end);
                let (mut x, mut y) = (vec![0.0; lookback], vec![0.0; horizon]);
                w.fill_batch(part, &[i], &mut x, &mut y).unwrap();
                prop_assert!(x.iter().chain(&y).all(|v| v.is_finite()));
            }
        }
        for part in [Val, Test] {
            let range = split.part(part);
            let missed = range.clone().find(|row| !w.origins(part).iter().any(|o| (o + 1..=o + horizon).contains(row)));
            prop_assert!(missed.is_none(), "{:?} of {:?}", missed, range);
        }
    }
}

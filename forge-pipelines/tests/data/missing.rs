//! Missing values: filled for inputs, masked for targets, counted always.

use crate::frame;
use forge_core::data::Dataset;
use forge_core::history::{Level, Part::*};
use forge_pipelines::WindowDataset;
use forge_pipelines::baselines::BaselineParam;
use forge_pipelines::metrics::{MetricParam, ScoreContext, score, seasonal_scale};
use forge_pipelines::prepare::Prepared;
use forge_pipelines::roles::Roles;
use forge_pipelines::sources::{Freq, Severity};
use forge_pipelines::split::{Split, SplitParams};
use forge_pipelines::transforms::TransformParam::{self, *};
use forge_pipelines::value::{PreparedData, WindowData};
use forge_pipelines::windows::{WindowParams, Windows};
use proptest::prelude::*;
use std::sync::Arc;

fn ramp(rows: usize, holes: &[usize]) -> Vec<f64> {
    (0..rows).map(|row| if holes.contains(&row) { f64::NAN } else { row as f64 + 1.0 }).collect()
}

fn split(rows: usize) -> Split {
    SplitParams::default().split(rows).unwrap()
}

#[test]
fn inputs_are_filled_from_the_past_and_told_by_a_mask() {
    let data = frame(&[("y", ramp(100, &[])), ("x", ramp(100, &[5, 6, 98]))]);
    let p = Prepared::new(&data, &split(100), &Roles::one("y", []), &Roles::one("x", [])).unwrap();
    assert!(p.notices.iter().any(|n| n.text.contains("`x`: 3 of 100 values are missing")), "{:?}", p.notices);
    let w = Windows::new(&p, WindowParams::new(4, 1)).unwrap();
    // y, x, and the mask of x; y has no mask, since it is never missing.
    assert_eq!(w.features(), 3);
    let (mut x, mut y) = (vec![0.0; 12], vec![0.0; 1]);
    let at = w.origins(Train).iter().position(|o| *o == 7).unwrap();
    w.fill_batch(Train, &[at], &mut x, &mut y).unwrap();
    assert_eq!(x, [5.0, 5.0, 1.0, 6.0, 5.0, 0.0, 7.0, 5.0, 0.0, 8.0, 8.0, 1.0]);
    assert_eq!(w.last_input()[6..], [99.0, 98.0, 0.0, 100.0, 100.0, 1.0]);
}

#[test]
fn rows_before_the_first_value_are_no_inputs() {
    let data = frame(&[("y", ramp(100, &[])), ("x", ramp(100, &[0, 1, 2]))]);
    let p = Prepared::new(&data, &split(100), &Roles::one("y", []), &Roles::one("x", [Diff])).unwrap();
    assert_eq!(p.first_valid_row, 4);
    assert_eq!(Windows::new(&p, WindowParams::new(5, 1)).unwrap().origins(Train)[0], 8);
}

#[test]
fn missing_targets_are_counted_by_part() {
    let holes = [3, 10, 75, 90, 91, 92];
    let mut data = frame(&[("y", ramp(100, &holes))]);
    let of = |data: &_| Prepared::new(data, &split(100), &Roles::names(["y"]), &Roles::default());
    let prepared = of(&data).unwrap();
    let warning = prepared.notices.iter().find(|n| n.code == "E0350").unwrap();
    assert_eq!(warning.level, Level::Warning);
    assert_eq!(
        warning.text,
        "memory:5: column `y`: 6 of 100 values are missing, the first on this line; left out of the loss and of the \
         metrics: 2 train, 1 val and 3 test rows"
    );
    data.missing_target = Severity::Error;
    let error = of(&data).unwrap_err();
    assert_eq!((error.code(), error.line), ("E0350", Some(5)));
    let empty = frame(&[("y", vec![f64::NAN; 100])]);
    assert_eq!(of(&empty).unwrap_err().code(), "E0350");
}

#[test]
fn a_batch_masks_what_is_missing() {
    let data = frame(&[("y", ramp(100, &[85]))]);
    let prepared = Prepared::new(&data, &split(100), &Roles::one("y", []), &Roles::default()).unwrap();
    let windows = Windows::new(&prepared, WindowParams::new(3, 2)).unwrap();
    let columns = Arc::new(PreparedData { prepared, freq: Freq::Rows });
    let set = WindowDataset::new(Arc::new(WindowData { columns, windows }), Test);
    // Origins 83 and 84 forecast row 85; 86 does not.
    let batch = set.batch(&[4, 5, 7], &forge_core::Device::cpu()).unwrap();
    assert_eq!(batch.mask.as_ref().unwrap().to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(batch.y.to_vec::<f32>().unwrap(), [85.0, 0.0, 0.0, 87.0, 88.0, 89.0]);
    assert!(set.batch(&[0, 7], &forge_core::Device::cpu()).unwrap().mask.is_none());
}

#[test]
fn metrics_leave_missing_targets_out_and_baselines_build_on_what_is_known() {
    let data = frame(&[("y", ramp(100, &[80, 85]))]);
    let p = Prepared::new(&data, &split(100), &Roles::one("y", [Diff]), &Roles::default()).unwrap();
    let w = Windows::new(&p, WindowParams::new(3, 1)).unwrap();
    let on = |part| [BaselineParam::Last].map(|b| b.forecasts(&p, &w, part));
    let table =
        score(&on(Test), &on(Val), &ScoreContext::new(&p, Freq::Rows, None, &[MetricParam::Mae])).unwrap();
    // 18 rows are scored; each misses by 1, and by 2 after either hole.
    let mae = table.score("last").unwrap().metric("mae").unwrap();
    assert!((mae - 20.0 / 18.0).abs() < 1e-12, "{mae}");
    assert_eq!(seasonal_scale(&[1.0, f64::NAN, 4.0, 6.0], 1), Some(2.0));
}

proptest! {
    /// Whatever is missing, no input is NaN, and no later row decides an earlier input.
    #[test]
    fn inputs_are_known_and_causal(
        holes in proptest::collection::btree_set(0_usize..100, 0..40),
        cut in 20_usize..100,
        chain in proptest::sample::select(vec![vec![], vec![Diff], vec![Standardize], vec![Log, Diff]]),
    ) {
        let chain: Vec<TransformParam> = chain;
        let holes: Vec<usize> = holes.into_iter().collect();
        let run = |values: Vec<f64>| {
            let data = frame(&[("y", ramp(100, &[])), ("x", values)]);
            let p = Prepared::new(&data, &split(100), &Roles::one("y", []), &Roles::one("x", chain.clone())).ok()?;
            let w = Windows::new(&p, WindowParams::new(5, 1)).ok()?;
            let mut all = Vec::new();
            for part in [Train, Val, Test] {
                for (i, origin) in w.origins(part).iter().enumerate() {
                    let mut x = vec![0.0; 5 * w.features()];
                    w.fill_batch(part, &[i], &mut x, &mut [0.0]).ok()?;
                    all.push((*origin, x));
                }
            }
            Some(all)
        };
        let values = ramp(100, &holes);
        let mut changed = values.clone();
        changed[cut.max(70)..].iter_mut().for_each(|v| *v = if v.is_nan() { 3.0 } else { f64::NAN });
        let (before, after) = (run(values), run(changed));
        let same_channels = before.as_ref().zip(after.as_ref()).is_some_and(|(b, a)| b[0].1.len() == a[0].1.len());
        for (_, x) in before.iter().flatten() {
            prop_assert!(x.iter().all(|v| v.is_finite()), "{x:?}");
        }
        if let (Some(before), Some(after), true) = (before, after, same_channels) {
            for ((origin, a), (_, b)) in before.iter().zip(&after).filter(|((o, _), _)| *o < cut.max(70)) {
                prop_assert_eq!(a, b, "origin {}", origin);
            }
        }
    }
}

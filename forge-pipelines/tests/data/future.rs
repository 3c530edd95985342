//! What is known ahead: the calendar, and covariates that reach beyond the last target.

use crate::{frame, prices};
use forge_core::history::Part::*;
use forge_pipelines::calendar::CalendarParam;
use forge_pipelines::prepare::Prepared;
use forge_pipelines::roles::{Future, Roles};
use forge_pipelines::split::SplitParams;
use forge_pipelines::transforms::TransformParam::*;
use forge_pipelines::windows::{WindowParams, Windows};

fn future(yaml: &str) -> Future {
    serde_yaml::with::singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(yaml)).unwrap()
}

#[test]
fn the_forms_of_future() {
    let full = future("{calendar: [weekday, hour], promo: [], load: [log1p]}");
    assert_eq!(full.calendar, [CalendarParam::Weekday, CalendarParam::Hour]);
    assert_eq!(full.columns.0.len(), 2);
    let json = serde_json::to_string(&full).unwrap();
    assert_eq!(serde_json::from_str::<Future>(&json).unwrap(), full);
    assert_eq!(future("[promo]").columns, Roles::names(["promo"]));
    let d = serde_yaml::Deserializer::from_str("{calendar: [wekday]}");
    assert!(serde_yaml::with::singleton_map_recursive::deserialize::<Future, _>(d).is_err());
}

/// The model sees the calendar of the rows that it forecasts, beyond the end of the data, too.
#[test]
fn the_calendar_reaches_the_target_rows() {
    let data = prices("msft_daily.csv").frame;
    let split = SplitParams::default().split(data.rows()).unwrap();
    let p = Prepared::new(&data, &split, &Roles::names(["Close"]), &Roles::default())
        .and_then(|p| p.with_future(&data, &future("{calendar: [weekday]}")))
        .unwrap();
    let w = Windows::new(&p, WindowParams::new(3, 2)).unwrap();
    assert_eq!(w.features(), 5);
    let places = |x: &[f32], at: usize| -> Vec<i32> {
        let place =
            |row: &[f32]| f64::from(row[at]).atan2(f64::from(row[at + 1])) / std::f64::consts::TAU * 7.0;
        x.chunks(5).map(|row| place(row).round().rem_euclid(7.0) as i32).collect()
    };
    // The last rows are Wednesday 27 February to Friday 1 March 2013; Monday and Tuesday follow.
    let last = w.last_input();
    assert_eq!(places(last, 1), [2, 3, 4]);
    assert_eq!(places(last, 3), [4, 0, 1]);
    // In the data, "two rows later" is two sessions later.
    let mut x = vec![0.0; 15];
    w.fill_batch(Test, &[0], &mut x, &mut [0.0; 2]).unwrap();
    let times = data.time.times();
    for (i, row) in (2613..2616).enumerate() {
        let [sin, cos] = CalendarParam::Weekday.pair(times[row + 2]);
        assert!((f64::from(x[i * 5 + 3]) - sin).abs() < 1e-6 && (f64::from(x[i * 5 + 4]) - cos).abs() < 1e-6);
    }
}

#[test]
fn a_covariate_that_is_known_ahead() {
    let n = 100;
    let y: Vec<f64> = (0..n).map(|i| if i < 97 { f64::from(i) } else { f64::NAN }).collect();
    let promo: Vec<f64> = (0..n).map(|i| f64::from(i * i)).collect();
    let data = frame(&[("y", y), ("promo", promo)]);
    let split = SplitParams::default().split(100).unwrap();
    let p = Prepared::new(&data, &split, &Roles::one("y", []), &Roles::default())
        .and_then(|p| p.with_future(&data, &Future { calendar: vec![], columns: Roles::one("promo", []) }))
        .unwrap();
    let w = Windows::new(&p, WindowParams::new(2, 3)).unwrap();
    // y, promo, mask of y, promo three rows later. The forecast begins after row 96.
    assert_eq!(w.last_input(), [95.0, 9025.0, 1.0, 9604.0, 96.0, 9216.0, 1.0, 9801.0]);
    let error = Windows::new(&p, WindowParams::new(2, 4)).unwrap_err();
    assert!(error.is_guard() && error.code() == "L04", "{error}");
    assert!(error.message().starts_with("`promo`") && error.message().contains("only 3 rows"), "{error}");
}

#[test]
fn what_is_not_known_ahead() {
    let data = prices("msft_daily.csv").frame;
    let split = SplitParams::default().split(data.rows()).unwrap();
    let with = |yaml: &str| {
        Prepared::new(&data, &split, &Roles::one("Close", [Log]), &Roles::default())
            .and_then(|p| p.with_future(&data, &future(yaml)))
    };
    let volume = Windows::new(&with("[Volume]").unwrap(), WindowParams::new(5, 1)).unwrap_err();
    assert!(volume.code() == "L04" && volume.message().contains("`Volume`"), "{volume}");
    assert_eq!(with("[Close]").unwrap_err().code(), "E0351");
    assert_eq!(with("{calendar: [hour]}").unwrap_err().code(), "E0353");
    let counted = frame(&[("y", (0..50).map(f64::from).collect()), ("z", (0..50).map(f64::from).collect())]);
    let split = SplitParams::default().split(50).unwrap();
    let p = || Prepared::new(&counted, &split, &Roles::names(["y"]), &Roles::default()).unwrap();
    assert_eq!(p().with_future(&counted, &future("{calendar: [month]}")).unwrap_err().code(), "E0353");
    let copy = p().with_future(&counted, &future("[z]")).unwrap_err();
    assert!(copy.code() == "L04" && copy.message().contains("those of the target `y`"), "{copy}");
}

/// The increments that a model forecasts are added to the last price, at the next weekdays.
#[test]
fn a_forecast_after_the_last_row() {
    let data = prices("msft_daily.csv").frame;
    let split = SplitParams::default().split(data.rows()).unwrap();
    let p = Prepared::new(&data, &split, &Roles::one("Close", [Diff]), &Roles::one("Open", [])).unwrap();
    let w = Windows::new(&p, WindowParams::new(3, 3)).unwrap();
    let next = w.next_forecast(&p, "m", &[], &[1.0, -0.5, 0.25]).unwrap();
    let last = data.numbers("Close").unwrap()[3269];
    assert_eq!(
        (next.origins.as_slice(), next.predicted.as_slice()),
        ([3269].as_slice(), [last + 1.0, last + 0.5, last + 0.75].as_slice())
    );
    // The last row is a Friday.
    assert_eq!(p.times_after_target(3), ["2013-03-04", "2013-03-05", "2013-03-06"]);
    assert_eq!(w.next_forecast(&p, "m", &[], &[1.0]).unwrap_err().code(), "E0364");
    let mut y: Vec<f64> = (0..100).map(f64::from).collect();
    y[98..].fill(f64::NAN);
    let counted = frame(&[("y", y)]);
    let split = SplitParams::default().split(100).unwrap();
    let p = Prepared::new(&counted, &split, &Roles::names(["y"]), &Roles::default()).unwrap();
    assert_eq!(p.times_after_target(4), ["98", "99", "100", "101"]);
}

//! Metrics against scikit-learn: `golden/metrics.json` holds what `golden/make_metrics.py` computed.

#![allow(clippy::unwrap_used)]

use forge_core::Tensor;
use forge_core::metric::{self, AtZero, Confusion, Probabilities};
use serde_json::Value;

fn golden(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(name: &str, found: Option<f64>, wanted: &Value) {
    match (found, wanted.as_f64()) {
        (None, None) => assert!(wanted.is_null(), "{name} is not in the file"),
        (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{name} is {a}, not {b}"),
        (found, wanted) => panic!("{name} is {found:?}, not {wanted:?}"),
    }
}

#[test]
fn metrics_of_numbers_are_scikit_learns() {
    for case in golden("regression") {
        let (actual, predicted) = (numbers(&case["actual"]), numbers(&case["predicted"]));
        let pairs = || actual.iter().copied().zip(predicted.iter().copied());
        for (name, found) in [
            ("bias", metric::bias(pairs())),
            ("mae", metric::mae(pairs())),
            ("mse", metric::mse(pairs())),
            ("rmse", metric::rmse(pairs())),
            ("max_error", metric::max_error(pairs())),
            ("median_absolute_error", metric::median_absolute_error(pairs())),
            ("r2", metric::r2(pairs())),
            ("explained_variance", metric::explained_variance(pairs())),
            ("mape", metric::mape(pairs(), AtZero::Undefined)),
            ("mape", metric::mape(pairs(), AtZero::LeaveOut)),
            ("mape", metric::mape(pairs(), AtZero::AtLeast(f64::EPSILON))),
            ("smape", metric::smape(pairs())),
            ("wape", metric::wape(pairs())),
            ("pinball_0.1", metric::pinball(pairs(), 0.1)),
            ("pinball_0.9", metric::pinball(pairs(), 0.9)),
        ] {
            close(name, found, &case[name]);
        }
    }
}

fn tensor(rows: &Value) -> Tensor {
    let rows: Vec<Vec<f64>> = rows.as_array().unwrap().iter().map(numbers).collect();
    Tensor::new(&rows.concat(), &[rows.len(), rows[0].len()]).unwrap()
}

#[test]
fn metrics_of_classes_are_scikit_learns() {
    for case in golden("classification") {
        let actual: Vec<i64> = numbers(&case["actual"]).iter().map(|v| *v as i64).collect();
        let actual = Tensor::new(&actual, &[actual.len()]).unwrap();
        let given = Probabilities::of_logits(&tensor(&case["logits"]), &actual).unwrap();
        let confusion = given.confusion();
        let classes = confusion.classes();
        for (a, row) in case["confusion"].as_array().unwrap().iter().enumerate() {
            let counts: Vec<f64> = (0..classes).map(|p| confusion.count(a, p) as f64).collect();
            assert_eq!(counts, numbers(row), "confusion of class {a}");
        }
        let per_class = |name: &str, of: &dyn Fn(usize) -> Option<f64>| {
            for class in 0..classes {
                close(&format!("{name} of {class}"), of(class), &case[name][class]);
            }
        };
        per_class("precision", &|class| confusion.precision(class));
        per_class("recall", &|class| confusion.recall(class));
        per_class("f1", &|class| confusion.f1(class));
        per_class("support", &|class| Some(confusion.support(class) as f64));
        per_class("roc_auc", &|class| metric::roc_auc(given.against_rest(class)));
        per_class("average_precision", &|class| metric::average_precision(given.against_rest(class)));
        // The file has a class without samples that was predicted, and one that is nowhere.
        assert!(confusion.recall(4).is_none() && confusion.f1(4) == Some(0.0) && confusion.f1(5).is_none());
        for (name, found) in [
            ("accuracy", confusion.accuracy()),
            ("accuracy", given.top_k(1)),
            ("balanced_accuracy", confusion.balanced_accuracy()),
            ("macro_f1", confusion.macro_f1()),
            ("weighted_f1", confusion.weighted_f1()),
            ("top_2", given.top_k(2)),
            ("top_3", given.top_k(3)),
            ("nll", given.nll()),
            ("brier", given.brier()),
            ("calibration_error", given.calibration_error(15)),
        ] {
            close(name, found, &case[name]);
        }
        assert_eq!(given.top_k(classes), Some(1.0));
    }
}

#[test]
fn metrics_of_rankings_with_ties_are_scikit_learns() {
    for case in golden("ranking") {
        let (positive, score) = (numbers(&case["positive"]), numbers(&case["score"]));
        let scored = || positive.iter().map(|p| *p == 1.0).zip(score.iter().copied());
        close("roc_auc", metric::roc_auc(scored()), &case["roc_auc"]);
        close("average_precision", metric::average_precision(scored()), &case["average_precision"]);
        let both: Vec<f64> = score.iter().flat_map(|s| [1.0 - s, *s]).collect();
        let classes: Vec<i64> = positive.iter().map(|p| *p as i64).collect();
        let both = Tensor::new(&both, &[score.len(), 2]).unwrap();
        let given = Probabilities::new(&both, &Tensor::new(&classes, &[score.len()]).unwrap()).unwrap();
        close("brier", given.brier().map(|b| b / 2.0), &case["brier"]);
        close("roc_auc", metric::roc_auc(given.against_rest(1)), &case["roc_auc"]);
    }
}

#[test]
fn what_is_not_defined_is_none_and_never_a_number() {
    type Metric = fn(Vec<(f64, f64)>) -> Option<f64>;
    let of_numbers: [(&str, Metric); 12] = [
        ("bias", |p| metric::bias(p)),
        ("mae", |p| metric::mae(p)),
        ("mse", |p| metric::mse(p)),
        ("rmse", |p| metric::rmse(p)),
        ("max_error", |p| metric::max_error(p)),
        ("median_absolute_error", |p| metric::median_absolute_error(p)),
        ("r2", |p| metric::r2(p)),
        ("explained_variance", |p| metric::explained_variance(p)),
        ("mape", |p| metric::mape(p, AtZero::LeaveOut)),
        ("smape", |p| metric::smape(p)),
        ("wape", |p| metric::wape(p)),
        ("pinball", |p| metric::pinball(p, 0.5)),
    ];
    for (name, of) in of_numbers {
        assert_eq!(of(Vec::new()), None, "{name} of nothing");
        for odd in [f64::NAN, f64::INFINITY] {
            for pairs in [vec![(odd, 1.0), (2.0, 1.0)], vec![(1.0, 2.0), (2.0, odd)]] {
                assert_eq!(of(pairs.clone()), None, "{name} of {pairs:?}");
            }
        }
        assert!(of(vec![(1.0, 1.5), (2.0, 2.0), (4.0, 3.0)]).is_some(), "{name}");
    }
    let constant = [(3.0, 2.0), (3.0, 4.0)];
    assert_eq!((metric::r2(constant), metric::explained_variance(constant)), (None, None));
    assert_eq!(metric::r2([(3.0, 3.0), (3.0, 3.0)]), None, "scikit-learn says 1");
    assert_eq!((metric::wape([(0.0, 1.0)]), metric::smape([(0.0, 0.0)])), (None, None));
    let with_zero = [(0.0, 1.0), (2.0, 3.0)];
    assert_eq!(metric::mape(with_zero, AtZero::Undefined), None);
    assert_eq!(metric::mape([(0.0, 0.0), (2.0, 3.0)], AtZero::Undefined), None);
    assert_eq!(metric::mape(with_zero, AtZero::LeaveOut), Some(50.0));
    assert_eq!(metric::mape([(0.0, 1.0)], AtZero::LeaveOut), None);
    assert_eq!(metric::mape(with_zero, AtZero::AtLeast(0.5)), Some(125.0));
    assert_eq!(metric::pinball([(1.0, 2.0)], 1.5), None);

    assert_eq!((metric::roc_auc([]), metric::average_precision([])), (None, None));
    assert_eq!(metric::roc_auc([(false, 0.1)]), None);
    assert_eq!(metric::average_precision([(false, 0.1)]), None);
    assert_eq!(metric::average_precision([(true, 0.1)]), Some(1.0));
    assert_eq!(metric::roc_auc([(true, f64::NAN), (false, 0.0)]), None);
    assert_eq!(metric::roc_auc([(true, -0.0), (false, 0.0)]), Some(0.5), "-0 and 0 are a tie");
    assert_eq!(metric::roc_auc([(true, f64::INFINITY), (false, f64::NEG_INFINITY)]), Some(1.0));

    let nothing = Confusion::of(2, []).unwrap();
    for found in [nothing.accuracy(), nothing.precision(0), nothing.recall(1), nothing.f1(0)] {
        assert_eq!(found, None);
    }
    let sums = (nothing.macro_f1(), nothing.weighted_f1(), nothing.balanced_accuracy(), nothing.f1(9));
    assert_eq!(sums, (None, None, None, None));
    let error = Confusion::of(2, [(0, 1), (1, 2)]).unwrap_err().to_string();
    assert_eq!(error, "confusion: sample 1 is of class 1, predicted 2; there are 2 classes");
    let (a, b) = (Tensor::new(&[0i64, -1], &[2]).unwrap(), Tensor::new(&[0i64, 1], &[2]).unwrap());
    assert!(Confusion::of_tensors(2, &a, &b).unwrap_err().to_string().contains("sample 1"));
    assert_eq!(Confusion::of_tensors(2, &b, &b).unwrap().accuracy(), Some(1.0));

    let row = |values: &[f32], class: i64| {
        let values = Tensor::new(values, &[1, values.len()]).unwrap();
        (values, Tensor::new(&[class], &[1]).unwrap())
    };
    let of = |values: &[f32], class: i64| {
        let (values, class) = row(values, class);
        Probabilities::new(&values, &class)
    };
    assert_eq!(of(&[0.0, 1.0], 0).unwrap().nll(), None, "a probability of 0 came true");
    assert_eq!(of(&[0.0, 1.0], 1).unwrap().nll(), Some(0.0));
    assert_eq!(of(&[0.5, 0.5], 1).unwrap().calibration_error(0), None);
    assert_eq!(of(&[0.5, 0.5], 1).unwrap().top_k(1), Some(0.0), "the first of equals");
    for (values, class, what) in [
        ([0.5f32, 0.6], 0, "sum of 1"),
        ([-0.5, 1.5], 0, "sum of 1"),
        ([f32::NAN, 1.0], 0, "sum of 1"),
        ([0.5, 0.5], 2, "is of class 2"),
        ([0.5, 0.5], -1, "is of class -1"),
    ] {
        let error = of(&values, class).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let (values, class) = row(&[1.0, f32::INFINITY], 0);
    let error = Probabilities::of_logits(&values, &class).unwrap_err().to_string();
    assert_eq!(error, "probabilities: a logit of sample 0 is not finite");
    let far = Probabilities::of_logits(&row(&[1e4, -1e4], 0).0, &class).unwrap();
    assert_eq!((far.nll(), far.brier()), (Some(0.0), Some(0.0)));
}

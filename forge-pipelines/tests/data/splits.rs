use forge_core::history::Part;
use forge_pipelines::split::{Share, Split, SplitBy, SplitParams};
use proptest::prelude::*;

fn split(yaml: &str, rows: usize) -> Result<Split, forge_pipelines::DataError> {
    serde_yaml::from_str::<SplitParams>(yaml).unwrap().split(rows)
}

#[test]
fn shares_of_the_price_files() {
    let expected = Split { train: 0..2289, val: 2289..2616, test: 2616..3270 };
    for yaml in [
        "{}",
        "{by: time, train: 70%, val: 10%, test: 20%}",
        "{train: 70%, test: 20%}",
        "{val: 10%, test: 20%}",
        "{val: 327, test: 654}",
        "{train: 70%, val: 327, test: 20%}",
    ] {
        assert_eq!(split(yaml, 3270).unwrap(), expected, "{yaml}");
    }
    assert_eq!(expected.part(Part::Test).len(), 654);
}

#[test]
fn halves_round_up_and_the_test_part_goes_first() {
    // 15 % of 10 is 1.5, so 2; the train part is what is left.
    assert_eq!(
        split("{train: 70%, val: 15%, test: 15%}", 10).unwrap(),
        Split { train: 0..6, val: 6..8, test: 8..10 }
    );
}

#[test]
fn embargo_never_shortens_the_test_part() {
    let s = split("{train: 70%, val: 10%, test: 20%, embargo: 5}", 100).unwrap();
    assert_eq!(s, Split { train: 0..65, val: 70..75, test: 80..100 });
    let s = split("{train: 80%, val: 0, test: 20%, embargo: 5}", 100).unwrap();
    assert_eq!(s, Split { train: 0..75, val: 80..80, test: 80..100 });
}

#[test]
fn less_than_everything_leaves_the_earliest_rows_out() {
    let s = split("{train: 50, val: 20, test: 20}", 100).unwrap();
    assert_eq!(s, Split { train: 10..60, val: 60..80, test: 80..100 });
}

#[test]
fn what_is_refused() {
    for (yaml, code, word) in [
        ("{by: random, train: 70%, val: 10%, test: 20%}", "L02", "random"),
        ("{train: 70%, val: 20%, test: 20%}", "E0330", "110%"),
        ("{test: 20%}", "E0330", "one share"),
        ("{train: 90, val: 20, test: 20}", "E0330", "100 rows"),
        ("{train: 70%, val: 30%, test: 0%}", "E0331", "test"),
        ("{train: 0%, val: 50%, test: 50%}", "E0331", "train"),
        ("{train: 70%, val: 10%, test: 20%, embargo: 10}", "E0331", "val"),
    ] {
        let error = split(yaml, 100).unwrap_err();
        assert_eq!(error.code(), code, "{yaml}");
        assert!(error.message().contains(word), "{yaml}: {error}");
        assert!(error.hint().is_some());
    }
    assert!(split("{by: random}", 100).unwrap_err().is_guard());
    for yaml in ["{train: 0.7}", "{train: 120%}", "{train: -5}", "{train: half}", "{trian: 70%}"] {
        assert!(serde_yaml::from_str::<SplitParams>(yaml).is_err(), "{yaml}");
    }
}

proptest! {
    #[test]
    fn parts_are_ordered_and_disjoint(
        rows in 0_usize..5000,
        shares in [0.0..100.0_f64, 0.0..100.0, 0.0..100.0],
        counts in [any::<bool>(), any::<bool>(), any::<bool>()],
        embargo in prop_oneof![0_usize..20, Just(usize::MAX)],
    ) {
        let share = |i: usize| Some(if counts[i] { Share::Rows(shares[i] as usize * 20) } else { Share::Percent(shares[i]) });
        let params = SplitParams { by: SplitBy::Time, train: share(0), val: share(1), test: share(2), embargo };
        if let Ok(s) = params.split(rows) {
            prop_assert!(s.train.end <= s.val.start && s.val.end <= s.test.start && s.test.end == rows);
            prop_assert!(!s.train.is_empty() && !s.test.is_empty());
        }
    }
}

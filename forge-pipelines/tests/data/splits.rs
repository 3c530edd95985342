use forge_core::history::Part;
use forge_pipelines::frame::TimeColumn;
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

/// Days from 1 January 2010 on.
fn days(count: usize) -> TimeColumn {
    let start: jiff::Timestamp = "2010-01-01T00:00:00Z".parse().unwrap();
    let at = |day: usize| start + jiff::SignedDuration::from_hours(24 * day as i64);
    let times: Vec<jiff::Timestamp> = (0..count).map(at).collect();
    let labels = times.iter().map(|t| t.to_string()[..10].to_string()).collect();
    TimeColumn::Dates { column: "Date".into(), times, labels }
}

#[test]
fn dates_and_counts() {
    let split = |yaml: &str| serde_yaml::from_str::<SplitParams>(yaml).unwrap().split_at(&days(1000));
    // 2010 has 365 days, 2011 too; row 730 is 1 January 2012.
    for (yaml, train, val, test) in [
        (
            "{train: ..2010-12-31, val: 2011-01-01..2011-12-31, test: 2012-01-01..}",
            0..365,
            365..730,
            730..1000,
        ),
        ("{train: ..2010-12-31, test: 2012-01-01..}", 0..365, 365..730, 730..1000),
        ("{train: ..2010-12-31, val: 300, test: 2012-01-01..}", 0..365, 430..730, 730..1000),
        ("{train: 50%, test: 2012-01-01..}", 0..500, 500..730, 730..1000),
        (
            "{train: 2010-02-01..2010-12-31, val: 10%, test: 2012-01-01..2012-01-31}",
            31..365,
            630..730,
            730..761,
        ),
        ("{val: 2011-01-01..2011-12-31, embargo: 5}", 0..360, 365..725, 730..1000),
        ("{train: ..2010-12-31, val: 100}", 0..365, 365..465, 465..1000),
        ("{train: ..2010-12-31T12:00:00Z, val: 0, test: 2011-01-01T00:00:00..}", 0..365, 365..365, 365..1000),
    ] {
        assert_eq!(split(yaml).unwrap(), Split { train, val, test }, "{yaml}");
    }
}

#[test]
fn dates_that_are_refused() {
    let split = |yaml: &str| serde_yaml::from_str::<SplitParams>(yaml).unwrap().split_at(&days(1000));
    for (yaml, code, word) in [
        ("{train: ..2010-12-31, test: 2010-12-31..}", "E0330", "overlap"),
        ("{train: ..2010-12-31, val: 400, test: 2012-01-01..}", "E0330", "overlap"),
        ("{train: ..2009-12-31, test: 2012-01-01..}", "E0332", "2010-01-01"),
        ("{train: ..2010-12-31, test: 2020-01-01..}", "E0332", "no row"),
    ] {
        let error = split(yaml).unwrap_err();
        assert!(error.code() == code && error.message().contains(word), "{yaml}: {error}");
    }
    let counted = serde_yaml::from_str::<SplitParams>("{test: 2012-01-01..}").unwrap().split(100);
    assert_eq!(counted.unwrap_err().code(), "E0332");
    for yaml in ["{train: ..}", "{train: 2012-13-01..}", "{train: 2012-01-02..2012-01-01}", "{train: ..soon}"]
    {
        assert!(serde_yaml::from_str::<SplitParams>(yaml).is_err(), "{yaml}");
    }
    let kept = serde_yaml::from_str::<SplitParams>("{train: ..2010-12-31}").unwrap();
    assert_eq!(serde_json::to_value(&kept).unwrap()["train"], "..2010-12-31");
}

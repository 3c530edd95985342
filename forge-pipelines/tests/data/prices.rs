//! Published scores of repeating the last price, on real files.

use crate::{example_data, prices};
use forge_core::history::Part::*;
use forge_core::history::SkillTable;
use forge_pipelines::baselines::BaselineParam;
use forge_pipelines::metrics::{IntervalScore, MetricParam, ScoreContext, conformal, score};
use forge_pipelines::prepare::Prepared;
use forge_pipelines::roles::Roles;
use forge_pipelines::sources::{CheckParams, CleanParams, CsvParams, DropParams, Freq, load};
use forge_pipelines::split::{Share, SplitParams};
use forge_pipelines::transforms::TransformParam::*;
use forge_pipelines::windows::{WindowParams, Windows};

fn table(file: &str, column: &str, horizon: usize) -> SkillTable {
    let frame = prices(file).frame;
    let split = SplitParams::shares(70.0, 10.0, 20.0).split(frame.rows()).unwrap();
    let target = Roles::one(column, [Log, Diff, Standardize]);
    let p = Prepared::new(&frame, &split, &target, &Roles::default()).unwrap();
    let w = Windows::new(&p, WindowParams::new(60, horizon)).unwrap();
    let rules = [BaselineParam::Last, BaselineParam::Drift, BaselineParam::Mean];
    let context = ScoreContext::new(&p, frame.freq, None, MetricParam::ALL);
    let on = |part| rules.map(|b| b.forecasts(&p, &w, part));
    score(&on(Test), &on(Val), &context).unwrap()
}

fn assert_rounds_to(value: f64, published: f64, decimals: i32) {
    let unit = 10.0_f64.powi(-decimals);
    assert!((value - published).abs() <= 0.5 * unit, "{value} does not round to {published}");
}

#[test]
fn files_are_read_whole() {
    for file in ["msft_daily.csv", "ibm_daily.csv"] {
        let loaded = prices(file);
        assert_eq!((loaded.record.rows, loaded.record.missing), (3270, 0));
        assert_eq!(loaded.record.range, Some(("2000-03-01".into(), "2013-03-01".into())));
        assert_eq!(loaded.record.columns, ["Open", "High", "Low", "Close", "Volume", "Adj Close"]);
        assert_eq!(loaded.frame.freq.to_string(), "sessions");
        assert_eq!(loaded.frame.time.axis().label(3270 - 654), "2010-07-27");
    }
}

#[test]
fn repeating_the_last_price_scores_what_is_published() {
    for (file, column, rmse, mae, r2, decimals) in [
        ("msft_daily.csv", "Close", 0.3679, 0.2767, 0.97419, 4),
        ("msft_daily.csv", "Adj Close", 0.3112, 0.2341, 0.98069, 4),
        ("ibm_daily.csv", "Close", 2.092, 1.468, 0.99181, 3),
        ("ibm_daily.csv", "Adj Close", 1.763, 1.237, 0.99303, 3),
    ] {
        let table = table(file, column, 1);
        let last = table.score("last").unwrap();
        assert_eq!(table.targets, 654);
        assert_rounds_to(last.metric("rmse").unwrap(), rmse, decimals);
        assert_rounds_to(last.metric("mae").unwrap(), mae, decimals);
        assert_rounds_to(last.metric("r2").unwrap(), r2, 5);
        // Drift is a hair better on some validation parts; the mean of all days never is.
        assert!(["last", "drift"].contains(&table.reference_for("rmse").unwrap()));
        assert_eq!(table.reference_for("r2"), None);
        assert_eq!(table.skill("last", "rmse", "last"), Some(0.0));
        assert_eq!(table.season, "1 (sessions)");
        // One step ahead, MASE of `last` is the test part's mean move by the train part's.
        let mase = last.metric("mae").unwrap() / table.mase_scale.unwrap();
        assert!((last.metric("mase").unwrap() - mase).abs() < 1e-12);
    }
}

#[test]
fn five_steps_ahead_errors_grow_and_all_rows_are_targets() {
    let table = table("msft_daily.csv", "Close", 5);
    assert_eq!((table.targets, table.horizon), (654, 5));
    let last = table.score("last").unwrap();
    let (_, by_step) = last.by_step.iter().find(|(n, _)| n == "rmse").unwrap();
    let by_step: Vec<f64> = by_step.iter().map(|v| v.unwrap()).collect();
    assert!(by_step.is_sorted(), "{by_step:?}");
    // The first step misses only the last four of the 654 one-step forecasts.
    assert!((by_step[0] - 0.3679).abs() < 0.002, "{by_step:?}");
    let pooled = (by_step.iter().map(|r| r * r).sum::<f64>() / 5.0).sqrt();
    assert!((last.metric("rmse").unwrap() - pooled).abs() < 1e-12);
}

/// Errors of a random walk are alike on validation and test, up to the market's calmer and wilder years.
#[test]
fn conformal_intervals_cover_what_they_say() {
    for (file, level, least, most) in [
        ("ibm_daily.csv", 80.0, 0.75, 0.88),
        ("ibm_daily.csv", 95.0, 0.92, 0.99),
        ("msft_daily.csv", 80.0, 0.75, 0.93),
    ] {
        let frame = prices(file).frame;
        let split = SplitParams::shares(70.0, 10.0, 20.0).split(frame.rows()).unwrap();
        let target = Roles::one("Adj Close", [Log, Diff, Standardize]);
        let p = Prepared::new(&frame, &split, &target, &Roles::default()).unwrap();
        let w = Windows::new(&p, WindowParams::new(60, 5)).unwrap();
        let [val, test] = [Val, Test].map(|part| BaselineParam::Last.forecasts(&p, &w, part));
        let intervals = conformal(&p, &val, &test, level).unwrap();
        let score = IntervalScore::of(&intervals, &test);
        let coverage = score.coverage.unwrap();
        assert!((least..most).contains(&coverage), "{file} {level} %: {coverage}");
        // Five sessions ahead the margin is about √5 times that of one.
        let width =
            |step: usize| intervals.high[test.index(0, step, 0)] - intervals.low[test.index(0, step, 0)];
        let growth = width(4) / width(0);
        assert!((1.7..2.8).contains(&growth), "{file}: {growth}");
        assert_eq!(score.coverage_by_step.len(), 5);
    }
}

/// Month/day/year, CR LF and `.` for a holiday; then one column of exchange rates. Published: RMSE and MAE of repeating the
/// last value over the last fifth of the known rows.
#[test]
fn oil_and_exchange_rates_score_what_is_published() {
    let oil =
        CsvParams { na: vec![".".into()], freq: Some(Freq::Sessions), ..CsvParams::new("wti_daily.csv") };
    let rates = CsvParams { freq: Some(Freq::Sessions), ..CsvParams::new("ecb_fx_eur_daily.csv") };
    for (source, column, missing, test, (rmse, rmse_decimals), (mae, mae_decimals)) in [
        (&oil, "DCOILWTICO", 290, 1665, (1.246, 3), (0.9272, 4)),
        (&rates, "USD", 0, 1426, (0.005061, 6), (0.003645, 6)),
        (&rates, "GBP", 0, 1426, (0.002787, 6), (0.002029, 6)),
        (&rates, "CHF", 0, 1426, (0.003349, 6), (0.002354, 6)),
    ] {
        let loaded = load(source, &example_data(), &CheckParams::default()).unwrap();
        let drop = DropParams { missing: vec![column.into()], columns: vec![] };
        let rows = loaded.frame.rows();
        let (frame, _) =
            CleanParams { drop: Some(drop), ..CleanParams::default() }.clean(loaded.frame).unwrap();
        assert_eq!(rows - frame.rows(), missing, "{column}");
        let split = SplitParams {
            val: Some(Share::Rows(800)),
            test: Some(Share::Rows(test)),
            ..SplitParams::default()
        };
        let split = split.split_at(&frame.time).unwrap();
        for chain in [vec![Log, Diff, Standardize], vec![BoxCox, Robust]] {
            let p = Prepared::new(&frame, &split, &Roles::one(column, chain), &Roles::default()).unwrap();
            let w = Windows::new(&p, WindowParams::new(20, 1)).unwrap();
            let [val, scored] = [Val, Test].map(|part| [BaselineParam::Last.forecasts(&p, &w, part)]);
            let context = ScoreContext::new(&p, frame.freq, None, MetricParam::ALL);
            let table = score(&scored, &val, &context).unwrap();
            assert_eq!(table.targets, test, "{column}");
            let last = table.score("last").unwrap();
            assert_rounds_to(last.metric("rmse").unwrap(), rmse, rmse_decimals);
            assert_rounds_to(last.metric("mae").unwrap(), mae, mae_decimals);
        }
    }
}

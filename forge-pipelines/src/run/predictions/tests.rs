use super::*;
use proptest::prelude::*;

fn forecasts(name: &str, origins: Vec<usize>, horizon: usize, targets: &[&str]) -> Forecasts {
    let n = origins.len() * horizon * targets.len();
    Forecasts {
        name: name.into(),
        kind: if name.starts_with("lstm") { ForecastKind::Fit } else { ForecastKind::Baseline },
        part: Part::Test,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        horizon,
        origins,
        actual: (0..n).map(|i| 20.0 + i as f64 / 3.0).collect(),
        predicted: (0..n).map(|i| 20.0 - i as f64 / 7.0).collect(),
        quantiles: Vec::new(),
        intervals: Vec::new(),
    }
}

/// NaN is equal to NaN here, and -0 differs from 0: the bits must come back.
fn bits(all: &[Forecasts]) -> Vec<(Forecasts, Vec<u64>)> {
    let of = |f: &Forecasts| {
        let bits = f.actual.iter().chain(&f.predicted).map(|v| v.to_bits()).collect();
        (Forecasts { actual: vec![], predicted: vec![], ..f.clone() }, bits)
    };
    all.iter().map(of).collect()
}

fn times(n: usize) -> TimeAxis {
    TimeAxis::Times { labels: (0..n).map(|i| format!("2013-01-{:02}T00:00:00Z", i + 1)).collect() }
}

#[test]
fn a_table_has_one_row_a_value_with_its_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let mut lstm = forecasts("lstm", vec![4, 6], 2, &["High", "Low"]);
    lstm.predicted[5] = f64::NAN;
    write_predictions(&path, &[lstm], &times(8)).unwrap();

    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|r| r.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 8);
    assert_eq!(
        rows[5],
        concat!(
            r#"{name: "lstm", kind: "fit", part: "test", origin: 6, origin_time: "2013-01-07T00:00:00Z", "#,
            r#"step: 1, target: "Low", time: "2013-01-08T00:00:00Z", y: 21.666666666666668, yhat: null}"#
        )
    );
    assert!(
        rows[6].contains(r#"step: 2, target: "High", time: "8", y: 22.0"#),
        "beyond the axis: {}",
        rows[6]
    );
    let meta = reader.metadata().file_metadata();
    assert_eq!(meta.created_by(), Some("azuraforge version 1.0.0"));
    let schema = meta.key_value_metadata().unwrap().iter().find(|kv| kv.key == "azuraforge.schema").unwrap();
    assert_eq!(schema.value.as_deref(), Some("1"));
}

#[test]
fn two_hundred_forecasts_come_back_to_the_bit_and_equal_input_gives_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.parquet"), folder.path().join("two.parquet"));
    let mut all: Vec<Forecasts> = (0..200)
        .map(|i| {
            forecasts(&format!("lstm ü {i}"), (10..10 + i % 7 + 1).collect(), 1 + i % 5, &["Close", "a\nb"])
        })
        .collect();
    all[3].kind = ForecastKind::Baseline;
    all[4].part = Part::Val;
    all[5].actual.fill(f64::NAN);
    all[6].predicted[0] = f64::INFINITY;
    all[6].predicted[1] = -0.0;
    all[6].actual[0] = f64::MIN_POSITIVE / 2.0;
    let axis = TimeAxis::Rows { len: 30 };
    write_predictions(&one, &all, &axis).unwrap();
    assert_eq!(bits(&read_predictions(&one).unwrap()), bits(&all));
    write_predictions(&two, &all, &axis).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
}

#[test]
fn a_long_test_part_spans_pages_and_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let all = [forecasts("lstm", (0..30_000).collect(), 2, &["Close"])];
    write_predictions(&path, &all, &TimeAxis::Rows { len: 30_002 }).unwrap();
    assert_eq!(bits(&read_predictions(&path).unwrap()), bits(&all));
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 30_000 * 2 * 40, "{bytes} bytes for 60,000 rows");
}

#[test]
fn arrays_that_do_not_fit_their_shape_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let mut f = forecasts("lstm", vec![1, 2], 3, &["Close"]);
    f.predicted.pop();
    let error = write_predictions(&path, &[f], &times(8)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "forecasts `lstm`: 2 origins x 3 steps x 1 targets need 6 values, but there are 6 actual and 5 predicted ones"
    );
    assert!(!path.exists());
}

#[test]
fn forecasts_without_origins_leave_a_readable_table_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &[forecasts("lstm", vec![], 3, &["Close"])], &times(8)).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), []);
}

#[test]
fn other_tables_and_half_files_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let other = Arc::new(parse_message_type("message m { REQUIRED INT32 a; }").unwrap());
    let writer = SerializedFileWriter::new(File::create(&path).unwrap(), other, Default::default()).unwrap();
    writer.close().unwrap();
    let error = read_predictions(&path).unwrap_err().to_string();
    assert!(
        error.contains("predictions.parquet` is not a table of predictions")
            && error.contains("other columns")
    );

    write_predictions(&path, &[forecasts("lstm", vec![1, 2], 3, &["Close"])], &times(8)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(read_predictions(&path), Err(RunError::Broken { .. })), "the first {length} bytes");
    }
}

proptest! {
    #[test]
    fn any_grid_survives(
        origins in proptest::collection::btree_set(0usize..500, 1..20),
        horizon in 1usize..6,
        targets in 1usize..4,
        salt in any::<u64>(),
    ) {
        let names = &["Close", "", "Volume \u{1F4C8}"][..targets];
        let mut f = forecasts("naive", origins.into_iter().collect(), horizon, names);
        let n = f.actual.len();
        f.actual[salt as usize % n] = f64::NAN;
        f.predicted[(salt >> 32) as usize % n] = f64::from_bits(salt & !(0x7ff << 52));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        write_predictions(&path, std::slice::from_ref(&f), &TimeAxis::Rows { len: 600 }).unwrap();
        prop_assert_eq!(bits(&read_predictions(&path).unwrap()), bits(&[f]));
    }
}

#[test]
fn quantiles_and_intervals_come_back_and_a_table_without_them_has_no_such_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let columns = |path: &Path| -> Vec<String> {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let schema = reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().map(|c| c.name().to_string()).collect()
    };
    let mut lstm = forecasts("lstm", vec![4, 6], 2, &["High", "Low"]);
    let shifted = |by: f64| lstm.predicted.iter().map(|v| v + by).collect::<Vec<f64>>();
    let quantiles: Vec<QuantileForecast> = [(0.1, -2.0), (0.5, 0.0), (0.975, 3.0)]
        .map(|(level, by)| QuantileForecast { level, values: shifted(by) })
        .to_vec();
    let interval = Interval { level: 80.0, low: shifted(-1.5), high: shifted(1.5) };
    let plain = forecasts("last", vec![4, 6], 2, &["High", "Low"]);
    write_predictions(&path, std::slice::from_ref(&plain), &times(9)).unwrap();
    assert_eq!(columns(&path).len(), FIXED);

    (lstm.quantiles, lstm.intervals) = (quantiles, vec![interval]);
    lstm.quantiles[2].values[3] = f64::NAN;
    let all = [lstm, plain];
    write_predictions(&path, &all, &times(9)).unwrap();
    assert_eq!(columns(&path)[FIXED..], ["q0.1", "q0.5", "q0.975", "low80", "high80"]);
    let read = read_predictions(&path).unwrap();
    assert_eq!(read[1], all[1]);
    assert_eq!(format!("{:?}", read[0]), format!("{:?}", all[0]));
}

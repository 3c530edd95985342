use super::{RunError, write_atomic};
use forge_core::history::{ForecastKind, Forecasts, Part, TimeAxis};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::RowAccessor;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// One row a forecast value. `y` and `yhat` are null where they are missing.
const SCHEMA: &str = "message predictions {
    REQUIRED BYTE_ARRAY name (UTF8);
    REQUIRED BYTE_ARRAY kind (UTF8);
    REQUIRED BYTE_ARRAY part (UTF8);
    REQUIRED INT64 origin;
    REQUIRED BYTE_ARRAY origin_time (UTF8);
    REQUIRED INT32 step;
    REQUIRED BYTE_ARRAY target (UTF8);
    REQUIRED BYTE_ARRAY time (UTF8);
    OPTIONAL DOUBLE y;
    OPTIONAL DOUBLE yhat;
}";

/// Writes forecasts as a Parquet table, one row a value, atomically; equal input gives equal bytes.
///
/// Columns: `name` of the fit or baseline, `kind` (`fit`, `baseline`), `part` (`train`, `val`, `test`), `origin`
/// (row of the last value seen, from 0), `origin_time`, `step` (from 1), `target` column, `time` of the target row,
/// `y` (what happened), `yhat` (what was forecast); the last two in original units, null where NaN. Rows are ordered
/// by origin, then step, then target, in one row group for each of `forecasts`. One without origins leaves no rows.
///
/// # Errors
/// [`RunError::ForecastShape`] when arrays do not fit their shape, [`RunError::Io`] when the disk refuses.
pub fn write_predictions(
    path: impl AsRef<Path>,
    forecasts: &[Forecasts],
    axis: &TimeAxis,
) -> Result<(), RunError> {
    let path = path.as_ref();
    forecasts.iter().try_for_each(check_shape)?;
    let bytes =
        encode(forecasts, axis).map_err(|source| RunError::Parquet { path: path.to_path_buf(), source })?;
    write_atomic(path, &bytes)
}

fn check_shape(f: &Forecasts) -> Result<(), RunError> {
    let (origins, horizon, targets) = (f.origins.len(), f.horizon, f.targets.len());
    let (actual, predicted) = (f.actual.len(), f.predicted.len());
    let needed = origins.checked_mul(horizon).and_then(|n| n.checked_mul(targets));
    if needed == Some(actual) && actual == predicted && i32::try_from(horizon).is_ok() {
        return Ok(());
    }
    Err(RunError::ForecastShape { name: f.name.clone(), origins, horizon, targets, actual, predicted })
}

fn schema() -> ParquetResult<Arc<Type>> {
    parse_message_type(SCHEMA).map(Arc::new)
}

fn encode(forecasts: &[Forecasts], axis: &TimeAxis) -> ParquetResult<Vec<u8>> {
    let mut properties = WriterProperties::builder()
        // Fixed, so that the bytes depend on the forecasts alone.
        .set_created_by("azuraforge version 1.0.0".into())
        .set_key_value_metadata(Some(vec![KeyValue::new("azuraforge.schema".into(), "1".to_owned())]))
        .set_compression(Compression::SNAPPY);
    for column in ["y", "yhat"] {
        // Values hardly ever repeat; a dictionary of them would only cost.
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    let mut writer = SerializedFileWriter::new(Vec::new(), schema()?, Arc::new(properties.build()))?;
    for f in forecasts.iter().filter(|f| !f.actual.is_empty()) {
        let mut group = writer.next_row_group()?;
        write_columns(&mut group, f, axis)?;
        group.close()?;
    }
    writer.into_inner()
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// The columns in the order of [`SCHEMA`].
fn write_columns(group: &mut Group, f: &Forecasts, axis: &TimeAxis) -> ParquetResult<()> {
    let origins = rows(f).map(|(origin, _, _)| row_number(origin)).collect::<ParquetResult<Vec<i64>>>()?;
    let steps: Vec<i32> = rows(f).map(|(_, step, _)| step as i32 + 1).collect();
    write_text(group, rows(f).map(|_| f.name.clone()))?;
    write_text(group, rows(f).map(|_| kind_name(f.kind).to_owned()))?;
    write_text(group, rows(f).map(|_| f.part.name().to_owned()))?;
    write::<Int64Type>(group, &origins, None)?;
    write_text(group, rows(f).map(|(origin, _, _)| axis.label(origin)))?;
    write::<Int32Type>(group, &steps, None)?;
    write_text(group, rows(f).map(|(_, _, target)| f.targets[target].clone()))?;
    write_text(group, rows(f).map(|(origin, step, _)| axis.label(origin + step + 1)))?;
    write_or_null(group, &f.actual)?;
    write_or_null(group, &f.predicted)
}

fn write_text(group: &mut Group, values: impl Iterator<Item = String>) -> ParquetResult<()> {
    let values: Vec<ByteArray> = values.map(|text| text.into_bytes().into()).collect();
    write::<ByteArrayType>(group, &values, None)
}

fn write_or_null(group: &mut Group, values: &[f64]) -> ParquetResult<()> {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let levels: Vec<i16> = values.iter().map(|v| i16::from(!v.is_nan())).collect();
    write::<DoubleType>(group, &present, Some(&levels))
}

fn write<T: DataType>(group: &mut Group, values: &[T::T], levels: Option<&[i16]>) -> ParquetResult<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// `(origin row, step from 0, target number)` of every row.
fn rows(f: &Forecasts) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    let of_origin = move |&origin: &usize| {
        (0..f.horizon).flat_map(move |step| (0..f.targets.len()).map(move |target| (origin, step, target)))
    };
    f.origins.iter().flat_map(of_origin)
}

fn row_number(row: usize) -> ParquetResult<i64> {
    i64::try_from(row).map_err(|_| ParquetError::General(format!("row {row} is too large")))
}

fn kind_name(kind: ForecastKind) -> &'static str {
    match kind {
        ForecastKind::Baseline => "baseline",
        ForecastKind::Fit => "fit",
    }
}

/// Reads what [`write_predictions`] wrote. Forecasts without origins, which have no rows, are not among them.
///
/// # Errors
/// [`RunError::Io`] when the file cannot be read, [`RunError::Broken`] when it is not such a table.
pub fn read_predictions(path: impl AsRef<Path>) -> Result<Vec<Forecasts>, RunError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|e| RunError::io("read", path, e))?;
    decode(file).map_err(|e| {
        RunError::broken(path, format!("is not a table of predictions: {e}; run the spec again"))
    })
}

fn decode(file: File) -> ParquetResult<Vec<Forecasts>> {
    let reader = SerializedFileReader::new(file)?;
    if reader.metadata().file_metadata().schema_descr().root_schema().get_fields() != schema()?.get_fields() {
        return Err(ParquetError::General("it has other columns".into()));
    }
    (0..reader.num_row_groups()).map(|n| decode_group(&*reader.get_row_group(n)?)).collect()
}

fn decode_group(group: &dyn RowGroupReader) -> ParquetResult<Forecasts> {
    let irregular = || ParquetError::General("its rows are not a grid of origins, steps and targets".into());
    let mut read: Option<Forecasts> = None;
    let mut places = Vec::new();
    for row in group.get_row_iter(None)? {
        let row = row?;
        let f = match &mut read {
            Some(f) => f,
            none => none.insert(empty(row.get_string(0)?, row.get_string(1)?, row.get_string(2)?)?),
        };
        if f.name != *row.get_string(0)?
            || kind_name(f.kind) != row.get_string(1)?
            || f.part.name() != row.get_string(2)?
        {
            return Err(irregular());
        }
        let origin = usize::try_from(row.get_long(3)?).map_err(|_| irregular())?;
        let step =
            row.get_int(5)?.checked_sub(1).and_then(|s| usize::try_from(s).ok()).ok_or_else(irregular)?;
        let target = row.get_string(6)?;
        if f.origins.last() != Some(&origin) {
            f.origins.push(origin);
        }
        f.horizon = f.horizon.max(step + 1);
        if f.origins.len() == 1 && step == 0 {
            f.targets.push(target.clone());
        }
        places.push((origin, step));
        f.actual.push(if row.is_null(8)? { f64::NAN } else { row.get_double(8)? });
        f.predicted.push(if row.is_null(9)? { f64::NAN } else { row.get_double(9)? });
    }
    let f = read.ok_or_else(irregular)?;
    let expected = rows(&f).map(|(origin, step, _)| (origin, step));
    if places.len() == f.origins.len() * f.horizon * f.targets.len() && expected.eq(places) {
        return Ok(f);
    }
    Err(irregular())
}

fn empty(name: &str, kind: &str, part: &str) -> ParquetResult<Forecasts> {
    let unknown = |what: &str, found: &str| ParquetError::General(format!("`{found}` is no {what}"));
    Ok(Forecasts {
        name: name.to_owned(),
        kind: [ForecastKind::Baseline, ForecastKind::Fit]
            .into_iter()
            .find(|k| kind_name(*k) == kind)
            .ok_or_else(|| unknown("kind", kind))?,
        part: [Part::Train, Part::Val, Part::Test]
            .into_iter()
            .find(|p| p.name() == part)
            .ok_or_else(|| unknown("part", part))?,
        targets: Vec::new(),
        horizon: 0,
        origins: Vec::new(),
        actual: Vec::new(),
        predicted: Vec::new(),
        quantiles: Vec::new(),
        intervals: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
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
        let schema =
            meta.key_value_metadata().unwrap().iter().find(|kv| kv.key == "azuraforge.schema").unwrap();
        assert_eq!(schema.value.as_deref(), Some("1"));
    }

    #[test]
    fn two_hundred_forecasts_come_back_to_the_bit_and_equal_input_gives_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.parquet"), folder.path().join("two.parquet"));
        let mut all: Vec<Forecasts> = (0..200)
            .map(|i| {
                forecasts(
                    &format!("lstm ü {i}"),
                    (10..10 + i % 7 + 1).collect(),
                    1 + i % 5,
                    &["Close", "a\nb"],
                )
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
        let writer =
            SerializedFileWriter::new(File::create(&path).unwrap(), other, Default::default()).unwrap();
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
            assert!(
                matches!(read_predictions(&path), Err(RunError::Broken { .. })),
                "the first {length} bytes"
            );
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
}

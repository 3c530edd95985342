use super::{RunError, write_atomic};
use forge_core::history::{ForecastKind, Forecasts, Interval, Part, QuantileForecast, TimeAxis};
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

/// The columns that every table has. `y` and `yhat` are null where they are missing.
const COLUMNS: &str = "
    REQUIRED BYTE_ARRAY name (UTF8);
    REQUIRED BYTE_ARRAY kind (UTF8);
    REQUIRED BYTE_ARRAY part (UTF8);
    REQUIRED INT64 origin;
    REQUIRED BYTE_ARRAY origin_time (UTF8);
    REQUIRED INT32 step;
    REQUIRED BYTE_ARRAY target (UTF8);
    REQUIRED BYTE_ARRAY time (UTF8);
    OPTIONAL DOUBLE y;
    OPTIONAL DOUBLE yhat;";

/// Their number.
const FIXED: usize = 10;

/// Writes forecasts as a Parquet table, one row a value, atomically; equal input gives equal bytes.
///
/// Columns: `name` of the fit or baseline, `kind` (`fit`, `baseline`), `part` (`train`, `val`, `test`), `origin`
/// (row of the last value seen, from 0), `origin_time`, `step` (from 1), `target` column, `time` of the target row,
/// `y` (what happened), `yhat` (what was forecast); the last two in original units, null where NaN. Where any of
/// `forecasts` has them, in the same units and null for those that do not: a quantile as `q0.1`, both ends of an
/// interval of 80 % as `low80` and `high80`. Rows are ordered by origin, then step, then target, in one row group for
/// each of `forecasts`. One without origins leaves no rows.
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

/// The columns beside the fixed ones: levels of quantiles, and of intervals in percent, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
struct Extra {
    quantiles: Vec<f64>,
    intervals: Vec<f64>,
}

impl Extra {
    fn of(forecasts: &[Forecasts]) -> Self {
        let sorted = |levels: &mut dyn Iterator<Item = f64>| {
            let mut levels: Vec<f64> = levels.collect();
            levels.sort_by(f64::total_cmp);
            levels.dedup();
            levels
        };
        Extra {
            quantiles: sorted(&mut forecasts.iter().flat_map(|f| &f.quantiles).map(|q| q.level)),
            intervals: sorted(&mut forecasts.iter().flat_map(|f| &f.intervals).map(|i| i.level)),
        }
    }

    /// Read off the names of columns.
    fn named<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut extra = Extra::default();
        for name in names {
            let level = |prefix: &str| name.strip_prefix(prefix).and_then(|level| level.parse::<f64>().ok());
            extra.quantiles.extend(level("q"));
            extra.intervals.extend(level("low"));
        }
        extra
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let ends = self.intervals.iter().flat_map(|level| [format!("low{level}"), format!("high{level}")]);
        self.quantiles.iter().map(|level| format!("q{level}")).chain(ends)
    }

    fn schema(&self) -> ParquetResult<Arc<Type>> {
        let more: String = self.names().map(|name| format!("OPTIONAL DOUBLE {name};")).collect();
        parse_message_type(&format!("message predictions {{{COLUMNS}{more}}}")).map(Arc::new)
    }
}

fn check_shape(f: &Forecasts) -> Result<(), RunError> {
    let (origins, horizon, targets) = (f.origins.len(), f.horizon, f.targets.len());
    let more =
        f.quantiles.iter().map(|q| &q.values).chain(f.intervals.iter().flat_map(|i| [&i.low, &i.high]));
    let odd = more.map(Vec::len).find(|len| *len != f.actual.len());
    let (actual, predicted) = (f.actual.len(), odd.unwrap_or(f.predicted.len()));
    let needed = origins.checked_mul(horizon).and_then(|n| n.checked_mul(targets));
    if needed == Some(actual) && actual == predicted && i32::try_from(horizon).is_ok() {
        return Ok(());
    }
    Err(RunError::ForecastShape { name: f.name.clone(), origins, horizon, targets, actual, predicted })
}

fn encode(forecasts: &[Forecasts], axis: &TimeAxis) -> ParquetResult<Vec<u8>> {
    let mut properties = WriterProperties::builder()
        // Fixed, so that the bytes depend on the forecasts alone.
        .set_created_by("azuraforge version 1.0.0".into())
        .set_key_value_metadata(Some(vec![KeyValue::new("azuraforge.schema".into(), "1".to_owned())]))
        .set_compression(Compression::SNAPPY);
    let extra = Extra::of(forecasts);
    for column in ["y", "yhat"].map(String::from).into_iter().chain(extra.names()) {
        // Values hardly ever repeat; a dictionary of them would only cost.
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    let mut writer = SerializedFileWriter::new(Vec::new(), extra.schema()?, Arc::new(properties.build()))?;
    for f in forecasts.iter().filter(|f| !f.actual.is_empty()) {
        let mut group = writer.next_row_group()?;
        write_columns(&mut group, f, axis, &extra)?;
        group.close()?;
    }
    writer.into_inner()
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// The columns in the order of [`COLUMNS`], then [`Extra::names`].
fn write_columns(group: &mut Group, f: &Forecasts, axis: &TimeAxis, extra: &Extra) -> ParquetResult<()> {
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
    write_or_null(group, &f.predicted)?;
    let none = vec![f64::NAN; f.predicted.len()];
    for level in &extra.quantiles {
        let own = f.quantiles.iter().find(|q| q.level == *level);
        write_or_null(group, own.map_or(&none, |q| &q.values))?;
    }
    for level in &extra.intervals {
        let own = f.intervals.iter().find(|interval| interval.level == *level);
        write_or_null(group, own.map_or(&none, |interval| &interval.low))?;
        write_or_null(group, own.map_or(&none, |interval| &interval.high))?;
    }
    Ok(())
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

/// Reads what [`write_predictions`] wrote. Forecasts without origins, which have no rows, are not among them, nor are
/// quantiles and intervals that no row has.
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
    let fields = reader.metadata().file_metadata().schema_descr().root_schema().get_fields();
    let extra = Extra::named(fields.iter().skip(FIXED).map(|field| field.name()));
    if fields != extra.schema()?.get_fields() {
        return Err(ParquetError::General("it has other columns".into()));
    }
    (0..reader.num_row_groups()).map(|n| decode_group(&*reader.get_row_group(n)?, &extra)).collect()
}

fn decode_group(group: &dyn RowGroupReader, extra: &Extra) -> ParquetResult<Forecasts> {
    let irregular = || ParquetError::General("its rows are not a grid of origins, steps and targets".into());
    let mut read: Option<Forecasts> = None;
    let mut places = Vec::new();
    let mut more: Vec<Vec<f64>> = extra.names().map(|_| Vec::new()).collect();
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
        for (n, values) in (FIXED..).zip(&mut more) {
            values.push(if row.is_null(n)? { f64::NAN } else { row.get_double(n)? });
        }
    }
    let mut f = read.ok_or_else(irregular)?;
    let some = |values: &[f64]| values.iter().any(|v| !v.is_nan());
    let mut more = more.into_iter();
    for level in &extra.quantiles {
        let values = more.next().filter(|values| some(values));
        f.quantiles.extend(values.map(|values| QuantileForecast { level: *level, values }));
    }
    for level in &extra.intervals {
        let ends = more.next().zip(more.next()).filter(|(low, high)| some(low) || some(high));
        f.intervals.extend(ends.map(|(low, high)| Interval { level: *level, low, high }));
    }
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
mod tests;

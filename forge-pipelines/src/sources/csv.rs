use super::bytes::{FileText, read_file};
use super::number::{Cell, NumberForm, sniff_decimal};
use super::table::{Layout, Table, sniff_delimiter};
use super::time::{self, TimeParam, TimeSpec};
use super::{CheckParams, Freq, Loaded, Source, grid};
use crate::data_error::{DataError, Problem, excerpt, nearest};
use crate::frame::{Column, ColumnData, Frame, TimeColumn};
use forge_core::history::{Level, Notice, SourceRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A delimited text file, plain or gzipped, in UTF-8.
///
/// ```
/// use forge_pipelines::sources::{CheckParams, CsvParams, load};
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("prices.csv"), "Date,Close\n2020-01-02,1.5\n2020-01-03,1.25\n2020-01-06,2\n")?;
/// let source = CsvParams::new("prices.csv");
/// let loaded = load(&source, dir.path(), &CheckParams::default())?;
/// assert_eq!(loaded.frame.numbers("Close")?, [1.5, 1.25, 2.0]);
/// assert_eq!(loaded.frame.time.axis().label(2), "2020-01-06");
/// assert_eq!(loaded.frame.freq.to_string(), "sessions");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvParams {
    /// Path of the file, relative to the spec file.
    #[schemars(example = &"data/msft_daily.csv")]
    pub csv: String,
    /// The time column. Default: the first column that looks like times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeParam>,
    /// What the step between rows means. Default: read off the times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freq: Option<Freq>,
    /// Columns to keep, besides the time column. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Words that stand for a missing value, besides the empty cell, `NA`, `N/A`, `NaN`, `null` and `None`.
    #[serde(default)]
    #[schemars(example = vec!["."])]
    pub na: Vec<String>,
    /// Numbers that stand for a missing value in any column, such as -9999.
    #[serde(default)]
    #[schemars(example = vec![-9999.0])]
    pub sentinels: Vec<f64>,
    /// Whether the first line names the columns. Without it they are called `c1`, `c2`, …
    #[serde(default = "yes")]
    pub header: bool,
    /// Lines to leave out at the start of the file.
    #[serde(default)]
    pub skip_rows: usize,
    /// The separator. Default: comma, semicolon or tab, whichever the first lines hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ';')]
    pub delimiter: Option<char>,
    /// The decimal sign, `.` or `,`. Default: read off the cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ',')]
    pub decimal: Option<char>,
}

fn yes() -> bool {
    true
}

impl CsvParams {
    /// A file with everything else at its default.
    pub fn new(path: impl Into<String>) -> Self {
        CsvParams {
            csv: path.into(),
            time: None,
            freq: None,
            columns: None,
            na: Vec::new(),
            sentinels: Vec::new(),
            header: true,
            skip_rows: 0,
            delimiter: None,
            decimal: None,
        }
    }

    /// Reads text that is already in memory, as from a file of these bytes, plain or gzipped.
    ///
    /// # Errors
    /// Codes `E0303` to `E0321`.
    pub fn read_bytes(&self, bytes: Vec<u8>) -> Result<Loaded, DataError> {
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let size = bytes.len() as u64;
        super::bytes::decode(bytes)
            .map_err(DataError::from)
            .and_then(|text| self.parse(FileText { text, digest, bytes: size }))
            .map_err(|e| e.in_file(&self.csv))
    }

    fn parse(&self, file: FileText) -> Result<Loaded, DataError> {
        let mut said = Said(Vec::new());
        let delimiter = match self.delimiter {
            None => sniff_delimiter(&file.text, self.skip_rows),
            Some(sign) => u8::try_from(sign)
                .ok()
                .filter(|b| b.is_ascii() && !b"\"\r\n".contains(b))
                .ok_or(Problem::BadParameter { reason: format!("`{sign}` cannot separate fields") })?,
        };
        if self.delimiter.is_none() && delimiter != b',' {
            said.note(format!("fields are separated by {:?}", char::from(delimiter)));
        }
        let layout = Layout { delimiter, header: self.header, skip_rows: self.skip_rows };
        let table = Table::parse(&file.text, &layout)?;
        let time_index = self.time_column(&table, &mut said)?;
        let kept = self.kept(&table, time_index.as_ref().map(|(i, _)| *i))?;
        let form =
            NumberForm { decimal: self.decimal_sign(&table, &kept, delimiter, &mut said)?, na: &self.na };

        let time = match &time_index {
            Some((index, spec)) => time::read(&table, *index, spec)?,
            None => TimeColumn::Rows { len: table.rows.len() },
        };
        let columns: Vec<Column> = kept.iter().map(|&c| column(&table, c, &form, &mut said)).collect();
        let freq = self.frequency(&time, &mut said)?;
        let mut frame = Frame {
            name: self.csv.clone(),
            time,
            freq,
            columns,
            lines: table.lines,
            missing_target: CheckParams::default().missing_target,
        };
        self.blank_sentinels(&mut frame, &mut said);
        let record = record(&frame, &file);
        if let Freq::Step { seconds } = freq {
            frame = grid::complete(frame, seconds)?;
        }
        Ok(Loaded { record, frame, notices: said.0 })
    }

    /// Position and description of the time column.
    fn time_column(&self, table: &Table, said: &mut Said) -> Result<Option<(usize, TimeSpec)>, DataError> {
        let plain = |column: &str| TimeSpec { column: column.to_string(), format: None, tz: None };
        let spec = match &self.time {
            Some(TimeParam::Column(name)) if name == "rows" => return Ok(None),
            Some(TimeParam::Column(name)) => plain(name),
            Some(TimeParam::Detailed(spec)) => spec.clone(),
            None => {
                let found = time::candidates(table);
                let Some(&first) = found.first() else {
                    said.note("no column looks like times: rows are counted instead");
                    return Ok(None);
                };
                let name = &table.names[first];
                said.note(match found.len() {
                    1 => format!("`{name}` is taken for the time column"),
                    n => format!(
                        "`{name}` is taken for the time column, the first of {n} that look like times"
                    ),
                });
                plain(name)
            }
        };
        let index = position(table, &spec.column)?;
        Ok(Some((index, spec)))
    }

    /// Positions of the columns to keep, in file order.
    fn kept(&self, table: &Table, time: Option<usize>) -> Result<Vec<usize>, DataError> {
        let Some(names) = &self.columns else {
            return Ok((0..table.names.len()).filter(|c| Some(*c) != time).collect());
        };
        let mut kept = names.iter().map(|name| position(table, name)).collect::<Result<Vec<_>, _>>()?;
        kept.sort_unstable();
        kept.dedup();
        kept.retain(|c| Some(*c) != time);
        Ok(kept)
    }

    fn decimal_sign(
        &self,
        table: &Table,
        kept: &[usize],
        delimiter: u8,
        said: &mut Said,
    ) -> Result<char, DataError> {
        match self.decimal {
            Some(sign @ ('.' | ',')) => Ok(sign),
            Some(sign) => {
                let reason = format!("`decimal` is `.` or `,`, not `{sign}`");
                Err(Problem::BadParameter { reason }.into())
            }
            // Where commas separate fields, one inside a quoted number groups thousands.
            None if delimiter == b',' => Ok('.'),
            None => {
                let sign = sniff_decimal(kept.iter().flat_map(|&c| table.cells(c).take(1000)));
                if sign == ',' {
                    said.note("numbers are written with a decimal comma");
                }
                Ok(sign)
            }
        }
    }

    /// Makes every number that is a sentinel a missing value, and says how many.
    fn blank_sentinels(&self, frame: &mut Frame, said: &mut Said) {
        for column in &mut frame.columns {
            let ColumnData::Number(values) = &mut column.data else { continue };
            let mut count = 0;
            for value in values.iter_mut().filter(|v| self.sentinels.contains(v)) {
                *value = f64::NAN;
                count += 1;
            }
            if count > 0 {
                said.note(format!("`{}`: {count} values are sentinels, taken for missing", column.name));
            }
        }
    }

    fn frequency(&self, time: &TimeColumn, said: &mut Said) -> Result<Freq, DataError> {
        match (self.freq, time) {
            (Some(Freq::Step { .. } | Freq::Sessions | Freq::Business), TimeColumn::Rows { .. }) => {
                let reason =
                    "`freq` needs a time column; name it with `time`, or write `freq: rows`".to_string();
                Err(Problem::BadParameter { reason }.into())
            }
            (Some(freq), _) => Ok(freq),
            (None, time) => {
                let freq = Freq::infer(time);
                if freq == Freq::Sessions {
                    said.note("the steps between times differ: the rows are taken for the calendar (freq: sessions)");
                } else if freq != Freq::Rows {
                    said.note(format!("every step between times is {freq} (freq: {freq})"));
                }
                Ok(freq)
            }
        }
    }
}

impl Source for CsvParams {
    fn location(&self) -> String {
        self.csv.clone()
    }

    fn read(&self, base_dir: &Path) -> Result<Loaded, DataError> {
        read_file(&base_dir.join(&self.csv))
            .and_then(|file| self.parse(file))
            .map_err(|e| e.in_file(&self.csv))
    }
}

/// What was found out rather than told.
struct Said(Vec<Notice>);

impl Said {
    fn note(&mut self, text: impl Into<String>) {
        self.0.push(Notice { code: String::new(), level: Level::Note, text: text.into() });
    }
}

fn position(table: &Table, name: &str) -> Result<usize, DataError> {
    table.names.iter().position(|n| n == name).ok_or_else(|| {
        let known = table.names.clone();
        let nearest = nearest(name, known.iter().map(String::as_str));
        Problem::UnknownColumn { name: name.to_string(), nearest, known }.into()
    })
}

/// Numbers where every cell is one or is missing, otherwise text.
fn column(table: &Table, index: usize, form: &NumberForm<'_>, said: &mut Said) -> Column {
    let name = table.names[index].clone();
    let mut values = Vec::with_capacity(table.rows.len());
    let mut not_numbers = Vec::new();
    let mut numbers = 0;
    for (row, cell) in table.cells(index).enumerate() {
        values.push(match form.parse(cell) {
            Cell::Missing => f64::NAN,
            Cell::Number(value) => {
                numbers += 1;
                value
            }
            Cell::Other => {
                not_numbers.push(row);
                f64::NAN
            }
        });
    }
    let Some(&stray) = not_numbers.first() else {
        return Column { name, data: ColumnData::Number(values) };
    };
    if numbers > not_numbers.len() {
        let cell = excerpt(table.cells(index).nth(stray).unwrap_or(""));
        let (count, line) = (not_numbers.len(), table.lines[stray]);
        said.note(format!(
            "`{name}` is text: {count} of its cells are no numbers, the first `{cell}` on line {line}"
        ));
    }
    let cells = table.cells(index).map(|c| if form.is_missing(c) { String::new() } else { c.to_string() });
    Column { name, data: ColumnData::Text { values: cells.collect(), not_numbers } }
}

fn record(frame: &Frame, file: &FileText) -> SourceRecord {
    let axis = frame.time.axis();
    let last = frame.rows().saturating_sub(1);
    SourceRecord {
        location: frame.name.clone(),
        digest: file.digest.clone(),
        bytes: file.bytes,
        rows: frame.rows(),
        columns: frame.names().map(String::from).collect(),
        range: frame.time.column().map(|_| (axis.label(0), axis.label(last))),
        missing: frame.missing(),
    }
}

//! The table of problems: code, message, fields and hint of each.

use thiserror::Error;

/// Declares [`Problem`] with one entry a problem: code, message, fields and hint stand together.
macro_rules! problems {
    ($(
        $(#[doc = $doc:literal])+
        $code:literal $name:ident { $($(#[doc = $fdoc:literal])+ $field:ident : $ty:ty),* $(,)? }
            $message:literal, $hint:expr;
    )+) => {
        /// Everything that can be wrong with data. Rows are counted from 0, lines of a file from 1.
        #[derive(Clone, Debug, PartialEq, Error)]
        pub enum Problem {
            $($(#[doc = $doc])+ #[error($message)] $name { $($(#[doc = $fdoc])+ $field: $ty),* },)+
        }

        /// Every code of data and its guards with what it means; a code that stands for several problems comes several
        /// times.
        pub const CODES: &[(&str, &str)] = &[$(($code, concat!($($doc),+))),+];

        impl Problem {
            /// The code, such as `E0310`.
            pub fn code(&self) -> &'static str {
                match self { $(Problem::$name { .. } => $code),+ }
            }

            /// How to mend it, if there is more to say than the message does.
            pub fn hint(&self) -> Option<String> {
                match self {
                    $(Problem::$name { $($field),* } => {
                        // Most hints need only some of the fields.
                        $(let _ = $field;)*
                        let hint: Option<String> = $hint;
                        hint
                    })+
                }
            }
        }
    };
}

fn say(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

problems! {
    /// The file is not there.
    "E0301" FileMissing {
        /// The folder that was looked in.
        folder: String,
        /// The file name there that is most like it.
        nearest: Option<String>,
    } "no such file", match nearest {
        Some(name) => say(format!("did you mean `{name}`?")),
        None => say(format!("relative paths are relative to the spec file; looked in `{folder}`")),
    };
    /// The file is there and cannot be read.
    "E0302" Unreadable {
        /// Why, in the system's words.
        reason: String,
    } "cannot be read: {reason}", None;
    /// No bytes, or only blank lines.
    "E0303" Empty {} "the file is empty", say("a header line and at least two rows are needed");
    /// Not a text file.
    "E0304" Binary {
        /// What it seems to be.
        seems: String,
    } "this is not a text file but {seems}", say("export it as CSV, in UTF-8, and name that file");
    /// Text in another encoding.
    "E0305" NotUtf8 {
        /// Position of the first bad byte, from 0.
        byte: usize,
    } "byte {byte} is not UTF-8",
        say("convert the file, for instance: iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv");
    /// Damaged compression.
    "E0306" BadGzip {
        /// Why.
        reason: String,
    } "the gzip data cannot be unpacked: {reason}", say("compress it again, or give the unpacked file");
    /// No row below the header.
    "E0307" HeaderOnly {} "a header and no rows",
        say("is the first row the data's? then write `header: false`");
    /// A single row.
    "E0308" OneRow {} "only one row of data", say("a series needs at least two rows");
    /// A row with more or fewer fields than the first.
    "E0309" RaggedRow {
        /// Fields in the header or first row.
        expected: usize,
        /// Fields in this row.
        found: usize,
        /// Whether a field of the row runs over several lines, as after a quote that is never closed.
        multiline: bool,
    } "{found} fields where the first line has {expected}", if *multiline {
        say("a quote is opened on this line and not closed")
    } else {
        say("mend the line; a preamble is left out with `skip_rows`, another separator named with `delimiter`")
    };
    /// A cell that should be a number.
    "E0310" NotANumber {
        /// The cell.
        value: String,
        /// How many cells of the column are no numbers.
        count: usize,
        /// Rows in all.
        rows: usize,
    } "`{value}` is not a number ({count} of {rows} cells are not)", if count == rows {
        say("the column holds text; only numeric columns can be targets or inputs")
    } else if is_grouped(value) {
        say("write numbers without thousands separators, or name the decimal sign: `decimal: ','`")
    } else {
        say(format!("if it stands for a missing value, write `na: ['{value}']`"))
    };
    /// A cell that should be a time.
    "E0311" NotATime {
        /// The cell.
        value: String,
        /// The form of the column's other cells, or the one asked for.
        form: String,
    } "`{value}` is not a time of the form {form}",
        say("give the form, such as `time: {column: Date, format: '%d.%m.%Y'}`");
    /// Day and month cannot be told apart.
    "E0312" AmbiguousDates {
        /// One such date.
        value: String,
        /// The format that reads the day first.
        day_first: String,
        /// The format that reads the month first.
        month_first: String,
    } "`{value}`: no date of this column tells which number is the day",
        say(format!("write `format: '{day_first}'` (day first) or `format: '{month_first}'` (month first)"));
    /// Two columns of one name.
    "E0313" DuplicateColumn {
        /// The name.
        name: String,
    } "two columns are called `{name}`", say("rename one of them in the file's header");
    /// A column that is not there.
    "E0314" UnknownColumn {
        /// The name asked for.
        name: String,
        /// The most similar one.
        nearest: Option<String>,
        /// All names.
        known: Vec<String>,
    } "there is no column `{name}`", match nearest {
        Some(n) => say(format!("did you mean `{n}`? known columns: {}", known.join(", "))),
        None => say(format!("known columns: {}", known.join(", "))),
    };
    /// A time before that of the row above.
    "E0315" NotAscending {
        /// Time of the row.
        time: String,
        /// Time of the row above.
        above: String,
        /// Line of the row above.
        above_line: u64,
        /// Whether every row is earlier than the one above it.
        reversed: bool,
    } "{time} comes after {above} of line {above_line}; rows must ascend in time", if *reversed {
        say("the file runs newest first: sort it by time, oldest first")
    } else {
        say("sort the file by time, oldest first")
    };
    /// The same time twice.
    "E0316" DuplicateTime {
        /// The time.
        time: String,
        /// Line where it stands first.
        first_line: u64,
        /// How many rows repeat the time of the row above.
        count: usize,
    } "{time} stands on line {first_line} already (repeated times in all: {count})",
        say("remove one of the rows, or write `check: {duplicates: warn}` to keep both");
    /// Missing rows on a regular grid.
    "E0317" Gaps {
        /// Number of gaps.
        gaps: usize,
        /// Rows missing in them.
        missing: usize,
        /// Last time before the first gap.
        before: String,
        /// First time after it.
        after: String,
        /// The step.
        step: String,
    } "{gaps} gaps hide {missing} rows of step {step}; the first lies between {before} and {after}",
        say("`freq: sessions` takes the rows as they stand; with `check: {gaps: warn}` the missing rows of a fixed \
            step are inserted, inputs filled from the past and targets masked");
    /// Times that are not whole steps apart.
    "E0318" OffGrid {
        /// The step.
        step: String,
        /// Time of the row above.
        before: String,
        /// Time of the row.
        after: String,
    } "{before} and {after} are not a whole number of steps of {step} apart",
        say("name the step that the data has, or write `freq: sessions` to take the rows as they stand");
    /// A time zone that this system does not know.
    "E0319" UnknownZone {
        /// The name.
        zone: String,
    } "unknown time zone `{zone}`", say("use a name such as `UTC` or `America/New_York`");
    /// Fewer rows than `check` asks for.
    "E0320" TooFewRows {
        /// Rows asked for.
        min: usize,
        /// Rows found.
        found: usize,
    } "{found} rows, and `min_rows` asks for {min}", say("give a longer series, or lower `min_rows`");
    /// A parameter that does not go with the data.
    "E0321" BadParameter {
        /// Which, and why.
        reason: String,
    } "{reason}", None;
    /// A step that the file's rows do not have.
    "E0322" SparseGrid {
        /// The step.
        step: String,
        /// Rows of the file.
        rows: usize,
        /// Rows that would be inserted.
        inserted: usize,
    } "a step of {step} would insert {inserted} missing rows among {rows}",
        say("name the step that the data has, or write `freq: sessions` to take the rows as they stand");
    /// Rows on days that business days do not have.
    "E0323" Weekend {
        /// The first such time.
        time: String,
        /// How many rows.
        count: usize,
    } "{time} is a Saturday or Sunday ({count} rows in all), which `freq: business` does not have",
        say("write `freq: sessions` to take the rows as they stand, or `freq: 1d` where every day has a row");
    /// Parameters of `clean` that contradict each other or the data.
    "E0324" CannotClean {
        /// Why.
        reason: String,
    } "{reason}", None;
    /// Values taken from later rows.
    "L05" LooksAhead {
        /// The method.
        method: &'static str,
    } "`fill: {method}` takes values from later rows, which are not known when a forecast is made",
        say("write `fill: {forward: {limit: 3}}`, or switch the guard off with its reason: \
            `allow: {L05: \"the sensor is corrected at once\"}`");
    /// What the test part is to judge was chosen by it.
    "L06" TestChooses {
        /// The metric that chooses.
        metric: &'static str,
    } "`stop` chooses the epoch by `{metric}`: the test part would judge what it chose itself",
        say("write `monitor: val.mae`, or switch the guard off with its reason: \
            `allow: {L06: \"a demonstration of the leak\"}`");
    /// A covariate that is not known ahead.
    "L04" NotKnownAhead {
        /// The column.
        name: String,
        /// Rows with a value after the last target row.
        known: usize,
        /// Steps ahead.
        horizon: usize,
    } "`{name}` is listed under `future`, but known for only {known} rows after the last row with a target; \
        a forecast of {horizon} steps needs {horizon}",
        say("list it under `past`, or append its future values to the file, with the target left empty");
    /// A covariate that is the target in other clothes.
    "L04" FromTarget {
        /// The column.
        name: String,
        /// The target.
        target: String,
    } "`{name}` is listed under `future`, but its values are those of the target `{target}`",
        say("leave it out: the target's own past always is an input, its future never");
    /// Calendar features without a calendar.
    "E0353" NoCalendar {
        /// Why.
        reason: String,
    } "{reason}", say("name the time column with `data: {time: …}`, or leave `calendar` out");
    /// A split at random.
    "L02" RandomSplit {} "a series cannot be split at random: its windows would see their own future",
        say("write `split: {by: time, train: 70%, val: 10%, test: 20%}`");
    /// Parts that ask for more than there is.
    "E0330" Shares {
        /// Why they do not fit.
        reason: String,
    } "{reason}", say("shares are percentages such as `20%` or numbers of rows; leave one out and it is the rest");
    /// A part with no row left.
    "E0331" EmptyPart {
        /// Which.
        part: &'static str,
        /// Rows of data.
        rows: usize,
        /// Rows left out between the parts.
        embargo: usize,
    } "the {part} part has no row ({rows} rows in all, embargo {embargo})",
        say("give the part a larger share, or make the embargo smaller");
    /// Dates that name no rows.
    "E0332" SplitDates {
        /// Which, and why.
        reason: String,
    } "{reason}", say("write dates as `2012-01-01..` or `2010-01-01..2011-12-31`; both ends are included");
    /// A logarithm that does not exist.
    "E0340" NonPositive {
        /// The value.
        value: f64,
        /// Its row.
        row: usize,
    } "`log` of {value} does not exist: it takes values above 0",
        say("leave `log` out of this column's chain");
    /// Nothing to scale by.
    "E0341" Constant {
        /// The transform.
        transform: &'static str,
        /// The value of every train row.
        value: f64,
    } "every train row is {value}, so `{transform}` has nothing to scale by",
        say("leave the column out, or give it an empty chain: []");
    /// No train row to fit a transform on.
    "E0342" NothingToFit {
        /// Its name.
        transform: &'static str,
    } "no train row has a value to fit `{transform}` on", say("give `train` a larger share");
    /// A value that a transform has no answer for.
    "E0343" OutOfDomain {
        /// The transform.
        transform: &'static str,
        /// The value.
        value: f64,
        /// Its row.
        row: usize,
        /// Which values it takes.
        domain: &'static str,
    } "`{transform}` of {value} (row {row}) does not exist: values must be {domain}",
        say("leave the transform out of this column's chain");
    /// Train rows that differ, and still have no spread of the kind a transform divides by.
    "E0344" NoSpread {
        /// The transform.
        transform: &'static str,
    } "half of the train rows or more are the same, so `{transform}` has nothing to scale by",
        say("use `standardize` or `minmax` for this column");
    /// Missing values in a column that is used.
    "E0350" MissingValues {
        /// How many.
        count: usize,
        /// Rows in all.
        rows: usize,
    } "{count} of {rows} values are missing, the first on this line",
        say("`check: {missing_target: warn}` leaves these rows out of loss and metrics; \
            `clean: {drop: {missing: [COLUMN]}}` removes them");
    /// A column in two roles.
    "E0351" TwoRoles {
        /// Its name.
        name: String,
    } "`{name}` has two roles", say("a target's own past is always an input; name each column once");
    /// No target.
    "E0352" NoTarget {} "no target column", say("write `target: Close`, with the column to forecast");
    /// A lookback, horizon or stride of 0.
    "E0360" ZeroWindow {
        /// Which.
        name: &'static str,
    } "`{name}` must be at least 1", None;
    /// Not one window fits into the part that is scored.
    "E0361" HorizonTooLong {
        /// Steps ahead.
        horizon: usize,
        /// The part.
        part: &'static str,
        /// Its rows.
        rows: usize,
    } "horizon {horizon} is longer than the {part} part ({rows} rows)",
        say(format!("the longest horizon that fits is {rows}; or give `{part}` a larger share"));
    /// The first window of a part needs rows before the start of the data.
    "E0362" LookbackTooLong {
        /// Rows of input.
        lookback: usize,
        /// The part.
        part: &'static str,
        /// Rows that precede it.
        rows: usize,
    } "lookback {lookback} is longer than what precedes the {part} part ({rows} usable rows)",
        say(format!("the longest lookback that fits is {rows}"));
    /// The train part is too short.
    "E0363" NoTrainWindow {
        /// Rows of input.
        lookback: usize,
        /// Steps ahead.
        horizon: usize,
        /// Usable rows up to the end of the train part.
        rows: usize,
    } "lookback {lookback} and horizon {horizon} leave no window in the train part ({rows} usable rows)",
        say(format!("lookback + horizon can be at most {rows}"));
    /// A target row in two parts.
    "L03" SharedTarget {
        /// The row.
        row: usize,
        /// The earlier part.
        first: &'static str,
        /// The later part.
        second: &'static str,
    } "row {row} is a target of the {first} part and of the {second} part",
        say("the parts of a split must not overlap");
    /// A call with buffers or indices that do not fit the windows.
    "E0364" BatchShape {
        /// What does not fit.
        reason: String,
    } "{reason}", None;
    /// Forecasts that cannot be compared.
    "E0370" NotComparable {
        /// Why.
        reason: String,
    } "{reason}", None;
}

/// Whether a cell is a number with signs between its digits that we do not read, such as `-1,234.5`.
fn is_grouped(cell: &str) -> bool {
    cell.contains(|c: char| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || "+-., '".contains(c))
}

/// A cell as messages quote it: a quote that is never closed makes cells as long as the file.
pub(crate) fn excerpt(cell: &str) -> String {
    const LONGEST: usize = 60;
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_string(),
    }
}

/// The candidate that is most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::normalized_damerau_levenshtein(&wanted, &c.to_lowercase()), c))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c.to_string())
}

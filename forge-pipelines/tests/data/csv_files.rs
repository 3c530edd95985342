//! Files as people have them, whole and broken.

use forge_core::history::Level;
use forge_pipelines::DataError;
use forge_pipelines::frame::{ColumnData, TimeColumn};
use forge_pipelines::sources::{CheckParams, CsvParams, Loaded, Severity, load};
use std::io::Write;

fn read(params: &CsvParams, bytes: &[u8]) -> Result<Loaded, DataError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(&params.csv), bytes).unwrap();
    load(params, dir.path(), &CheckParams::default())
}

fn plain(text: &str) -> Result<Loaded, DataError> {
    read(&CsvParams::new("f.csv"), text.as_bytes())
}

fn params(yaml: &str) -> CsvParams {
    serde_yaml::from_str(yaml).unwrap()
}

/// Code, line, column, and words that message and hint must hold.
#[track_caller]
fn fails(
    result: Result<Loaded, DataError>,
    code: &str,
    line: Option<u64>,
    column: Option<&str>,
    words: &[&str],
) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(error.line, line, "{error}");
    assert_eq!(error.column.as_deref(), column, "{error}");
    assert_eq!(error.path.as_deref(), Some("f.csv"), "{error}");
    let all = format!("{error} = {}", error.hint().unwrap_or_default());
    for word in words {
        assert!(all.contains(word), "`{word}` is not in: {all}");
    }
}

#[test]
fn a_plain_file() {
    let loaded = plain("Date,Close,Note\n2020-01-02,1.5,a\n2020-01-03,NA,b\n2020-01-06,-2e3,\n").unwrap();
    let frame = &loaded.frame;
    assert_eq!(frame.numbers("Close").unwrap()[0], 1.5);
    assert!(frame.numbers("Close").unwrap()[1].is_nan());
    assert_eq!(frame.numbers("Close").unwrap()[2], -2000.0);
    assert_eq!(frame.lines, [2, 3, 4]);
    assert!(matches!(&frame.time, TimeColumn::Dates { column, .. } if column == "Date"));
    assert!(
        matches!(&frame.column("Note").unwrap().data, ColumnData::Text { values, .. } if values[1] == "b")
    );
    assert_eq!(loaded.record.missing, 2);
    assert_eq!(loaded.record.columns, ["Close", "Note"]);
    assert_eq!(loaded.record.range, Some(("2020-01-02".into(), "2020-01-06".into())));
    let said: Vec<&str> = loaded.notices.iter().map(|n| n.text.as_str()).collect();
    assert!(said[0].contains("`Date` is taken for the time column"), "{said:?}");
    assert!(said[1].contains("freq: sessions"), "{said:?}");
}

#[test]
fn line_ends_marks_quotes_and_gzip_change_nothing() {
    let text = "Date,Close\n2020-01-02,1.5\n2020-01-03,2\n2020-01-04,2.5\n";
    let expected = plain(text).unwrap();
    assert_eq!(expected.frame.freq.to_string(), "1d");
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zip.write_all(text.as_bytes()).unwrap();
    let variants: [Vec<u8>; 5] = [
        text.replace('\n', "\r\n").into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        text.replace(',', "\t").into_bytes(),
        "\"Date\",\"Close\"\n\"2020-01-02\",\"1.5\"\n 2020-01-03 , 2\n2020-01-04,\"2.5\"".into(),
        zip.finish().unwrap(),
    ];
    for bytes in variants {
        let loaded = read(&CsvParams::new("f.csv"), &bytes).unwrap();
        assert_eq!(loaded.frame, expected.frame);
        assert_eq!(loaded.record.digest, blake3::hash(&bytes).to_hex().to_string());
        assert_eq!(loaded.record.bytes, bytes.len() as u64);
    }
}

#[test]
fn european_files() {
    let loaded = plain("Datum;Kurs\n31.12.2019;1,5\n02.01.2020;2,25\n03.01.2020;3\n").unwrap();
    assert_eq!(loaded.frame.numbers("Kurs").unwrap(), [1.5, 2.25, 3.0]);
    assert_eq!(loaded.frame.time.axis().label(1), "2020-01-02");
    assert!(loaded.notices.iter().any(|n| n.text.contains("decimal comma") && n.level == Level::Note));
}

#[test]
fn american_dates_are_read_when_a_day_above_12_tells() {
    let loaded = plain("Date,P\n1/2/1986,1\n1/3/1986,2\n1/13/1986,3\n").unwrap();
    assert_eq!(loaded.frame.time.axis().label(2), "1986-01-13");
    let ambiguous = "Date,P\n1/2/1986,1\n1/3/1986,2\n";
    fails(plain(ambiguous), "E0312", Some(2), Some("Date"), &["1/2/1986", "%d/%m/%Y", "%m/%d/%Y"]);
    let told = params("{csv: f.csv, time: {column: Date, format: '%d/%m/%Y'}}");
    assert_eq!(read(&told, ambiguous.as_bytes()).unwrap().frame.time.axis().label(1), "1986-03-01");
    fails(plain("Date,P\n1/13/1986,1\n13/2/1986,2\n"), "E0311", Some(3), Some("Date"), &["13/2/1986"]);
}

#[test]
fn instants_and_zones() {
    let loaded =
        plain("t,x\n2013-01-01T05:00:00Z,1\n2013-01-01T06:00:00Z,2\n2013-01-01T07:00:00Z,3\n").unwrap();
    assert_eq!(loaded.frame.freq.to_string(), "1h");
    assert_eq!(loaded.frame.time.axis().label(1), "2013-01-01T06:00:00Z");
    let local = "t,x\n2013-07-01 05:00:00,1\n2013-07-01 06:00:00,2\n";
    let zone = params("{csv: f.csv, time: {column: t, tz: America/New_York}}");
    assert_eq!(read(&zone, local.as_bytes()).unwrap().frame.time.axis().label(0), "2013-07-01T09:00:00Z");
    assert_eq!(plain(local).unwrap().frame.time.axis().label(0), "2013-07-01T05:00:00Z");
    let clock = plain("t,x\n7/1/2013 1:05 PM,1\n7/13/2013 1:05 AM,2\n").unwrap();
    assert_eq!(clock.frame.time.axis().label(0), "2013-07-01T13:05:00Z");
    let epoch = params("{csv: f.csv, time: {column: t, format: '%s'}}");
    let epoch = read(&epoch, b"t,x\n1700000000,1\n1700003600,2\n").unwrap();
    assert_eq!(epoch.frame.time.axis().label(0), "2023-11-14T22:13:20Z");
    let mixed = "t,x\n2013-07-01 05:00:00,1\n2013-07-01 06:00:00+02:00,2\n";
    fails(plain(mixed), "E0311", Some(3), Some("t"), &["+02:00"]);
    let unknown = params("{csv: f.csv, time: {column: t, tz: Mars/Olympus}}");
    fails(read(&unknown, local.as_bytes()), "E0319", None, None, &["Mars/Olympus"]);
}

#[test]
fn compact_dates_only_when_the_column_is_named() {
    let text = b"day,x\n20200102,1\n20200103,2\n";
    let named = read(&params("{csv: f.csv, time: day}"), text).unwrap();
    assert_eq!(named.frame.time.axis().label(1), "2020-01-03");
    let sniffed = read(&CsvParams::new("f.csv"), text).unwrap();
    assert_eq!(sniffed.frame.time, TimeColumn::Rows { len: 2 });
    assert_eq!(sniffed.frame.numbers("day").unwrap()[0], 20_200_102.0);
}

#[test]
fn options_are_obeyed() {
    let text = b"a preamble\nsecond line\nDate|x|y|z\n2020-01-01|1|-|5\n2020-01-02|-|7|6\n";
    let p = params(
        "{csv: f.csv, skip_rows: 2, delimiter: '|', na: ['-'], columns: [y, x], time: Date, freq: 1d}",
    );
    let loaded = read(&p, text).unwrap();
    assert_eq!(loaded.record.columns, ["x", "y"]);
    assert_eq!(loaded.record.missing, 2);
    assert_eq!(loaded.frame.lines, [4, 5]);
    let headless = read(&params("{csv: f.csv, header: false}"), b"1,2\n3,4\n").unwrap();
    assert_eq!(headless.frame.numbers("c2").unwrap(), [2.0, 4.0]);
    let rows = read(&params("{csv: f.csv, time: rows}"), b"Date,x\n2020-01-02,1\n2020-01-01,2\n").unwrap();
    assert_eq!(rows.record.range, None);
    assert_eq!(rows.record.columns, ["Date", "x"]);
}

#[test]
fn files_that_are_not_tables() {
    fails(plain(""), "E0303", None, None, &["empty"]);
    fails(plain(" \n\r\n\n"), "E0303", None, None, &["empty"]);
    fails(read(&CsvParams::new("f.csv"), b"PK\x03\x04rest"), "E0304", None, None, &["ZIP"]);
    fails(read(&CsvParams::new("f.csv"), b"a,b\n1,\x002\n"), "E0304", None, None, &["binary"]);
    fails(read(&CsvParams::new("f.csv"), b"a,b\n1,\xe9\n"), "E0305", None, None, &["byte 6", "iconv"]);
    fails(read(&CsvParams::new("f.csv"), b"\x1f\x8b\x08\x00garbage"), "E0306", None, None, &["gzip"]);
    fails(plain("a,b\n"), "E0307", None, None, &["header: false"]);
    fails(plain("a,b\n1,2\n"), "E0308", Some(2), None, &["two rows"]);
    fails(plain("a,b\n1,2\n1,2,3\n"), "E0309", Some(3), None, &["3 fields", "has 2"]);
    fails(plain("a,b\n1,2\n\"1,2\n3,4\n5,6\n"), "E0309", Some(3), None, &["quote"]);
    fails(plain("a,b, a\n1,2,3\n4,5,6\n"), "E0313", Some(1), None, &["`a`"]);
}

#[test]
fn a_missing_file_names_its_neighbour() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("msft_daily.csv"), "x").unwrap();
    let error = load(&CsvParams::new("mfst_daily.csv"), dir.path(), &CheckParams::default()).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("E0301", "mfst_daily.csv: no such file"));
    assert_eq!(error.hint().unwrap(), "did you mean `msft_daily.csv`?");
    let folder = load(&CsvParams::new("."), dir.path(), &CheckParams::default()).unwrap_err();
    assert_eq!(folder.code(), "E0302");
}

#[test]
fn columns_and_cells() {
    let p = params("{csv: f.csv, columns: [Clos]}");
    fails(read(&p, b"Close,x\n1,2\n3,4\n"), "E0314", None, None, &["did you mean `Close`", "x"]);
    let loaded = plain("Date,Close,Name\n2020-01-01,1,a\n2020-01-02,.,b\n2020-01-03,3,c\n").unwrap();
    let error = loaded.frame.numbers("Close").unwrap_err();
    assert_eq!((error.code(), error.line, error.column.as_deref()), ("E0310", Some(3), Some("Close")));
    assert_eq!(error.hint().unwrap(), "if it stands for a missing value, write `na: ['.']`");
    assert!(loaded.notices.iter().any(|n| n.text.contains("`Close` is text") && n.text.contains("line 3")));
    let text = loaded.frame.numbers("Name").unwrap_err();
    assert!(text.hint().unwrap().contains("holds text"), "{text}");
    let thousands = plain("x,y\n\"1,234.5\",1\n2,2\n").unwrap().frame.numbers("x").unwrap_err();
    assert!(thousands.hint().unwrap().contains("thousands"), "{thousands}");
    let endless = plain(&format!("x,y\n1,1\n2,2\n{},3\n", "é".repeat(9999))).unwrap();
    let message = endless.frame.numbers("x").unwrap_err().to_string();
    assert!(message.contains("é…") && message.len() < 250, "{message}");
    let time = loaded.frame.numbers("Date").unwrap_err();
    assert!(time.to_string().contains("is the time column"), "{time}");
    fails(
        plain("Date,x\n2020-01-01,1\n2020-02-30,2\n2020-03-01,3\n"),
        "E0311",
        Some(3),
        Some("Date"),
        &["2020-02-30"],
    );
    fails(
        read(&params("{csv: f.csv, time: x}"), b"x,y\nfoo,1\nbar,2\n"),
        "E0311",
        Some(2),
        Some("x"),
        &["foo", "format"],
    );
}

#[test]
fn rows_must_ascend() {
    let unsorted = "Date,x\n2020-01-03,1\n2020-01-05,2\n2020-01-04,3\n";
    fails(plain(unsorted), "E0315", Some(4), Some("Date"), &["2020-01-04", "line 3", "sort"]);
    let newest_first = "Date,x\n2020-01-05,1\n2020-01-04,2\n2020-01-03,3\n";
    fails(plain(newest_first), "E0315", Some(3), Some("Date"), &["newest first"]);
}

#[test]
fn repeated_times_are_judged_by_check() {
    let text = "Date,x\n2020-01-03,1\n2020-01-04,2\n\n2020-01-04,3\n2020-01-05,4\n";
    fails(plain(text), "E0316", Some(5), Some("Date"), &["line 3", "in all: 1", "duplicates: warn"]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), text).unwrap();
    let mut check = CheckParams { duplicates: Severity::Warn, ..CheckParams::default() };
    let loaded = load(&CsvParams::new("f.csv"), dir.path(), &check).unwrap();
    assert!(loaded.notices.iter().any(|n| n.code == "E0316" && n.level == Level::Warning));
    check.duplicates = Severity::Ok;
    assert!(
        load(&CsvParams::new("f.csv"), dir.path(), &check).unwrap().notices.iter().all(|n| n.code.is_empty())
    );
    check.min_rows = 5;
    let error = load(&CsvParams::new("f.csv"), dir.path(), &check).unwrap_err();
    assert_eq!((error.code(), error.message().as_str()), ("E0320", "4 rows, and `min_rows` asks for 5"));
}

#[test]
fn gaps_of_a_fixed_step() {
    let text = b"t,x\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 05:00,3\n2020-01-01 06:00,4\n2020-01-01 08:00,5\n";
    let hourly = params("{csv: f.csv, freq: 1h}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), text).unwrap();
    let strict = CheckParams { gaps: Severity::Error, ..CheckParams::default() };
    fails(
        load(&hourly, dir.path(), &strict),
        "E0317",
        Some(4),
        Some("t"),
        &["2 gaps", "4 rows", "2020-01-01T01:00:00Z", "2020-01-01T05:00:00Z", "freq: sessions"],
    );
    let loaded = read(&hourly, text).unwrap();
    let frame = &loaded.frame;
    assert_eq!((frame.rows(), frame.inserted(), loaded.record.rows), (9, 4, 5));
    assert_eq!(frame.lines, [2, 3, 0, 0, 0, 4, 5, 0, 6]);
    assert_eq!(frame.time.axis().label(3), "2020-01-01T03:00:00Z");
    let x = frame.numbers("x").unwrap();
    assert!(x[1] == 2.0 && x[2..5].iter().all(|v| v.is_nan()) && x[8] == 5.0, "{x:?}");
    let warning = &loaded.notices[loaded.notices.len() - 1];
    assert!(warning.code == "E0317" && warning.text.contains("4 rows of step 1h"), "{warning:?}");
    let seconds = params("{csv: f.csv, freq: 1s}");
    fails(read(&seconds, text), "E0322", Some(2), Some("t"), &["28796", "freq: sessions"]);
    let two = params("{csv: f.csv, freq: 2h}");
    fails(read(&two, text), "E0318", Some(3), Some("t"), &["2h"]);
    assert!(read(&params("{csv: f.csv, freq: sessions}"), text).is_ok());
    assert_eq!(read(&CsvParams::new("f.csv"), text).unwrap().frame.freq.to_string(), "sessions");
    fails(read(&params("{csv: f.csv, freq: 1d, time: rows}"), text), "E0321", None, None, &["time column"]);
}

#[test]
fn business_days() {
    // 5 March 2020 is a Thursday; Friday is missing, and 14 March is a Saturday.
    let text = b"Date,x\n2020-03-04,1\n2020-03-05,2\n2020-03-09,3\n2020-03-13,4\n";
    let p = params("{csv: f.csv, freq: business}");
    let loaded = read(&p, text).unwrap();
    assert_eq!((loaded.frame.rows(), loaded.frame.freq.season()), (4, 5));
    let warning = &loaded.notices[loaded.notices.len() - 1];
    assert!(
        warning.code == "E0317" && warning.text.contains("2 gaps hide 4 rows of step business"),
        "{warning:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), b"Date,x\n2020-03-13,1\n2020-03-14,2\n2020-03-16,2\n").unwrap();
    let strict = CheckParams { gaps: Severity::Error, ..CheckParams::default() };
    fails(load(&p, dir.path(), &strict), "E0323", Some(3), Some("Date"), &["2020-03-14", "sessions"]);
}

#[test]
fn sentinels_are_missing_values() {
    let p = params("{csv: f.csv, sentinels: [-9999, 99.9]}");
    let loaded = read(&p, b"x,y\n-9999,1\n3,99.9\n-9999.0,-9998\n").unwrap();
    let x = loaded.frame.numbers("x").unwrap();
    assert!(x[0].is_nan() && x[1] == 3.0 && x[2].is_nan());
    assert_eq!(loaded.frame.numbers("y").unwrap()[2], -9998.0);
    assert_eq!(loaded.record.missing, 3);
    let said: Vec<&str> = loaded.notices.iter().map(|n| n.text.as_str()).collect();
    assert!(said.contains(&"`x`: 2 values are sentinels, taken for missing"), "{said:?}");
}

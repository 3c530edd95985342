//! From text to rows of cells, each with the line it begins on.

use crate::data_error::{DataError, Problem};
use csv::{ReaderBuilder, StringRecord};

/// Cells of a delimited file.
pub(super) struct Table {
    pub names: Vec<String>,
    pub rows: Vec<StringRecord>,
    pub lines: Vec<u64>,
}

pub(super) struct Layout {
    pub delimiter: u8,
    pub header: bool,
    pub skip_rows: usize,
}

impl Table {
    pub fn parse(text: &str, layout: &Layout) -> Result<Table, DataError> {
        let skipped = skip_lines(text, layout.skip_rows);
        let mut lines = LineCounter { text, at: 0, line: 1 };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(layout.delimiter)
            .from_reader(&text.as_bytes()[skipped..]);

        let mut first: Option<(StringRecord, u64)> = None;
        let (mut rows, mut numbers) = (Vec::new(), Vec::new());
        let mut record = StringRecord::new();
        loop {
            let start = skipped + reader.position().byte() as usize;
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => return Err(Problem::Unreadable { reason: e.to_string() }.into()),
            }
            let line = lines.line_of_record(start);
            let Some((head, _)) = &first else {
                first = Some((record.clone(), line));
                continue;
            };
            if record.len() != head.len() {
                return Err(DataError::from(Problem::RaggedRow {
                    expected: head.len(),
                    found: record.len(),
                    multiline: record.iter().any(|cell| cell.contains('\n')),
                })
                .at_line(line));
            }
            rows.push(record.clone());
            numbers.push(line);
        }
        let Some((head, line)) = first else { return Err(Problem::Empty {}.into()) };
        let names = if layout.header {
            header_names(&head).map_err(|p| DataError::from(p).at_line(line))?
        } else {
            let names = (1..=head.len()).map(|i| format!("c{i}")).collect();
            rows.insert(0, head);
            numbers.insert(0, line);
            names
        };
        match rows.len() {
            0 => Err(Problem::HeaderOnly {}.into()),
            1 => Err(DataError::from(Problem::OneRow {}).at_line(numbers[0])),
            _ => Ok(Table { names, rows, lines: numbers }),
        }
    }

    /// The trimmed cells of a column, from top to bottom.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row.get(column).unwrap_or("").trim())
    }
}

fn header_names(head: &StringRecord) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::with_capacity(head.len());
    for (i, cell) in head.iter().enumerate() {
        let cell = cell.trim();
        // Tools that write a row index leave its header empty.
        let name = if cell.is_empty() { format!("c{}", i + 1) } else { cell.to_string() };
        if names.contains(&name) {
            return Err(Problem::DuplicateColumn { name });
        }
        names.push(name);
    }
    Ok(names)
}

/// Position just after the first `count` lines.
fn skip_lines(text: &str, count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    text.match_indices('\n').nth(count - 1).map_or(text.len(), |(at, _)| at + 1)
}

/// Line numbers of ascending positions. The reader's own positions count neither the blank lines that it skips
/// before a record nor lone carriage returns.
struct LineCounter<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    fn line_of_record(&mut self, start: usize) -> u64 {
        let bytes = self.text.as_bytes();
        let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let end = start + blank;
        for at in self.at..end {
            let lone_return = bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
            self.line += u64::from(bytes[at] == b'\n' || lone_return);
        }
        self.at = end;
        self.line
    }
}

/// The separator that splits the first two lines into most fields: comma, semicolon or tab.
pub(super) fn sniff_delimiter(text: &str, skip_rows: usize) -> u8 {
    let body = &text[skip_lines(text, skip_rows)..];
    let head: Vec<&str> = body.lines().filter(|l| !l.trim().is_empty()).take(2).collect();
    let count = |delimiter: u8| head.iter().map(|line| separators(line, delimiter)).min().unwrap_or(0);
    // Among equals the first: `max_by_key` would take the last.
    [b'\t', b';', b','].into_iter().max_by_key(|d| count(*d)).unwrap_or(b',')
}

fn separators(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !quoted);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<u64> {
        let layout = Layout { delimiter: sniff_delimiter(text, 0), header: true, skip_rows: 0 };
        Table::parse(text, &layout).unwrap().lines
    }

    #[test]
    fn line_numbers_are_those_of_an_editor() {
        assert_eq!(lines("a,b\n1,2\n3,4\n"), [2, 3]);
        assert_eq!(lines("a,b\r\n1,2\r\n3,4"), [2, 3]);
        assert_eq!(lines("\n\na,b\n\n1,2\n\n\n3,4\n"), [5, 8]);
        assert_eq!(lines("a,b\r\n\r\n1,2\r\n\r\n3,4\r\n"), [3, 5]);
        assert_eq!(lines("a,b\n\"x\ny\",2\n3,4\n5,6"), [2, 4, 5]);
        assert_eq!(lines("a,b\r1,2\r3,4"), [2, 3]);
    }

    #[test]
    fn skipped_lines_are_counted() {
        let text = "made by a station\nlat 52\na;b\n1;2\n3;4\n";
        let layout = Layout { delimiter: sniff_delimiter(text, 2), header: true, skip_rows: 2 };
        let table = Table::parse(text, &layout).unwrap();
        assert_eq!(table.names, ["a", "b"]);
        assert_eq!(table.lines, [4, 5]);
    }

    #[test]
    fn separators_are_found_outside_quotes() {
        assert_eq!(sniff_delimiter("Date;Close\n2020-01-01;1,5\n", 0), b';');
        assert_eq!(sniff_delimiter("Date\tClose\n2020-01-01\t1.5\n", 0), b'\t');
        assert_eq!(sniff_delimiter("\"a;b;c\",d\n\"1;2;3\",4\n", 0), b',');
        assert_eq!(sniff_delimiter("Close\n1\n", 0), b',');
    }
}

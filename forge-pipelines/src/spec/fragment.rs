//! The text of a cell, as a report shows it.

use super::document::Document;
use super::outline::CellOutline;
use super::render::line_column;
use std::ops::Range;

/// Line (from 1) and text of a cell: whole lines, comments in and after them included, without the indentation
/// that all of them share. A cell that only an override made has line 1 and no text.
pub(super) fn of(cell: &CellOutline, document: &Document) -> (usize, String) {
    let paths: Vec<_> = match &cell.path {
        Some(path) => vec![path],
        None => cell.actions.iter().map(|(_, path)| path).collect(),
    };
    let ranges: Vec<Range<usize>> = paths
        .into_iter()
        .filter_map(|path| document.written(path))
        .map(|at| at.key.map_or(at.value.start, |key| key.start)..at.value.end)
        .collect();
    let line = ranges.first().map_or(1, |range| line_column(&document.text, range.start).0);
    let texts: Vec<String> = ranges.into_iter().map(|range| dedented(&document.text, range)).collect();
    (line, texts.join("\n"))
}

/// The text from `range.start` to the end of its last line; later lines lose the columns in front of the first.
fn dedented(text: &str, range: Range<usize>) -> String {
    let line_start = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let column = text[line_start..range.start].chars().count();
    let end = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline);
    let strip = |line: &str| {
        let blank = line.chars().take(column).take_while(|c| *c == ' ').count();
        line[blank..].trim_end_matches('\r').to_string()
    };
    let mut lines = text[range.start..end].split('\n');
    let first = lines.next().unwrap_or_default().trim_end_matches('\r').to_string();
    std::iter::once(first).chain(lines.map(strip)).collect::<Vec<_>>().join("\n")
}

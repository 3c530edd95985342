//! The profile of a run on the terminal.

use super::terminal;
use crate::history::{RunProfile, Table};
use crate::report::{profile_summary, profile_table};
use std::path::Path;

/// Rows that are printed.
const ROWS: usize = 12;

/// Prints where the time went, and where all of it is written.
pub fn print(profile: &RunProfile, file: &Path) {
    terminal::line(&format!("profile: {}", profile_summary(profile)));
    for line in lines(&profile_table(profile, ROWS)) {
        terminal::line(&line);
    }
    terminal::line(&format!("all rows are in the report and in {}", file.display()));
}

/// A table in columns as wide as they must be, numbers to the right.
fn lines(table: &Table) -> Vec<String> {
    let rows: Vec<&Vec<String>> = std::iter::once(&table.head).chain(&table.rows).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cell = |(column, (text, &width)): (usize, (&String, &usize))| {
            if column < table.numeric { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let words = |all: [&str; 3]| all.map(str::to_string).to_vec();
        let table = Table {
            caption: String::new(),
            head: words(["layer", "operation", "time"]),
            rows: vec![words(["a", "lstm", "1.00 s"]), words(["", "x", "9 µs"])],
            numeric: 2,
        };
        let wanted = ["layer  operation    time", "a      lstm       1.00 s", "       x            9 µs"];
        assert_eq!(lines(&table), wanted);
    }
}

//! A profile in tables, for the page and for a terminal.

use crate::number::{self, grouped};
use forge_core::history::{CellProfile, ProfileRow, RunProfile, Table};

/// What the forward and backward passes are called that have no stage.
pub(crate) const MODEL: &str = "model";
/// What the time of a stage or layer itself is called.
pub(crate) const BETWEEN: &str = "own work";
/// What the time of a cell is called that no row accounts for.
pub(crate) const REST: &str = "not in any row";

/// The operations of a profiled run by their own time, the longest first, at most `limit` of them: one line each, and one
/// for what each cell did besides, such as reading files.
///
/// ```
/// use forge_core::{profile::Profiler, Tensor};
/// let profiler = Profiler::start()?;
/// let x = Tensor::new(&[1.0f32, 2.0], &[2])?;
/// (&x * &x)?;
/// let table = forge_report::profile_table(&profiler.finish().into(), 10);
/// assert!(table.rows.iter().any(|row| row[3] == "mul"));
/// # Ok::<(), forge_core::Error>(())
/// ```
pub fn profile_table(profile: &RunProfile, limit: usize) -> Table {
    let rows = profile.cells.iter().flat_map(|cell| {
        let rest = (cell.profile.unexplained(), [&*cell.id, "", "", REST].map(str::to_owned).to_vec(), None);
        let row = |row| (row_seconds(row), place(cell, row), Some(row));
        cell.profile.rows.iter().map(row).chain([rest])
    });
    let mut rows: Vec<(f64, Vec<String>, Option<&ProfileRow>)> = rows.filter(|row| row.0 > 0.0).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let shown = |(seconds, mut cells, row): (f64, Vec<String>, Option<&ProfileRow>)| {
        cells.extend([seconds_of(seconds), share(seconds, profile.seconds)]);
        cells.extend(row.map_or_else(|| vec![String::new(); 6], work));
        cells
    };
    let (count, all) = (rows.len(), rows.into_iter().take(limit).map(shown).collect());
    let caption = match count > limit {
        true => format!("The {limit} longest of {} rows, by their own time", grouped(count)),
        false => "All rows, by their own time".to_owned(),
    };
    let head = [
        "cell",
        "stage",
        "layer",
        "operation",
        "time",
        "share",
        "calls",
        "forward",
        "backward",
        "GFLOP/s",
        "GB/s",
        "memory",
    ];
    Table { caption, head: head.map(str::to_owned).to_vec(), rows: all, numeric: 4 }
}

/// One line for all of a profiled run.
pub fn profile_summary(profile: &RunProfile) -> String {
    let mut words =
        vec![format!("{} in {}", seconds_of(profile.seconds), number::counted(profile.cells.len(), "cell"))];
    if let Some(cpu) = profile.cpu_seconds {
        words.push(format!("{} of processor time", seconds_of(cpu)));
    }
    words.push(number::counted(profile.threads, "thread"));
    if let Some(bytes) = profile.resident_bytes {
        words.push(format!("peak memory {}", number::bytes(bytes)));
    }
    words.push(format!("tensors at most {}", number::bytes(profile.peak_bytes)));
    words.join(", ")
}

/// The cells.
pub(crate) fn cells(profile: &RunProfile) -> Table {
    let head = ["cell", "actions", "time", "share", "processor", "peak memory", "peak of tensors", REST];
    let row = |cell: &CellProfile| {
        let seconds = cell.profile.seconds;
        let unknown = || "–".to_owned();
        vec![
            cell.id.clone(),
            cell.actions.join(", "),
            seconds_of(seconds),
            share(seconds, profile.seconds),
            cell.cpu_seconds.map_or_else(unknown, seconds_of),
            cell.resident_bytes.map_or_else(unknown, number::bytes),
            number::bytes(cell.profile.peak_bytes),
            if cell.profile.rows.is_empty() { unknown() } else { share(cell.profile.unexplained(), seconds) },
        ]
    };
    Table {
        caption: "Cells".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: profile.cells.iter().map(row).collect(),
        numeric: 2,
    }
}

/// The layers and stages of every cell, in the order in which they ran.
pub(crate) fn layers(profile: &RunProfile) -> Table {
    let head = [
        "cell",
        "stage",
        "layer",
        "time",
        "share",
        "forward",
        "backward",
        "GFLOP/s",
        "GB/s",
        "allocated",
        "peak",
    ];
    let rows = profile.cells.iter().flat_map(|cell| {
        cell.profile.layers().into_iter().map(|row| {
            let total = row.total();
            let mut cells = place(cell, &row);
            cells.truncate(3);
            cells.extend([
                seconds_of(total.seconds),
                share(total.seconds, profile.seconds),
                seconds_of(row.forward.seconds),
                optional(row.backward.seconds, seconds_of),
                rate(total.gflops()),
                rate(total.gigabytes()),
                optional(row.allocated_bytes as f64, |_| number::bytes(row.allocated_bytes)),
                optional(row.peak_bytes as f64, |_| number::bytes(row.peak_bytes)),
            ]);
            cells
        })
    });
    Table {
        caption: "Layers and stages, in the order in which they ran".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        numeric: 3,
    }
}

/// Cell, stage, layer and operation.
fn place(cell: &CellProfile, row: &ProfileRow) -> Vec<String> {
    let operation = if row.operation.is_empty() { BETWEEN } else { &row.operation };
    vec![cell.id.clone(), stage(row).to_owned(), row.layer.clone(), operation.to_owned()]
}

/// Its stage in words.
pub(crate) fn stage(row: &ProfileRow) -> &str {
    if row.stage.is_empty() { MODEL } else { &row.stage }
}

fn work(row: &ProfileRow) -> Vec<String> {
    let total = row.total();
    vec![
        grouped(row.forward.calls as usize),
        seconds_of(row.forward.seconds),
        optional(row.backward.seconds, seconds_of),
        rate(total.gflops()),
        rate(total.gigabytes()),
        optional(row.peak_bytes as f64, |_| number::bytes(row.peak_bytes)),
    ]
}

fn row_seconds(row: &ProfileRow) -> f64 {
    row.total().seconds
}

/// Words for a value that is not 0.
fn optional(value: f64, words: impl Fn(f64) -> String) -> String {
    if value > 0.0 { words(value) } else { String::new() }
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or(String::new(), |rate| digits(rate, ""))
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1}\u{202f}%", 100.0 * part / whole) } else { "–".to_owned() }
}

/// A time with three digits in the unit that fits: `1.23 s`, `45.6 ms`, `789 µs`.
pub(crate) fn seconds_of(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => digits(s, " s"),
        s if s >= 1e-3 => digits(s * 1e3, " ms"),
        s => digits(s * 1e6, " µs"),
    }
}

fn digits(value: f64, unit: &str) -> String {
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::{Cost, Profile};

    #[test]
    fn times_have_three_digits() {
        let shown = [3723.4, 1.0, 0.99994, 0.01234, 0.000_999, 1.5e-6, 0.0].map(seconds_of);
        assert_eq!(shown, ["3723 s", "1.00 s", "1000 ms", "12.3 ms", "999 µs", "1.50 µs", "0.00 µs"]);
    }

    fn profile() -> RunProfile {
        let cost = |seconds: f64, flops: f64| Cost { calls: 2, seconds, flops, bytes: 1e9 };
        let row = |stage: &str, operation: &str, forward: Cost, backward: Cost| ProfileRow {
            stage: stage.into(),
            layer: "lstm".into(),
            operation: operation.into(),
            forward,
            backward,
            ..ProfileRow::default()
        };
        let rows = vec![
            row("", "lstm", cost(1.0, 8e10), cost(3.0, 16e10)),
            row("", "", cost(0.5, 0.0), Cost::default()),
            row("validation", "lstm", cost(0.25, 2e10), Cost::default()),
        ];
        let cell = |id: &str, seconds: f64, rows: Vec<ProfileRow>| CellProfile {
            id: id.into(),
            actions: vec!["train".into()],
            cpu_seconds: Some(2.0),
            resident_bytes: None,
            profile: Profile { seconds, rows, ..Profile::default() },
        };
        RunProfile::new(1, vec![cell("data", 1.0, Vec::new()), cell("fit", 5.0, rows)])
    }

    #[test]
    fn rows_stand_by_their_own_time_with_what_no_row_has() {
        let table = profile_table(&profile(), 9);
        let shown: Vec<[&str; 5]> = table.rows.iter().map(|r| [0, 1, 3, 4, 5].map(|i| &*r[i])).collect();
        assert_eq!(
            shown,
            [
                ["fit", "model", "lstm", "4.00 s", "66.7\u{202f}%"],
                ["data", "", "not in any row", "1.00 s", "16.7\u{202f}%"],
                ["fit", "model", "own work", "500 ms", "8.3\u{202f}%"],
                ["fit", "validation", "lstm", "250 ms", "4.2\u{202f}%"],
                ["fit", "", "not in any row", "250 ms", "4.2\u{202f}%"],
            ]
        );
        // 24 · 10¹⁰ in 4 s.
        assert_eq!(table.rows[0][9], "60.0");
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        assert_eq!(profile_table(&profile(), 2).caption, "The 2 longest of 5 rows, by their own time");
    }

    #[test]
    fn layers_and_cells_add_up() {
        let layers = layers(&profile());
        assert_eq!(layers.rows.iter().map(|r| &*r[3]).collect::<Vec<_>>(), ["4.50 s", "250 ms"]);
        let cells = cells(&profile());
        assert_eq!(cells.rows[1][7], "5.0\u{202f}%");
        assert_eq!(cells.rows[0][5], "–");
        assert!(layers.rows.iter().all(|r| r.len() == layers.head.len()));
        assert!(cells.rows.iter().all(|r| r.len() == cells.head.len()));
        assert_eq!(
            profile_summary(&profile()),
            "6.00 s in 2 cells, 4.00 s of processor time, 1 thread, tensors at most 0 bytes"
        );
    }
}

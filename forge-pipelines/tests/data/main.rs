//! From a data file to scores: values that could be wrong, and input that is.

#![cfg(test)]

mod baselines;
mod clean;
mod csv_files;
mod csv_fuzz;
mod future;
mod metrics;
mod missing;
mod params;
mod prices;
mod roles;
mod splits;
mod synthetic;
mod transforms;
mod weather;
mod windows;

use forge_pipelines::frame::{Column, ColumnData, Frame, TimeColumn};
use forge_pipelines::prepare::Prepared;
use forge_pipelines::roles::Roles;
use forge_pipelines::sources::{CheckParams, CsvParams, Freq, Loaded, Severity, load};
use forge_pipelines::split::Split;
use forge_pipelines::transforms::TransformParam;
use std::path::{Path, PathBuf};

/// The folder of the example data.
fn example_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data")
}

fn prices(file: &str) -> Loaded {
    load(&CsvParams::new(file), &example_data(), &CheckParams::default()).unwrap()
}

/// The stock files of the data folder beside the checkout, which is not part of it. Where there is none this says so, and
/// fails if `FORGE_REQUIRE` names `shared`.
fn shared_stock() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/stock");
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    if paths.is_empty() {
        let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word.trim() == "shared"), "{} is required", folder.display());
        eprintln!("SKIPPED: {} is not there, so nothing was tested on it", folder.display());
    }
    paths
}

/// A frame of counted rows.
fn frame(columns: &[(&str, Vec<f64>)]) -> Frame {
    let rows = columns[0].1.len();
    Frame {
        name: "memory".into(),
        time: TimeColumn::Rows { len: rows },
        freq: Freq::Rows,
        columns: columns
            .iter()
            .map(|(name, values)| Column { name: (*name).into(), data: ColumnData::Number(values.clone()) })
            .collect(),
        lines: (2..rows as u64 + 2).collect(),
        missing_target: Severity::Warn,
    }
}

/// One target `y` with a chain.
fn prepared(values: &[f64], chain: &[TransformParam], split: &Split) -> Prepared {
    Prepared::new(&frame(&[("y", values.to_vec())]), split, &Roles::one("y", chain), &Roles::default())
        .unwrap()
}

//! A small spec with its data, and files beside the tests.

pub use super::bench::{Bench, Ended, ROOT, forge};
use std::path::{Path, PathBuf};

/// A small spec in every respect: an LSTM on 120 days of prices in `data/`, trained in a blink.
pub const SHORT: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: data/prices.csv, time: Date}
  - split: {}
  - target: {Close: [log, diff, standardize]}
  - window: {lookback: 8, horizon: 2}
  - id: lstm
    model: {lstm: {hidden: 8, layers: 2, dropout: 0.2}}
    train: {epochs: 4, stop: {}}
  - evaluate: {}
";

/// A folder with [`SHORT`] as `short.yaml`, and its data.
pub fn short() -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("data")).unwrap();
    let prices = Path::new(ROOT).join("tests/acceptance/golden/prices.csv");
    std::fs::copy(prices, bench.path("data/prices.csv")).unwrap();
    bench.write("short.yaml", SHORT);
    bench
}

/// Every file below a folder, as paths relative to it, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, base: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, base, found),
                false => found.push(path.strip_prefix(base).unwrap().to_str().unwrap().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// A file of the data folder beside the checkout, which is not part of it. Where there is none this says so, and fails if
/// `FORGE_REQUIRE` names `shared`.
pub fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(ROOT).join("../shared/data").join(file);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word.trim() == "shared"), "{} is required", path.display());
    eprintln!("SKIPPED: {file} is not there, so nothing was tested on it");
    None
}

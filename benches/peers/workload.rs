//! Times a workload, or the machine's limits, and prints one line of JSON, for `benches/peers/compare.py`:
//!
//! `workload NAME|limits [--threads N] [--steps N] [--warm N] [--infer] [--save FOLDER]`

#[path = "../peak.rs"]
mod peak;
mod workloads;

use azuraforge::{Parameters, checkpoint};
use std::path::Path;
use std::time::Instant;
use workloads::{Workload, operations};

/// Steps that are not timed, unless `--warm` says another number.
const WARM: usize = 5;
/// Losses, or outputs, that frameworks are compared by.
const COMPARED: usize = 10;

fn main() -> azuraforge::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |flag: &str| arguments.get(arguments.iter().position(|a| a == flag)? + 1);
    let after = |flag: &str| word(flag)?.parse::<usize>().ok();
    let name = arguments.first().map_or("w1", String::as_str);
    let threads = after("--threads").unwrap_or(1);
    if name == "limits" {
        let (gflops, gigabytes) = (peak::gflops(threads), peak::gigabytes(threads));
        println!(
            "{{\"gflops\": {gflops:.1}, \"gigabytes\": {gigabytes:.1}, \"words\": \"{}\"}}",
            peak::words()
        );
        return Ok(());
    }
    let steps = after("--steps").unwrap_or(100);
    let warm = after("--warm").unwrap_or(WARM);
    let infer = arguments.iter().any(|a| a == "--infer");
    azuraforge::set_threads(threads);
    let idle = resident();
    let mut workload = Workload::new(name)?;
    if let Some(folder) = word("--save") {
        return save(&workload, Path::new(folder));
    }
    let mut times = Vec::with_capacity(steps);
    let mut values = Vec::with_capacity(COMPARED);
    for number in 0..steps + warm {
        let clock = Instant::now();
        let value = if infer { f64::from(workload.infer(number)?[0]) } else { workload.step(number)? };
        let time = clock.elapsed().as_secs_f64() * 1e3;
        if number >= warm {
            times.push(time);
        }
        if number < COMPARED {
            values.push(format!("{value:.9e}"));
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    println!(
        "{{\"ms_median\": {median:.5}, \"ms_min\": {least:.5}, \"mb\": {:.1}, \"gflop\": {:.6}, \"values\": [{}]}}",
        resident() - idle,
        operations(name) / 1e9,
        values.join(", ")
    );
    Ok(())
}

/// Writes weights and data, so that other frameworks start from the same: `weights.safetensors` with PyTorch's names and
/// `data.safetensors` with `x` and `y`.
fn save(workload: &Workload, folder: &Path) -> azuraforge::Result<()> {
    checkpoint::save(&folder.join("weights.safetensors"), &workload.model.named_values(), &[])?;
    let data = [("x".into(), workload.x.detach()), ("y".into(), workload.y.detach())];
    checkpoint::save(&folder.join("data.safetensors"), &data, &[])
}

/// Peak resident memory in MB, where the system tells.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

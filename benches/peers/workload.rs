//! Times a workload and prints one line of JSON, for `benches/peers/compare.py`:
//!
//! `workload NAME [--threads N] [--steps N] [--infer]`

mod workloads;

use std::time::Instant;
use workloads::Workload;

fn main() -> azuraforge::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|a| a == flag)?;
        arguments.get(at + 1)?.parse::<usize>().ok()
    };
    let name = arguments.first().map_or("w1", String::as_str);
    let threads = after("--threads").unwrap_or(1);
    let steps = after("--steps").unwrap_or(100);
    let infer = arguments.iter().any(|a| a == "--infer");
    azuraforge::set_threads(threads);
    let idle = resident();
    let mut workload = Workload::new(name)?;
    let mut times = Vec::with_capacity(steps);
    let mut last = 0.0;
    for number in 0..steps + 5 {
        let clock = Instant::now();
        last = if infer { f64::from(workload.infer(number)?[0]) } else { workload.step(number)? };
        if number >= 5 {
            times.push(clock.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[times.len() / 2], times[0]);
    println!(
        "{{\"workload\": \"{name}\", \"task\": \"{}\", \"threads\": {threads}, \"ms_median\": {median:.5}, \"ms_min\": {least:.5}, \"mb\": {:.1}, \"last\": {last:.6}}}",
        if infer { "infer" } else { "train" },
        resident() - idle
    );
    Ok(())
}

/// Peak resident memory in MB, where the system tells.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

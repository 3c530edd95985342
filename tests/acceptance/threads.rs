//! Threads change the speed of a run, never a byte of its results.

use super::bench::Bench;

/// Wide enough that a step is worth several threads.
const SPEC: &str = "
forge: 1
task: forecast
cells:
  - data: {csv: msft.csv, time: Date, freq: sessions}
  - split: {by: time, train: 60%, val: 10%, test: 30%}
  - target: {Close: [log, diff, standardize]}
  - window: {lookback: 20, horizon: 2}
  - id: lstm
    model: {lstm: {hidden: 32}}
    train: {epochs: 1, batch: 64}
";

#[test]
fn one_two_and_eight_threads_give_the_same_bytes() {
    let bench = Bench::with_prices(SPEC);
    let files = |threads: usize| {
        bench.forge(&format!("run spec.yaml --fresh --threads {threads}")).with_code(0);
        let dir = bench.latest();
        let env = std::fs::read_to_string(dir.path().join("env.json")).unwrap();
        assert!(env.contains(&format!("\"threads\": {threads}")), "{env}");
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        (read("predictions.parquet"), read("fits/lstm/best.safetensors"))
    };
    let one = files(1);
    for threads in [2, 8] {
        let more = files(threads);
        assert!(one.0 == more.0, "{threads} threads: predictions differ");
        assert!(one.1 == more.1, "{threads} threads: weights differ");
    }
}

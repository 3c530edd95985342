//! One training step of each workload of `peers/workloads.rs`, and inference of one sample. The element rate is in
//! floating-point operations of the products; the machine's own limit is printed first.

mod peak;
#[path = "peers/workloads.rs"]
mod workloads;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use workloads::{NAMES, Workload, operations};

fn steps(c: &mut Criterion) {
    azuraforge::set_threads(1);
    println!("{}", peak::words());
    for name in NAMES {
        let mut workload = Workload::new(name).expect("the workload exists");
        let mut number = 0;
        let mut group = c.benchmark_group("step");
        group.sample_size(if matches!(name, "w2" | "w4") { 10 } else { 50 });
        if operations(name) > 0.0 {
            group.throughput(Throughput::Elements(operations(name) as u64));
        }
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                workload.step(number).expect("a step on finite data succeeds")
            });
        });
        group.finish();
    }
    // Of W6, a thousand operations that no tape records.
    for name in ["w1", "w3", "w6"] {
        let workload = Workload::new(name).expect("the workload exists");
        let mut number = 0;
        c.bench_function(&format!("infer/{name}"), |b| {
            b.iter(|| {
                number += 1;
                workload.infer(number).expect("a sample of finite numbers has an output")
            });
        });
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);

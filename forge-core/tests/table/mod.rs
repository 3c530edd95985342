//! What is asked of the table of operations as a whole, and the page `docs/operations.md` that is made of it.

use super::{DEVICE, OF_FAMILIES, Place, bits, draw, largest, on_each_device, smooth, tape, tensor};
use forge_core::backend::Scalar;
use forge_core::backend::reference::Array;
use forge_core::ops::{Checks, Operation, Sample, registry};
use forge_core::{DType, Device, Tensor};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Operations whose results are positions or truth values: nothing to differentiate. All others need a sample in whose
/// neighbourhood they are smooth.
const WITHOUT_DERIVATIVE: [&str; 8] = ["argmax", "argmin", "eq", "ge", "gt", "le", "lt", "ne"];

#[test]
fn every_operation_has_a_smooth_sample() {
    let without: BTreeSet<&str> =
        registry().iter().filter(|o| !(o.samples)().iter().any(smooth)).map(|o| o.name).collect();
    assert_eq!(without, BTreeSet::from(WITHOUT_DERIVATIVE));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for operation in registry() {
        on_each_device(&operation, || {
            for sample in (operation.samples)() {
                let tensors: Vec<Tensor> =
                    draw(&sample, 6).iter().map(|v| tensor(v, DType::F32, Place::Contiguous)).collect();
                let mask = if smooth(&sample) { (1 << tensors.len()) - 1 } else { 0 };
                let run = |threads| {
                    forge_core::set_threads(threads);
                    let (results, grads) = tape(&sample, &tensors, mask);
                    let grads: Vec<Vec<u64>> = grads
                        .into_iter()
                        .flatten()
                        .map(|g| g.into_iter().map(f64::to_bits).collect())
                        .collect();
                    (results.iter().map(bits).collect::<Vec<_>>(), grads)
                };
                let alone = run(1);
                for threads in [2, 8] {
                    assert!(run(threads) == alone, "{} ({}): {threads} threads", operation.name, sample.name);
                }
            }
        });
    }
}

/// The largest errors of a sample: in f32 as a multiple of the error of a plain f32 loop on the same data and half a
/// unit in the last place of the largest value, in f64 in such units.
fn errors(sample: &Sample) -> (f64, f64) {
    let values = draw(sample, 1);
    let wanted = (sample.values)(&values).unwrap();
    let narrow: Vec<Array<f32>> = values
        .iter()
        .map(|v| Array { shape: v.shape.clone(), data: v.data.iter().map(|&x| x as f32).collect() })
        .collect();
    let naive = (sample.naive)(&narrow).unwrap();
    let mut worst = (0.0f64, 0.0f64);
    for (k, wanted) in wanted.iter().enumerate() {
        let top = largest(&wanted.data).max(f64::MIN_POSITIVE);
        let distance = |found: Vec<f64>| {
            largest(&found.iter().zip(&wanted.data).map(|(f, w)| f - w).collect::<Vec<_>>())
        };
        let found = |dtype: DType| {
            let tensors: Vec<Tensor> = values.iter().map(|v| tensor(v, dtype, Place::Contiguous)).collect();
            distance((sample.run)(&tensors).unwrap()[k].to_f64_vec().unwrap())
        };
        // What no f32 holds is an infinity there, and is no error.
        if top < f64::from(f32::MAX) && top > f64::from(f32::MIN_POSITIVE) {
            let plain = distance(naive[k].data.iter().map(|v| v.to_f64()).collect());
            worst.0 = worst.0.max(found(DType::F32) / (plain + 0.5 * f64::from(f32::EPSILON) * top));
        }
        worst.1 = worst.1.max(found(DType::F64) / (f64::EPSILON * top));
    }
    worst
}

fn row(operation: &Operation) -> String {
    let samples = (operation.samples)();
    let mut worst = (0.0f64, 0.0f64);
    for sample in samples.iter().filter(|s| s.inputs.iter().all(|i| i.given.is_none())) {
        let found = errors(sample);
        worst = (worst.0.max(found.0), worst.1.max(found.1));
    }
    let devices = match OF_FAMILIES.iter().any(|part| operation.name.contains(part)) {
        true => "cpu, composed",
        false => "cpu",
    };
    let any = |f: &dyn Fn(&Sample) -> bool| samples.iter().any(f);
    let mut checked = vec![format!("values of {} samples in 3 layouts", samples.len())];
    if any(&smooth) {
        checked.push("exact derivatives, differences, masks".into());
    }
    let twins = |s: &Sample| {
        let shapes: Vec<&Vec<usize>> = s.inputs.iter().map(|i| &i.shape).collect();
        (0..shapes.len()).any(|i| shapes[..i].contains(&shapes[i]))
    };
    if any(&|s| s.checks == Checks::All && twins(s)) {
        checked.push("repeated operand".into());
    }
    match (operation.errors)().len() {
        0 => {}
        1 => checked.push("1 error message".into()),
        n => checked.push(format!("{n} error messages")),
    }
    format!(
        "| `{}` | {} | f32, f64 | {devices} | {} | {:.1} | {:.1} |",
        operation.name,
        operation.formula.replace('|', "\\|").replace('*', "\\*").replace('_', "\\_"),
        checked.join("; "),
        worst.0,
        worst.1
    )
}

fn page() -> String {
    DEVICE.set(Device::cpu());
    let mut operations = registry();
    operations.sort_by_key(|o| o.name);
    let mut page = String::from(
        "# Operations

Made from the registry by the verification harness (`forge-core/tests/operations.rs`); do not edit.
`FORGE_BLESS=1 cargo test -p forge-core --test operations page` writes it anew.

- **Values** are compared with naive loops in f64, operands lying in order, transposed and as a slice with steps. In f32 the
  error may be four times that of a naive f32 loop on the same data and four units in the last place of the largest value.
- **Exact derivatives** are those of dual numbers through the naive loops, to 1e-12. **Differences** are five-point central
  ones. **Masks** are all subsets of operands that want a gradient. A **repeated operand** is the same tensor twice.
- **Error messages** are compared letter by letter.
- All of it gives the same bits on 1, 2 and 8 threads.
- On the device `composed`, operations that a family does run without the CPU's own kernels.
- **f32**: the worst error of a random sample as a multiple of the naive f32 loop's (plus half a unit in the last place).
  **f64**: the worst error in units in the last place of the largest value. Both differ a little between processors; they are
  those of the machine that wrote the page.

| operation | formula | types | devices | checked | f32 | f64 |
|---|---|---|---|---|---|---|
",
    );
    operations.iter().for_each(|o| writeln!(page, "{}", row(o)).unwrap());
    writeln!(page, "\n{} operations.", operations.len()).unwrap();
    page
}

/// Without the two columns of errors, which depend on the processor.
fn stable(page: &str) -> Vec<String> {
    let line = |line: &str| match line.strip_suffix(" |") {
        Some(row) => row.rsplitn(3, " | ").last().unwrap_or(row).to_string(),
        None => line.to_string(),
    };
    page.lines().map(line).collect()
}

#[test]
fn the_page_of_operations_is_that_of_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = page();
    if std::env::var_os("FORGE_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = stable(&std::fs::read_to_string(&path).unwrap_or_default());
    for (n, line) in stable(&page).into_iter().enumerate() {
        assert_eq!(
            committed.get(n),
            Some(&line),
            "docs/operations.md, line {}: write it anew with FORGE_BLESS=1",
            n + 1
        );
    }
    assert_eq!(
        committed.len(),
        page.lines().count(),
        "docs/operations.md has lines that belong to no operation"
    );
}

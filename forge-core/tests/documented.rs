//! Every public item says what it is, when it fails, and shows itself in an example that runs and asserts; operations
//! state formula and shapes, layers and optimizers their source.

#![allow(clippy::unwrap_used)]

mod sources;

use sources::{Kind, Reached, Sources};
use std::path::Path;

/// Kernels and oracles, of which users see only what `backend` exports.
const INNER: [&str; 3] = ["backend::composed", "backend::cpu", "backend::reference"];

/// What an item lacks.
fn lacks(reached: &Reached, all: &[Reached], sourced: &[String]) -> Vec<&'static str> {
    let (item, docs) = (reached.item, &reached.item.docs);
    let mut lacks = Vec::new();
    if docs.text().is_empty() {
        lacks.push("docs");
    }
    let around = || reached.of_owner.into_iter().chain(reached.of_module);
    let operation = reached.is_operation();
    let alone = operation || (item.kind == Kind::Function && item.owner.is_none());
    let linked = || {
        let to = |other: &&Reached| {
            docs.links().any(|(owner, name)| {
                other.item.name == name && (owner.is_none() || owner == other.item.owner.as_deref())
            })
        };
        all.iter().filter(to).map(|other| &other.item.docs)
    };
    let named = || around().chain(linked()).any(|docs| docs.names(&item.name, item.kind == Kind::Function));
    if !docs.shows() && (alone || !named()) {
        lacks.push(if alone {
            "an example of its own"
        } else {
            "an example, its own or in the docs of its type, its module or an item it links to"
        });
    }
    if item.fallible && !docs.has_errors() && !around().any(|docs| docs.has_errors()) {
        lacks.push("a section `# Errors`");
    }
    if operation && !docs.has_formula() {
        lacks.push("a formula in backticks");
    }
    if operation && !docs.has_shapes() {
        lacks.push("its shapes");
    }
    if item.owner.is_none() && sourced.contains(&item.name) && !docs.has_year() && !docs.has_formula() {
        lacks.push("its source: a paper with its year, or the formula");
    }
    lacks
}

impl Reached<'_> {
    /// Whether it is an operation on tensors.
    fn is_operation(&self) -> bool {
        let among = self.source.module.starts_with("ops::");
        let of_tensors = self.item.owner.as_deref() == Some("Tensor") || self.item.owner.is_none();
        among && of_tensors && self.item.kind == Kind::Function
    }
}

fn report(sources: &Sources) -> String {
    let reached = sources.reached(&INNER);
    let sourced = sources.implementing(&["Module", "Optimizer"]);
    let mut report = String::new();
    for r in &reached {
        for what in lacks(r, &reached, &sourced) {
            let (file, line, name) = (&r.source.path, r.item.line, &r.item.name);
            report += &format!("src/{file}:{line}: `{name}` lacks {what}\n");
        }
    }
    report
}

#[test]
fn every_public_item_is_documented() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let count = sources.reached(&INNER).len();
    assert!(count > 500, "only {count} public items found: the scanner misses some");
    let report = report(&sources);
    assert!(report.is_empty(), "{} of {count} public items:\n{report}", report.lines().count());
}

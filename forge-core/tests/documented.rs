//! Every public item says what it is, when it fails, and shows itself in an example that runs and asserts; operations
//! state formula and shapes, layers and optimizers their source.

#![allow(clippy::unwrap_used)]

mod sources;

use sources::{Kind, Reached, Sources};
use std::path::Path;

/// Kernels and oracles, of which users see only what `backend` exports.
const INNER: [&str; 3] = ["backend::composed", "backend::cpu", "backend::reference"];

/// What an item lacks.
fn lacks(reached: &Reached, all: &[Reached], [layers, rules]: [&[String]; 2]) -> Vec<&'static str> {
    let (item, docs) = (reached.item, &reached.item.docs);
    let mut lacks = Vec::new();
    if docs.text().is_empty() || docs.text().starts_with('#') {
        lacks.push("words on what it is");
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
        lacks.push("a formula");
    }
    if (operation || item.owner.is_none() && layers.contains(&item.name)) && !docs.has_shapes() {
        lacks.push("its shapes");
    }
    if item.owner.is_none()
        && [layers, rules].iter().any(|all| all.contains(&item.name))
        && !docs.has_year()
        && !docs.has_formula()
    {
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
    let [layers, rules] = ["Module", "Optimizer"].map(|of| sources.implementing(of));
    let mut report = String::new();
    for r in &reached {
        for what in lacks(r, &reached, [&layers, &rules]) {
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

/// The report of a crate whose only module with items is `ops`, in `softmax.rs`.
fn of_operation(text: &str) -> String {
    report(&Sources::of(&[
        ("lib.rs", "pub mod ops;\npub use tensor::Tensor;\nmod tensor;\n"),
        (
            "tensor.rs",
            "/// An array.\n///\n/// ```\n/// assert_eq!(Tensor::new().rank(), 0);\n/// ```\npub struct Tensor;\n",
        ),
        ("ops/mod.rs", "mod softmax;\n"),
        ("ops/softmax.rs", text),
    ]))
}

const WHOLE: &str = "impl Tensor {
    /// `eˣ / Σ eˣ`: `[a, b]` → `[a, b]`.
    ///
    /// ```
    /// assert_eq!(x.softmax(0)?.count(), 2);
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist.
    pub fn softmax(&self, axis: usize) -> Result<Tensor> {
    }

    /// The number of dimensions.
    fn private(&self) {
    }
}
";

#[test]
fn what_an_operation_lacks_is_reported_with_its_line() {
    assert_eq!(of_operation(WHOLE), "");
    let without = |part: &str| {
        assert!(WHOLE.contains(part), "{part}");
        of_operation(&WHOLE.replace(part, ""))
    };
    let lacks = |line: usize, what: &str| format!("src/ops/softmax.rs:{line}: `softmax` lacks {what}\n");
    let example = "    /// ```\n    /// assert_eq!(x.softmax(0)?.count(), 2);\n    /// ```\n";
    assert_eq!(without(example), lacks(7, "an example of its own"));
    assert_eq!(without("assert_eq!"), lacks(10, "an example of its own"));
    assert_eq!(without("    /// # Errors\n"), lacks(9, "a section `# Errors`"));
    assert_eq!(without("`eˣ / Σ eˣ`: "), "", "an arrow between shapes is a formula, too");
    assert_eq!(without("`eˣ / Σ eˣ`: `[a, b]` → "), lacks(10, "a formula"));
    assert_eq!(without(": `[a, b]` → `[a, b]`"), lacks(10, "its shapes"));
}

#[test]
fn setters_may_be_shown_by_their_type_and_a_layer_names_its_source() {
    let layer = |docs: &str, example: &str| {
        let shown = format!("///\n/// ```\n/// assert!({example});\n/// ```\n");
        let methods = "    /// New.\n    pub fn new() -> Self {\n    }\n\n    /// The ε.\n    pub fn eps(self) -> Self {\n    }\n";
        let text = format!(
            "{docs}{shown}pub struct Norm;\nimpl Norm {{\n{methods}}}\nimpl Module for Norm {{\n}}\n"
        );
        report(&Sources::of(&[("lib.rs", "pub mod nn;\n"), ("nn.rs", &text)]))
    };
    let (sourced, shown) = ("/// Norm of `[n]`. Ba and others, 2016.\n", "Norm::new().eps(0.0)");
    assert_eq!(layer(sourced, shown), "");
    let missing = "an example, its own or in the docs of its type, its module or an item it links to";
    assert_eq!(layer(sourced, "Norm::new()"), format!("src/nn.rs:13: `eps` lacks {missing}\n"));
    let source = "its source: a paper with its year, or the formula";
    assert_eq!(layer("/// Norm of `[n]`.\n", shown), format!("src/nn.rs:6: `Norm` lacks {source}\n"));
    assert_eq!(layer("/// Norm. Ba, 2016.\n", shown), "src/nn.rs:6: `Norm` lacks its shapes\n");
    assert_eq!(layer("", shown).lines().next(), Some("src/nn.rs:5: `Norm` lacks words on what it is"));
}

/// A state dict, or operands and results, of every layer are compared with PyTorch's in one of these files.
#[test]
fn every_layer_is_compared_with_pytorchs() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = ["golden", "images", "sequences", "state_dict"]
        .map(|name| std::fs::read_to_string(here.join(format!("tests/{name}.rs"))).unwrap());
    let sources = Sources::read(&here.join("src"));
    // Dropout draws its own random numbers; tests/operations.rs has it.
    let layers = sources.implementing("Module").into_iter().filter(|name| name != "Dropout");
    let names = |text: &String, name: &str| {
        text.match_indices(name).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric()))
    };
    let missing: Vec<String> = layers.filter(|layer| !texts.iter().any(|text| names(text, layer))).collect();
    assert!(missing.is_empty(), "no test compares {missing:?} with PyTorch's");
}

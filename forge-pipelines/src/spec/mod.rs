//! The spec language: from the text of a YAML notebook to typed cells, with every mistake reported at once and at
//! its place.
//!
//! 1. [`Document::parse`] reads the text twice: for its values, and for the place of each key and value.
//! 2. [`Document::set`] lays `-s ADDRESS=value` over it.
//! 3. [`load`] checks it against the JSON Schema of a [`Vocabulary`] of actions and gives a [`Spec`], or
//!    [`Diagnostics`] that print as a compiler's do.
//!
//! ```
//! use forge_pipelines::spec::{Document, Vocabulary, load};
//! use serde_json::json;
//! let vocabulary = Vocabulary::new()
//!     .action("data", json!({"type": "object", "properties": {"csv": {"type": "string"}}}))
//!     .action("target", json!({"type": "string"}));
//! let text = "forge: 1\ntask: forecast\ndata: {csv: prices.csv}\ntarget: Close\n";
//! let mut document = Document::parse("prices.yaml", text).unwrap();
//! document.set("seed=7");
//! let spec = load(document, &vocabulary).unwrap();
//! assert_eq!(spec.seed, 7);
//! assert_eq!(spec.cells[1].id, "target");
//! ```

mod address;
mod bare_names;
mod cells;
mod claims;
mod codes;
mod diagnostic;
mod document;
mod fragment;
mod hint;
mod index;
mod load;
mod notebook;
mod outline;
mod overrides;
mod path;
mod prose;
mod render;
mod report;
mod syntax;
mod vocabulary;
mod walker;
mod yaml;

pub use address::{Address, AddressError};
pub use claims::{Claim, Comparison};
pub use codes::{CODES, Code, explain_code};
pub use diagnostic::{DataPlace, Diagnostic, Diagnostics, Level, Place};
pub use document::{Document, Origin};
pub use load::load;
pub use notebook::{ActionSpec, Allowance, CellSpec, Spec, Task};
pub use path::{Path, Segment};
pub use prose::render_prose;
pub use vocabulary::{ActionEntry, DEFAULT_SEED, VERSION, Vocabulary};
pub(crate) use yaml::yaml;

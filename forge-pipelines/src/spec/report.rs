use super::diagnostic::{Diagnostic, Place};
use super::document::Document;
use super::outline::Outline;
use super::path::Path;

/// Findings on a document, each put at its place and into its cell as it comes.
pub(super) struct Report<'a> {
    document: &'a Document,
    outline: &'a Outline,
    items: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(document: &'a Document, outline: &'a Outline) -> Self {
        Report { document, outline, items: Vec::new() }
    }

    /// An empty report on the same document.
    pub(super) fn fresh(&self) -> Report<'a> {
        Report::new(self.document, self.outline)
    }

    /// Takes a finding about the value at `path`; its label is kept.
    pub(super) fn at_value(&mut self, path: &Path, finding: Diagnostic) {
        self.put(path, self.document.place_of(path), finding);
    }

    /// Takes a finding about the key of `path`.
    pub(super) fn at_key(&mut self, path: &Path, finding: Diagnostic) {
        self.put(path, self.key_place(path), finding);
    }

    /// Takes a finding about a piece of the text at `path`, by its `nth` occurrence.
    pub(super) fn at_part(&mut self, path: &Path, part: &str, nth: usize, finding: Diagnostic) {
        self.put(path, self.document.place_of_part(path, part, nth), finding);
    }

    pub(super) fn key_place(&self, path: &Path) -> Place {
        // The root has no key: its first line stands for it.
        match path.segments().is_empty() {
            true => self.document.place_of(path),
            false => self.document.key_place_of(path),
        }
    }

    pub(super) fn value_place(&self, path: &Path) -> Place {
        self.document.place_of(path)
    }

    pub(super) fn quoted(&self, path: &Path) -> bool {
        self.document.quoted(path)
    }

    pub(super) fn raw(&self, path: &Path) -> Option<String> {
        self.document.raw(path)
    }

    pub(super) fn extend(&mut self, items: Vec<Diagnostic>) {
        self.items.extend(items);
    }

    pub(super) fn into_items(self) -> Vec<Diagnostic> {
        self.items
    }

    fn put(&mut self, path: &Path, place: Place, mut finding: Diagnostic) {
        // A text that was misread (`.nan`, `lookback:60`) has been explained; what follows from it is no news.
        if self.document.pending.iter().any(|known| known.place.as_ref() == Some(&place)) {
            return;
        }
        finding.place = Some(place);
        finding.cell = self.outline.cell_of(path).map(|cell| cell.id.clone());
        self.items.push(finding);
    }
}

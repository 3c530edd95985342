use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::hint::nearest;
use super::index::{At, Index, Indexed};
use super::path::{Path, Segment};
use super::render::line_column;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

const MINIMAL: &str = "forge: 1, task: forecast, data: {csv: prices.csv}, target: Close";

/// Where a value of a resolved spec comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Written in the spec.
    Spec {
        /// Line, from 1.
        line: usize,
    },
    /// Not written anywhere.
    Default,
    /// Given on the command line.
    Override(String),
}

/// The text of a spec, its values, and the place of each.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) name: String,
    pub(super) text: Arc<str>,
    pub(super) value: Value,
    index: Index,
    pub(super) overrides: Vec<Override>,
    /// Findings that did not keep the text from being read.
    pub(super) pending: Vec<Diagnostic>,
}

/// One `-s ADDRESS=value`.
#[derive(Clone, Debug)]
pub(super) struct Override {
    /// As typed, without the `-s`.
    pub text: String,
    /// What it sets, once that is known, with the places inside its own value.
    pub target: Option<(Path, Index)>,
}

impl Document {
    /// Reads a spec file.
    ///
    /// # Errors
    /// The file cannot be opened, is not UTF-8, or does not pass [`parse`](Document::parse).
    pub fn read(path: impl AsRef<std::path::Path>) -> Result<Document, Diagnostics> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let refuse = |item| Err(Diagnostics::new(name.clone(), "", vec![item]));
        match std::fs::read(path) {
            Err(error) => {
                let help = match similar_file(path) {
                    Some(near) => format!("did you mean `{}`?", near.display()),
                    None => "name a file that exists, such as `forge run examples/stock.yaml`".to_string(),
                };
                refuse(
                    Diagnostic::error("E0160", format!("cannot read the spec `{name}`: {error}")).help(help),
                )
            }
            Ok(bytes) => Document::from_bytes(&name, bytes),
        }
    }

    /// Reads the bytes of a spec file called `name`.
    ///
    /// # Errors
    /// The bytes are not UTF-8 text, or the text does not pass [`parse`](Document::parse).
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Document, Diagnostics> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Document::parse(name, &text),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let utf16 = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let help = match utf16 {
            true => "this is UTF-16: save the file as UTF-8",
            false => "save the file as UTF-8 in your editor",
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let item = Diagnostic::error("E0114", "the spec is not UTF-8 text")
            .at(Place::Spec(at..at + '\u{fffd}'.len_utf8()), format!("byte {byte:#04x} is not UTF-8"))
            .help(help);
        Err(Diagnostics::new(name, text, vec![item]))
    }

    /// Reads a spec's text; `name` is what messages call it.
    ///
    /// # Errors
    /// The text is empty, is not YAML, or uses YAML that a spec does not take: aliases, anchors, tags, several
    /// documents, keys that are not names. Duplicate keys, `.nan` and missing spaces after colons are kept for
    /// [`load`](super::load), which reports them with everything else.
    ///
    /// ```
    /// use forge_pipelines::spec::Document;
    /// let broken = Document::parse("stock.yaml", "forge: 1\ndata: *prices\n").unwrap_err();
    /// assert_eq!(broken.items()[0].code, "E0111");
    /// assert_eq!(broken.line_column(15), (2, 7));
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Document, Diagnostics> {
        let refuse = |items| Diagnostics::new(name, text, items);
        // A byte order mark is no part of the YAML, but the places count it.
        let base = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let (value, indexed) = read_yaml(&text[base..], base, &Place::Spec).map_err(refuse)?;
        if indexed.empty {
            return Err(refuse(vec![
                Diagnostic::error("E0113", "the spec is empty")
                    .help(format!("the shortest spec is {{{MINIMAL}}}, one key a line")),
            ]));
        }
        Ok(Document {
            name: name.to_string(),
            text: Arc::from(text),
            value,
            index: indexed.index,
            overrides: Vec::new(),
            pending: indexed.found,
        })
    }

    /// Lays `ADDRESS=value` over the spec, as `-s` does. Whether the address exists and the value fits is
    /// found out by [`load`](super::load).
    pub fn set(&mut self, text: &str) {
        self.overrides.push(Override { text: text.to_string(), target: None });
    }

    /// What messages call the spec.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values; those of a document that [`load`](super::load) has taken have the overrides laid over them.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The overrides, as `ADDRESS=value`, in order.
    pub fn overrides(&self) -> impl Iterator<Item = &str> {
        self.overrides.iter().map(|over| over.text.as_str())
    }

    /// Where the value at `path` comes from: the spec, an override, or (when neither has it) a default.
    pub fn origin_of(&self, path: &Path) -> Origin {
        if value_at(&self.value, path).is_none() {
            return Origin::Default;
        }
        match self.locate(path) {
            Some((Source::Override(number), _)) => Origin::Override(self.overrides[number].text.clone()),
            Some((Source::Spec, at)) => Origin::Spec { line: line_column(&self.text, at.value.start).0 },
            None => Origin::Default,
        }
    }

    /// The place of a value, or of the nearest enclosing value that has one.
    pub fn place_of(&self, path: &Path) -> Place {
        self.nearest(path, |at| at.value)
    }

    /// The place of a value's key; of the value itself where it has none (list items).
    pub fn key_place_of(&self, path: &Path) -> Place {
        self.nearest(path, |at| at.key.unwrap_or(at.value))
    }

    /// The innermost path whose key or value holds a byte of the spec's text.
    pub(super) fn path_at(&self, byte: usize) -> Option<Path> {
        let holds =
            |at: &At| at.key.as_ref().is_some_and(|key| key.contains(&byte)) || at.value.contains(&byte);
        let around = self.index.iter().filter(|(_, at)| holds(at));
        around.map(|(path, _)| path).max_by_key(|path| path.segments().len()).cloned()
    }

    /// Findings in this document, ready to print.
    pub fn diagnostics(&self, items: Vec<Diagnostic>) -> Diagnostics {
        let overrides = self.overrides().map(str::to_string).collect();
        Diagnostics::with_overrides(&*self.name, self.text.clone(), overrides, items)
    }

    /// The value as it is written, if it is written on one line.
    pub(super) fn raw(&self, path: &Path) -> Option<String> {
        let (source, at) = self.locate(path)?;
        let raw = match source {
            Source::Spec => self.text.get(at.value)?.to_string(),
            Source::Override(number) => {
                format!("-s {}", self.overrides[number].text).get(at.value)?.to_string()
            }
        };
        (!raw.is_empty() && !raw.contains('\n')).then_some(raw)
    }

    /// Whether the value is text because it stands in quotes.
    pub(super) fn quoted(&self, path: &Path) -> bool {
        self.locate(path).is_some_and(|(_, at)| at.quoted)
    }

    /// Bytes of the spec's text that hold this value and its key; none if an override holds it.
    pub(super) fn written(&self, path: &Path) -> Option<At> {
        self.index.get(path).cloned()
    }

    /// The place of `part`, a piece of the text value at `path`, by its `nth` occurrence.
    pub(super) fn place_of_part(&self, path: &Path, part: &str, nth: usize) -> Place {
        let whole = self.place_of(path);
        let (text, range) = match &whole {
            Place::Spec(range) => (self.text.to_string(), range),
            Place::Override { number, range } => (format!("-s {}", self.overrides[*number].text), range),
            Place::Data(_) => return whole,
        };
        let Some((offset, _)) =
            text.get(range.clone()).and_then(|inside| inside.match_indices(part).nth(nth))
        else {
            return whole;
        };
        let found = range.start + offset..range.start + offset + part.len();
        match whole {
            Place::Override { number, .. } => Place::Override { number, range: found },
            _ => Place::Spec(found),
        }
    }

    fn nearest(&self, path: &Path, pick: impl Fn(At) -> Range<usize>) -> Place {
        let mut at = Some(path.clone());
        while let Some(here) = at {
            if let Some((source, found)) = self.locate(&here) {
                return source.place(pick(found));
            }
            at = here.parent();
        }
        Place::Spec(0..0)
    }

    fn locate(&self, path: &Path) -> Option<(Source, At)> {
        let over = self.overrides.iter().enumerate().rev().find_map(|(number, over)| {
            let (target, index) = over.target.as_ref()?;
            let below = path.below(target)?;
            Some((Source::Override(number), index.get(&Path::from(below.to_vec()))?.clone()))
        });
        let spec = || Some((Source::Spec, self.index.get(path)?.clone()));
        // A map that exists only because an override reaches into it.
        let around = || {
            self.overrides.iter().enumerate().find_map(|(number, over)| {
                let (target, index) = over.target.as_ref()?;
                target.below(path)?;
                Some((Source::Override(number), index.get(&Path::root())?.clone()))
            })
        };
        over.or_else(spec).or_else(around)
    }
}

/// The spec beside a missing file whose name is most like it.
fn similar_file(missing: &std::path::Path) -> Option<std::path::PathBuf> {
    let folder = missing.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let entries =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: Vec<String> =
        entries.filter(|name| name.ends_with(".yaml") || name.ends_with(".yml")).collect();
    let wanted = missing.file_name()?.to_str()?;
    let near = nearest(wanted, names.iter().map(String::as_str).filter(|name| *name != wanted))?;
    Some(missing.with_file_name(near))
}

#[derive(Clone, Copy)]
enum Source {
    Spec,
    Override(usize),
}

impl Source {
    fn place(self, range: Range<usize>) -> Place {
        match self {
            Source::Spec => Place::Spec(range),
            Source::Override(number) => Place::Override { number, range },
        }
    }
}

/// Values and places of a YAML text that begins at byte `base` of what `place` makes places of.
pub(super) fn read_yaml(
    text: &str,
    base: usize,
    place: &dyn Fn(Range<usize>) -> Place,
) -> Result<(Value, Indexed), Vec<Diagnostic>> {
    // Line breaks of YAML 1.1 only: the two parsers would not agree on what the text says.
    if let Some((at, c)) = text.char_indices().find(|(_, c)| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}'))
    {
        let code = format!("U+{:04X}", c as u32);
        return Err(vec![
            Diagnostic::error("E0101", format!("the invisible line separator {code} stands in the text"))
                .at(place(at + base..at + base + c.len_utf8()), code)
                .help("delete it; it often comes with text pasted from a word processor"),
        ]);
    }
    let mut indexed = Index::read(text, base, place);
    if let Some(fatal) = indexed.fatal.take() {
        indexed.found.push(fatal);
        return Err(indexed.found);
    }
    if indexed.empty {
        return Ok((Value::Null, indexed));
    }
    match serde_yaml::from_str::<Value>(text) {
        Ok(value) => Ok((value, indexed)),
        Err(error) => {
            let at = error.location().map_or(0, |found| byte_of(text, found.line(), found.column())) + base;
            indexed.found.push(
                Diagnostic::error("E0101", "this is not YAML that a spec can use")
                    .at(place(at..at), "reading stops here")
                    .note(format!("the parser says: {error}")),
            );
            Err(indexed.found)
        }
    }
}

/// Byte of a line and column that count from 1, the column in characters.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(byte, _)| byte)
}

/// The value at a path, if there is one.
pub(super) fn value_at<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Key(name) => value.get(name),
        Segment::Index(position) => value.get(position),
    })
}

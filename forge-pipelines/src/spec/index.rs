//! Where each key and value of a YAML text stands, and the YAML that the spec language does not take.

use super::diagnostic::{Diagnostic, Place};
use super::path::{Path, Segment};
use super::syntax;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::ops::Range;

/// Deepest nesting of maps and lists. A spec needs about ten.
const MAX_DEPTH: usize = 64;

/// Bytes of a value and of the key that it stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// The key; none for the root and for list items.
    pub key: Option<Range<usize>>,
    /// The value, without the blanks after it.
    pub value: Range<usize>,
    /// Whether the value is text because it is written in quotes or as a block.
    pub quoted: bool,
}

/// The places of a text, by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    at: HashMap<Path, At>,
}

/// What came of reading a text for places.
pub(super) struct Indexed {
    pub index: Index,
    /// Findings in YAML that can still be read.
    pub found: Vec<Diagnostic>,
    /// The finding after which there is no point in reading on.
    pub fatal: Option<Diagnostic>,
    /// Whether there is any value at all.
    pub empty: bool,
}

enum Frame {
    Map { path: Path, key: Option<(String, Range<usize>)>, seen: HashMap<String, Range<usize>> },
    List { path: Path, next: usize },
}

struct Reader<'a> {
    text: &'a str,
    base: usize,
    /// Byte of each character: the parser counts characters, slices count bytes.
    bytes: Vec<usize>,
    place: &'a dyn Fn(Range<usize>) -> Place,
    stack: Vec<Frame>,
    last_end: usize,
    documents: usize,
    out: Indexed,
}

impl Index {
    /// Reads `text`, which begins at byte `base` of what `place` makes places of.
    pub(super) fn read(text: &str, base: usize, place: &dyn Fn(Range<usize>) -> Place) -> Indexed {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        let out = Indexed { index: Index::default(), found: Vec::new(), fatal: None, empty: true };
        let mut reader =
            Reader { text, base, bytes, place, stack: Vec::new(), last_end: 0, documents: 0, out };
        for event in Parser::new_from_str(text) {
            let step = match event {
                Ok((event, span)) => reader.take(event, &span),
                Err(error) => {
                    let at = reader.byte(error.marker().index());
                    Err(Box::new(syntax::explain(text, at, error.info(), &|range| reader.place(range))))
                }
            };
            if let Err(fatal) = step {
                reader.out.fatal = Some(*fatal);
                break;
            }
        }
        reader.out
    }

    /// Says where the key of the whole text stands, when it stands outside (an override's address).
    pub(super) fn set_root_key(&mut self, key: Range<usize>) {
        if let Some(root) = self.at.get_mut(&Path::root()) {
            root.key = Some(key);
        }
    }

    /// Every path with its places, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &At)> {
        self.at.iter()
    }

    /// The places of the value at a path.
    pub(super) fn get(&self, path: &Path) -> Option<&At> {
        self.at.get(path)
    }
}

impl Reader<'_> {
    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index()).max(start);
        start..start + self.text[start..end].trim_end().len()
    }

    fn place(&self, range: Range<usize>) -> Place {
        (self.place)(range.start + self.base..range.end + self.base)
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Box<Diagnostic>> {
        match event {
            Event::DocumentStart(_) => self.document(span),
            Event::MappingEnd | Event::SequenceEnd => {
                self.close(span);
                Ok(())
            }
            Event::Alias(_) => Err(Box::new(syntax::alias(self.place(self.range(span))))),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), span)?;
                self.scalar(&text, style, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), span)?;
                self.open(span, true)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), span)?;
                self.open(span, false)
            }
            _ => Ok(()),
        }
    }

    fn document(&mut self, span: &Span) -> Result<(), Box<Diagnostic>> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error("E0112", "a spec is one YAML document, and a second one begins here")
                .at(self.place(self.range(span)), "a second document")
                .help("remove the `---`, or put the second spec in a file of its own"),
        ))
    }

    fn plain_only(&self, anchor: usize, tag: bool, span: &Span) -> Result<(), Box<Diagnostic>> {
        if anchor == 0 && !tag {
            return Ok(());
        }
        let range = self.range(span);
        // The parser's span begins after the anchor or tag: step back over it to mark it.
        let line = self.text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = self.text[line..range.start].trim_end();
        let mark = before.rfind(['&', '!']).map_or(range.clone(), |sign| {
            let sign = line + sign;
            let word = self.text[sign..line + before.len()].split_whitespace().next().unwrap_or("");
            sign..sign + word.len()
        });
        let (what, help) = match tag {
            true => ("tags", "leave the tag out; a kind is a one-key map, such as `lstm: {hidden: 64}`"),
            false => ("anchors", "leave the anchor out and write the value where it is used"),
        };
        Err(Box::new(
            Diagnostic::error("E0111", format!("a spec has no {what}"))
                .at(self.place(mark), format!("one of YAML's {what}"))
                .help(help),
        ))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: &Span) -> Result<(), Box<Diagnostic>> {
        let plain = style == ScalarStyle::Plain;
        let range = self.range(span);
        // The parser gives a value that is not there the width of the comma after it.
        let range = if plain && text.is_empty() { range.start..range.start } else { range };
        if let Some(Frame::Map { path, key: key @ None, seen }) = self.stack.last_mut() {
            let path = path.clone();
            *key = Some((text.to_string(), range.clone()));
            let first = seen.insert(text.to_string(), range.clone());
            self.last_end = range.end;
            return self.key(text, plain, &path, range, first);
        }
        if plain
            && matches!(
                text.trim_start_matches(['+', '-']),
                ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
            )
        {
            self.out.found.push(
                Diagnostic::error("E0119", format!("`{text}` is not a number that a spec can use"))
                    .at(self.place(range.clone()), "not a finite number"),
            );
        }
        if plain && too_large(text) {
            return Err(Box::new(
                Diagnostic::error("E0106", format!("{text} is too large a number"))
                    .at(self.place(range), "a whole number has at most 19 digits"),
            ));
        }
        let joined = match self.stack.last() {
            Some(Frame::Map { key: Some((name, at)), .. }) if plain && range.is_empty() => joined(name, at),
            _ => None,
        };
        if let Some((range, name, rest)) = joined {
            self.out.found.push(
                Diagnostic::error("E0118", format!("there is no space after the colon in `{name}:{rest}`"))
                    .at(self.place(range), "read as one long key")
                    .help(format!("write `{name}: {rest}`")),
            );
        }
        self.enter(range, !plain);
        Ok(())
    }

    fn key(
        &mut self,
        text: &str,
        plain: bool,
        path: &Path,
        range: Range<usize>,
        first: Option<Range<usize>>,
    ) -> Result<(), Box<Diagnostic>> {
        if text == "<<" && plain {
            return Err(Box::new(
                Diagnostic::error("E0111", "a spec has no merge keys")
                    .at(self.place(range), "YAML's merge key")
                    .help("write the keys out here"),
            ));
        }
        if let Some(first) = first {
            let owner = path.last_key().map(|name| format!(" in `{name}`")).unwrap_or_default();
            self.out.found.push(
                Diagnostic::error("E0110", format!("`{text}` is given twice{owner}"))
                    .at(self.place(range), "given again here")
                    .context(self.place(first), "first given here")
                    .help("keep one of the two"),
            );
        }
        Ok(())
    }

    fn open(&mut self, span: &Span, map: bool) -> Result<(), Box<Diagnostic>> {
        let range = self.range(span);
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            return Err(Box::new(self.strange_key(range)));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Box::new(
                Diagnostic::error("E0116", format!("more than {MAX_DEPTH} levels of nesting"))
                    .at(self.place(range), "too deep"),
            ));
        }
        let path = self.enter(range, false);
        self.stack.push(match map {
            true => Frame::Map { path, key: None, seen: HashMap::new() },
            false => Frame::List { path, next: 0 },
        });
        Ok(())
    }

    fn strange_key(&self, range: Range<usize>) -> Diagnostic {
        let braces = range.start > 0 && self.text[range.start - 1..].starts_with("{{");
        if !braces {
            return Diagnostic::error("E0120", "a key must be a plain name")
                .at(self.place(range), "a list or a map used as a key")
                .help("if this is text, put it in quotes");
        }
        let start = range.start - 1;
        let end = self.text[start..].find("}}").map_or(start + 2, |close| start + close + 2);
        let written = &self.text[start..end];
        Diagnostic::error("E0117", "text with `{{ }}` must stand in quotes")
            .at(self.place(start..end), "YAML reads these braces as a map")
            .help(format!("write \"{written}\"; `{{{{ }}}}` is filled in inside prose (`md`) only"))
    }

    /// Notes the place of a value that begins, and gives its path.
    fn enter(&mut self, range: Range<usize>, quoted: bool) -> Path {
        self.out.empty &= self.stack.is_empty() && range.is_empty() && !quoted;
        self.last_end = self.last_end.max(range.end);
        let (path, key) = match self.stack.last_mut() {
            None => (Path::root(), None),
            Some(Frame::List { path, next }) => {
                *next += 1;
                (path.index(*next - 1), None)
            }
            Some(Frame::Map { path, key, .. }) => match key.take() {
                Some((name, at)) => (path.with(Segment::Key(name)), Some(at)),
                None => (path.clone(), None),
            },
        };
        let base = self.base;
        let shift = |range: Range<usize>| range.start + base..range.end + base;
        self.out.index.at.insert(path.clone(), At { key: key.map(shift), value: shift(range), quoted });
        path
    }

    fn close(&mut self, span: &Span) {
        let range = self.range(span);
        // A block ends where the next thing begins; what belongs to it ends with its last scalar.
        let end = if range.is_empty() { self.last_end } else { range.end };
        self.last_end = self.last_end.max(end);
        if let Some(Frame::Map { path, .. } | Frame::List { path, .. }) = self.stack.pop()
            && let Some(at) = self.out.index.at.get_mut(&path)
        {
            at.value.end = (end + self.base).max(at.value.start);
        }
    }
}

/// Whether a text is a whole number that no integer type of the program holds.
fn too_large(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number =
        !digits.starts_with('0') && digits.len() > 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    number && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
}

/// `lookback:60` read as one key with no value: the part before and after the colon.
fn joined(name: &str, at: &Range<usize>) -> Option<(Range<usize>, String, String)> {
    let (front, rest) = name.split_once(':')?;
    let word = !front.is_empty() && front.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    (word && !rest.is_empty() && !rest.starts_with('/'))
        .then(|| (at.clone(), front.to_string(), rest.to_string()))
}

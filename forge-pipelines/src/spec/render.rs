//! Findings as text for people and as JSON for programs.

use super::codes::explain_code;
use super::diagnostic::{Diagnostic, Diagnostics, Level, Place};
use annotate_snippets as snip;
use annotate_snippets::{AnnotationKind, Group, Origin, Renderer, Snippet, normalize_untrusted_str as clean};
use serde_json::{Value, json};
use std::fmt;
use std::ops::Range;

/// Name of the command line where a place is named as a file would be.
const COMMAND_LINE: &str = "command line";

impl Diagnostics {
    /// The findings as printed on a terminal, with the lines they point at and a last line that counts them.
    /// `colour` adds terminal escapes.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for item in self.items() {
            out.push_str(&renderer.render(&[self.group(item)]));
            out.push_str("\n\n");
        }
        out.push_str(&self.summary());
        out
    }

    /// How many findings there are, such as `stock.yaml: 2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let counts: Vec<String> =
            [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "note")]
                .into_iter()
                .filter_map(|(level, word)| {
                    match self.items().iter().filter(|item| item.level == level).count() {
                        0 => None,
                        1 => Some(format!("1 {word}")),
                        n => Some(format!("{n} {word}s")),
                    }
                })
                .collect();
        format!("{}: {}", self.name, counts.join(", "))
    }

    /// The findings as JSON objects with `code`, `level`, `message`, `file`, `line`, `column`, `end_column`
    /// (characters, from 1, the end excluded), `cell`, `label`, `hint` and `notes`. What is unknown is `null`.
    pub fn to_json(&self) -> Vec<Value> {
        self.items().iter().map(|item| self.object(item)).collect()
    }

    /// Line and column, both from 1 and the column in characters, of a byte of the spec.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        line_column(&self.text, byte)
    }

    fn object(&self, item: &Diagnostic) -> Value {
        let (mut file, mut line, mut column, mut end) = (None, None, None, None);
        match &item.place {
            None => {}
            Some(Place::Data(place)) => {
                file = Some(place.path.display().to_string());
                line = place.line;
            }
            Some(place) => {
                if let Some((name, text, range)) = self.text_at(place) {
                    let shown = shown(&text, &range);
                    let (l, c) = line_column(&text, shown.start);
                    file = Some(name);
                    (line, column) = (Some(l), Some(c));
                    end = Some(c + text[shown].chars().count());
                }
            }
        }
        let label = (!item.label.is_empty()).then_some(&item.label);
        json!({
            "code": item.code,
            "level": item.level,
            "message": item.message,
            "file": file,
            "line": line,
            "column": column,
            "end_column": end,
            "cell": item.cell,
            "label": label,
            "hint": item.help.as_ref().or(label),
            "notes": item.notes,
        })
    }

    fn group<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let level = match item.level {
            Level::Error => snip::Level::ERROR,
            Level::Warning => snip::Level::WARNING,
            Level::Note => snip::Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(clean(&item.message)).id(item.code));
        match &item.place {
            None => group = group.element(Origin::path(self.name.as_str())),
            Some(Place::Data(place)) => group = group.element(Origin::path(place.to_string())),
            Some(_) => {}
        }
        for snippet in self.snippets(item) {
            group = group.element(snippet);
        }
        let fact = |text: String| snip::Level::NOTE.no_name().message(clean(&text));
        if let Some(cell) = &item.cell {
            group = group.element(fact(format!("in cell `{cell}`")));
        }
        for note in &item.notes {
            group = group.element(fact(note.clone()));
        }
        if let Some(help) = &item.help {
            group = group.element(snip::Level::HELP.message(clean(help)));
        }
        match explain_code(item.code) {
            Some(_) => group.element(fact(format!("explain: forge explain {}", item.code))),
            None => group,
        }
    }

    /// The marked lines of the texts that are at hand: one snippet a text, the primary one first.
    fn snippets(&self, item: &Diagnostic) -> Vec<Snippet<'static, snip::Annotation<'static>>> {
        let mut texts: Vec<(String, String, Vec<snip::Annotation<'static>>)> = Vec::new();
        let primary = item.place.iter().map(|place| (place, &item.label, AnnotationKind::Primary));
        let context = item.context.iter().map(|(place, label)| (place, label, AnnotationKind::Context));
        for (place, label, kind) in primary.chain(context) {
            let Some((name, text, range)) = self.text_at(place) else { continue };
            let mark = kind.span(shown(&text, &range)).label(clean(label));
            match texts.iter_mut().find(|(_, known, _)| *known == text) {
                Some((_, _, marks)) => marks.push(mark),
                None => texts.push((name, text, vec![mark])),
            }
        }
        texts
            .into_iter()
            .map(|(name, text, marks)| Snippet::source(text).path(name).fold(true).annotations(marks))
            .collect()
    }

    /// Name, text and range of a place in a text that is at hand.
    fn text_at(&self, place: &Place) -> Option<(String, String, Range<usize>)> {
        match place {
            Place::Spec(range) => Some((self.name.clone(), self.text.to_string(), range.clone())),
            Place::Override { number, range } => {
                let text = format!("-s {}", self.overrides.get(*number)?);
                Some((COMMAND_LINE.to_string(), text, range.clone()))
            }
            Place::Data(_) => None,
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The part of a range to mark: inside the text, on whole characters, and its first line only (a map of
/// twenty lines is not drawn in full to say that a list is wanted).
fn shown(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = floor(text, range.start.min(text.len()));
    let end = floor(text, range.end.clamp(start, text.len()));
    let first = text[start..end].split(['\n', '\r']).next().unwrap_or("").trim_end();
    start..start + first.len()
}

fn floor(text: &str, mut byte: usize) -> usize {
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..floor(text, byte.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

//! What to say when a text is not YAML at all: the usual slips are named, the parser's words are a note.

use super::diagnostic::{Diagnostic, Place};
use std::ops::Range;

/// The finding for a scan error at byte `at` of `text`.
pub(super) fn explain(
    text: &str,
    at: usize,
    parser_says: &str,
    place: &dyn Fn(Range<usize>) -> Place,
) -> Diagnostic {
    let line = line_around(text, at);
    // An error is often noticed only on the line after the slip.
    let above = (line.start > 0).then(|| line_around(text, line.start - 1));
    let below = (line.end < text.len()).then(|| line_around(text, line.end + 1));
    let lines = || [Some(line.clone()), above.clone()].into_iter().flatten();
    if parser_says.contains("unknown anchor") {
        return alias(place(word_at(text, at)));
    }
    if let Some(tabs) = lines().chain(below).find_map(|line| leading_tabs(text, &line)) {
        return Diagnostic::error("E0115", "a tab is used for indentation")
            .at(place(tabs), "a tab")
            .help("indent with spaces, two a level");
    }
    if let Some((range, name, rest)) = lines().find_map(|line| missing_space(text, &line)) {
        return Diagnostic::error("E0118", format!("there is no space after the colon in `{name}:{rest}`"))
            .at(place(range), "a space is missing")
            .help(format!("write `{name}: {rest}`"));
    }
    if let Some(open) = unclosed(text, at).filter(|open| *open < line.start) {
        let bracket = &text[open..open + 1];
        return Diagnostic::error("E0101", format!("`{bracket}` is not closed"))
            .at(place(open..open + 1), "opened here")
            .context(place(word_at(text, at)), "reading stops here")
            .help("close it, or put text that contains it in quotes");
    }
    let here = at.min(text.len());
    let end = text[here..].chars().next().filter(|c| *c != '\n').map_or(here, |c| here + c.len_utf8());
    let finding = Diagnostic::error("E0101", "this is not YAML").at(place(here..end), "reading stops here");
    match advice(text, &line, parser_says) {
        Some(advice) => finding.note(format!("the parser says: {parser_says}")).help(advice),
        None => finding.note(format!("the parser says: {parser_says}")),
    }
}

/// The complaint about an alias.
pub(super) fn alias(place: Place) -> Diagnostic {
    Diagnostic::error("E0111", "a spec has no aliases")
        .at(place, "an alias")
        .help("write the value out; if this is text, put it in quotes: \"*…\"")
}

/// The bytes from `at` to the next blank.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let rest = &text[at..];
    at..at + rest.find(char::is_whitespace).unwrap_or(rest.len())
}

/// The last bracket in front of `at` that is not closed by then.
fn unclosed(text: &str, at: usize) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    let mut quote = None;
    let mut last = '\n';
    for (byte, c) in text[..at.min(text.len())].char_indices() {
        match (quote, c) {
            (Some(mark), c) if mark == c => quote = None,
            // Quotation marks and comments do not go on for lines in a spec; apostrophes inside words are text.
            (Some(_), '\n') => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !last.is_alphanumeric() => quote = Some(c),
            (None, '#') if last.is_whitespace() => quote = Some('\n'),
            (None, '[' | '{') if !last.is_alphanumeric() => open.push(byte),
            (None, ']' | '}') => {
                open.pop();
            }
            _ => {}
        }
        last = c;
    }
    open.pop()
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start =
        text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = text.as_bytes()[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |n| at + n);
    start..end
}

fn leading_tabs(text: &str, line: &Range<usize>) -> Option<Range<usize>> {
    let blank = text[line.clone()].len() - text[line.clone()].trim_start_matches([' ', '\t']).len();
    let first = text[line.start..line.start + blank].find('\t')?;
    Some(line.start + first..line.start + blank)
}

fn missing_space(text: &str, line: &Range<usize>) -> Option<(Range<usize>, String, String)> {
    let body = text[line.clone()].trim_start_matches([' ', '-']);
    let start = line.end - body.len();
    let word = body.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let rest = body[word..].strip_prefix(':')?;
    let rest = rest.trim_end();
    let close = !rest.is_empty() && !rest.starts_with([' ', '\t', '/', ':', '\\']) && !rest.contains(": ");
    (word > 0 && close)
        .then(|| (start..start + word + 1 + rest.len(), body[..word].to_string(), rest.to_string()))
}

fn advice(text: &str, line: &Range<usize>, parser_says: &str) -> Option<&'static str> {
    let line = &text[line.clone()];
    let says = |words: &[&str]| words.iter().any(|word| parser_says.contains(word));
    let odd = |quote: char| line.matches(quote).count() % 2 == 1;
    if odd('"') || odd('\'') || says(&["quoted"]) {
        Some(
            "look for a quotation mark that is not closed; text with a quotation mark in it is best put in the other kind",
        )
    } else if line.contains(": @") || line.contains(": `") || line.contains(": %") {
        Some("put the text in quotes: `@`, `%` and a backtick cannot begin plain text")
    } else if line.matches(['{', '[']).count() != line.matches(['}', ']']).count()
        || says(&["flow", "',' or"])
    {
        Some("look for a `{` or `[` that is not closed, or a comma that is missing between two entries")
    } else if line.matches(": ").count() > 1 {
        Some("text that contains `: ` must stand in quotes")
    } else if says(&["indent", "block", "simple key", "mapping values", "':'"]) {
        Some("keys of one map start in the same column, and a key is followed by a colon and a space")
    } else {
        None
    }
}

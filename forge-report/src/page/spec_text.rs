use serde::Serialize;

/// One line of a spec, cut where a reader's eye wants to rest.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Line<'a> {
    /// Indentation and dashes.
    lead: &'a str,
    /// A key, without its colon.
    key: &'a str,
    /// What follows.
    rest: &'a str,
    /// A comment, with its `#`.
    comment: &'a str,
}

/// The lines of YAML text.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines().map(line).collect()
}

fn line(text: &str) -> Line<'_> {
    let (code, comment) = text.split_at(comment_start(text).unwrap_or(text.len()));
    let body = code.trim_start_matches([' ', '-']);
    let (lead, body) = code.split_at(code.len() - body.len());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '-' | ' ');
    let key = body.split_once(':').filter(|(key, rest)| {
        !key.is_empty() && key.chars().all(plain) && (rest.is_empty() || rest.starts_with(' '))
    });
    let (key, rest) = body.split_at(key.map_or(0, |(key, _)| key.len()));
    Line { lead, key, rest, comment }
}

/// Where a comment begins: a `#` at the start or after a space, outside quotes.
fn comment_start(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c == '#' && before.is_whitespace() => return Some(i),
            None if matches!(c, '"' | '\'') && !before.is_alphanumeric() => quote = Some(c),
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_comments_are_found() {
        let found = line("  - id: lstm  # the model");
        assert_eq!(found, Line { lead: "  - ", key: "id", rest: ": lstm  ", comment: "# the model" });
        assert_eq!(line("md: \"a # b\"").comment, "");
        assert_eq!(line("    just: words").key, "just");
        assert_eq!(line("a url like http://x").key, "");
        assert_eq!(line("don't # stop").comment, "# stop");
        assert_eq!(line(""), Line { lead: "", key: "", rest: "", comment: "" });
    }

    #[test]
    fn nothing_is_lost() {
        for text in ["a: {b: 1} # c", "- - x", "\"Adj Close\": [log, diff]", "é: ü#", "'", "#"] {
            let l = line(text);
            assert_eq!(format!("{}{}{}{}", l.lead, l.key, l.rest, l.comment), text);
        }
    }
}

//! `{{ address | filter }}` in prose.

use super::address::Address;
use super::diagnostic::Diagnostic;
use std::ops::Range;

/// How a value is written into prose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// `pct` or `pct(n)`: as a percentage with `n` decimals, 1 if not said: 0.0534 is `5.3 %`.
    Percent(usize),
    /// `round` or `round(n)`: with `n` decimals, 0 if not said.
    Round(usize),
}

/// A `{{ address | filter }}` in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// The value it stands for.
    pub address: Address,
    /// How the value is written; as it is, to four significant digits, if not said.
    pub filter: Option<Filter>,
    /// Its bytes in the text, braces included.
    pub range: Range<usize>,
}

/// Something wrong with a placeholder, and its bytes in the text.
pub(super) struct ProseFault {
    pub range: Range<usize>,
    pub finding: Diagnostic,
}

const MOST_DECIMALS: usize = 15;

/// The placeholders of a text, in order. Those in code spans and code blocks are left alone.
pub(super) fn placeholders(text: &str) -> Vec<Result<Placeholder, Box<ProseFault>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(['`', '{']).map(|offset| at + offset) {
        if text[next..].starts_with('`') {
            at = after_code(text, next);
        } else if text[next..].starts_with("{{") {
            let placeholder = placeholder(text, next);
            at = match &placeholder {
                Ok(good) => good.range.end,
                Err(fault) => fault.range.end,
            };
            found.push(placeholder);
        } else {
            at = next + 1;
        }
    }
    found
}

/// The end of the code span that begins at `start`; of its backticks if no equal run closes it.
fn after_code(text: &str, start: usize) -> usize {
    let run = |from: usize| text[from..].bytes().take_while(|byte| *byte == b'`').count();
    let open = run(start);
    let mut at = start + open;
    while let Some(next) = text[at..].find('`').map(|offset| at + offset) {
        let length = run(next);
        at = next + length;
        if length == open {
            return at;
        }
    }
    start + open
}

fn placeholder(text: &str, start: usize) -> Result<Placeholder, Box<ProseFault>> {
    let line = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let Some(close) = text[start..].find("}}").map(|offset| start + offset) else {
        let finding = Diagnostic::error("E0151", "`{{` is not closed by `}}`")
            .label("opened here")
            .help("close it, or write the braces in a code span: `{{`");
        return Err(Box::new(ProseFault { range: start..line.min(start + 2), finding }));
    };
    let range = start..close + 2;
    let inside = &text[start + 2..close];
    let fault = |message: String, label: String| {
        let finding = Diagnostic::error("E0151", message)
            .label(label)
            .help("for example `{{ score.result.lstm.rmse | round(3) }}`");
        Box::new(ProseFault { range: range.clone(), finding })
    };
    let mut pieces = inside.split('|').map(str::trim);
    let address: Address =
        pieces.next().unwrap_or_default().parse().map_err(|error: super::address::AddressError| {
            fault(error.to_string(), error.message.to_string())
        })?;
    let filters: Vec<&str> = pieces.collect();
    let filter = match filters.as_slice() {
        [] => None,
        [one] => {
            let unknown =
                || fault(format!("unknown filter `{one}`"), "known filters: pct, round(n)".to_string());
            Some(filter(one).ok_or_else(unknown)?)
        }
        _ => return Err(fault("one filter is enough".to_string(), "several filters".to_string())),
    };
    Ok(Placeholder { address, filter, range })
}

fn filter(text: &str) -> Option<Filter> {
    let (name, decimals) = match text.split_once('(') {
        Some((name, rest)) => {
            let decimals: usize = rest.strip_suffix(')')?.trim().parse().ok()?;
            (name.trim_end(), Some(decimals).filter(|n| *n <= MOST_DECIMALS)?.into())
        }
        None => (text, None),
    };
    match name {
        "pct" => Some(Filter::Percent(decimals.unwrap_or(1))),
        "round" => Some(Filter::Round(decimals.unwrap_or(0))),
        _ => None,
    }
}

/// A value as prose shows it; an undefined one as `undefined`.
fn written(value: f64, filter: Option<Filter>) -> String {
    let text = match filter {
        _ if !value.is_finite() => return "undefined".to_string(),
        Some(Filter::Percent(decimals)) => format!("{:.decimals$} %", value * 100.0),
        Some(Filter::Round(decimals)) => format!("{value:.decimals$}"),
        None => significant(value),
    };
    // A small negative number rounds to `-0.0`.
    match text.strip_prefix('-') {
        Some(rest) if !rest.contains(|c: char| ('1'..='9').contains(&c)) => rest.to_string(),
        _ => text,
    }
}

/// Four significant digits, but never fewer than the whole ones.
fn significant(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value}");
    }
    let decimals = (3 - value.abs().log10().floor() as i64).clamp(0, MOST_DECIMALS as i64) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// Fills in a text's placeholders with what `lookup` knows about their addresses.
///
/// # Errors
/// A placeholder that cannot be read (`E0151`), or whose value `lookup` does not have (`E0152`); all of them.
/// They have no place; [`Spec::prose`](super::Spec::prose) adds it.
///
/// ```
/// use forge_pipelines::spec::render_prose;
/// let text = "Skill **{{ score.result.lstm.skill.mase | pct }}**, written `{{ address | pct }}`.";
/// let shown = render_prose(text, |address| (address == "score.result.lstm.skill.mase").then_some(0.0534));
/// assert_eq!(shown.unwrap(), "Skill **5.3 %**, written `{{ address | pct }}`.");
/// ```
pub fn render_prose(text: &str, lookup: impl Fn(&str) -> Option<f64>) -> Result<String, Vec<Diagnostic>> {
    fill(text, lookup).map_err(|faults| faults.into_iter().map(|fault| fault.finding).collect())
}

/// As [`render_prose`], with the bytes of each fault.
pub(super) fn fill(text: &str, lookup: impl Fn(&str) -> Option<f64>) -> Result<String, Vec<ProseFault>> {
    let (mut out, mut at, mut faults) = (String::with_capacity(text.len()), 0, Vec::new());
    for placeholder in placeholders(text) {
        match placeholder {
            Err(fault) => faults.push(*fault),
            Ok(Placeholder { address, filter, range }) => match lookup(&address.to_string()) {
                Some(value) => {
                    out.push_str(&text[at..range.start]);
                    out.push_str(&written(value, filter));
                    at = range.end;
                }
                None => {
                    let finding = Diagnostic::error("E0152", format!("there is no result `{address}`"))
                        .label("nothing of this name was computed");
                    faults.push(ProseFault { range, finding });
                }
            },
        }
    }
    out.push_str(&text[at..]);
    if faults.is_empty() { Ok(out) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::{render_prose, written};
    use crate::spec::prose::Filter;

    #[test]
    fn numbers_are_written_as_asked() {
        assert_eq!(written(0.0534, Some(Filter::Percent(1))), "5.3 %");
        assert_eq!(written(-0.00001, Some(Filter::Percent(1))), "0.0 %");
        assert_eq!(written(2.67812, Some(Filter::Round(2))), "2.68");
        assert_eq!(written(2.5e9, None), "2500000000");
        assert_eq!(written(0.367912, None), "0.3679");
        assert_eq!(written(12345.678, None), "12346");
        assert_eq!(written(f64::NAN, None), "undefined");
        assert_eq!(written(1e-20, None), "0");
    }

    #[test]
    fn code_stays_and_faults_are_all_reported() {
        let same = "a ``{{ x `` b\n```\n{{ y }}\n```\n{ z }";
        assert_eq!(render_prose(same, |_| None).unwrap(), same);
        let faults = render_prose("{{ a }} {{ b | up }} {{ c d }} {{ e", |_| None).unwrap_err();
        assert_eq!(
            faults.iter().map(|fault| fault.code).collect::<Vec<_>>(),
            ["E0152", "E0151", "E0151", "E0151"]
        );
    }
}

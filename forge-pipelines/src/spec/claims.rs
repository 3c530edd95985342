use super::address::{self, Address};
use super::diagnostic::{Diagnostic, Place};
use std::fmt;
use std::ops::Range;

/// How a claim compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

const SIGNS: &[(&str, Comparison)] = &[
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Comparison {
    /// Whether `left` compares so to `right`. An undefined value (not a number) never does.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = SIGNS.iter().find(|(_, comparison)| comparison == self).map_or("", |(sign, _)| sign);
        f.write_str(sign)
    }
}

/// A line of `assert:`, such as `score.result.lstm.rmse < 0.4`.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As written.
    pub text: String,
    /// The result it is about.
    pub address: Address,
    /// How it compares.
    pub comparison: Comparison,
    /// What it compares with; `5%` is 0.05.
    pub number: f64,
    /// Where it is written.
    pub place: Place,
}

impl Claim {
    /// Whether the claim holds for the value found.
    pub fn holds(&self, value: f64) -> bool {
        self.comparison.holds(value, self.number)
    }
}

/// What is wrong with a claim, and which bytes of it.
pub(super) struct ClaimFault {
    pub range: Range<usize>,
    pub finding: Diagnostic,
}

/// The parts of a claim's text.
pub(super) fn parse(text: &str) -> Result<(Address, Comparison, f64), Box<ClaimFault>> {
    let fault = |range: Range<usize>, message: String, label: &str| {
        let finding = Diagnostic::error("E0150", message)
            .label(label)
            .help("a claim is `ADDRESS < NUMBER`, for example `score.result.lstm.rmse < 0.4`");
        Err(Box::new(ClaimFault { range, finding }))
    };
    let Some(at) = text.find(['<', '>', '=']) else {
        return fault(
            0..text.len(),
            format!("the claim `{text}` compares nothing"),
            "no `<`, `<=`, `>`, `>=` or `==`",
        );
    };
    let Some((sign, comparison)) = SIGNS.iter().find(|(sign, _)| text[at..].starts_with(sign)) else {
        return fault(at..at + 1, format!("the claim `{text}` has no comparison"), "write `==`");
    };
    let left = text[..at].trim_end();
    let lead = left.len() - left.trim_start().len();
    let address: Address = match left.trim_start().parse() {
        Ok(address) => address,
        Err(address::AddressError { message, at, .. }) => {
            let from = (lead + at).min(left.len());
            return fault(from..left.len().max(from), format!("the claim `{text}` names no result"), message);
        }
    };
    let right = text[at + sign.len()..].trim();
    let from = text.len() - text[at + sign.len()..].trim_start().len();
    match number(right) {
        Some(number) => Ok((address, *comparison, number)),
        None => fault(
            from..from + right.len(),
            format!("the claim `{text}` has no number"),
            "a number is wanted here",
        ),
    }
}

/// A finite number, or a share such as `5%`.
fn number(text: &str) -> Option<f64> {
    let (digits, scale) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), 0.01),
        None => (text, 1.0),
    };
    // Words such as `inf` are numbers to Rust, not to a spec.
    let numeric = digits.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    digits.parse::<f64>().ok().filter(|number| numeric && number.is_finite()).map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, parse};

    #[test]
    fn claims_are_read() {
        let read = |text: &str| parse(text).map(|(address, c, n)| (address.to_string(), c, n)).ok();
        let rmse = || "score.result.lstm.rmse".to_string();
        assert_eq!(read("score.result.lstm.rmse < 0.4"), Some((rmse(), Comparison::Less, 0.4)));
        assert_eq!(read("score.result.lstm.rmse>=5%"), Some((rmse(), Comparison::GreaterOrEqual, 0.05)));
        assert_eq!(read("score.result.lstm.rmse == -1e-3"), Some((rmse(), Comparison::Equal, -0.001)));
        for bad in ["", "<", "a.b.c < inf", "a.b.c = 4", "a.b.c 4", "a b < 3", "a.b.c < 1 2"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_undefined_result_holds_no_claim() {
        assert!(
            [Comparison::Less, Comparison::GreaterOrEqual, Comparison::Equal]
                .iter()
                .all(|c| !c.holds(f64::NAN, 0.0))
        );
    }
}

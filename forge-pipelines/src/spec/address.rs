use std::fmt;
use std::ops::Range;

/// The name of a value: `window.lookback`, `prep.target."Adj Close".0`, `score.result.lstm.rmse`.
///
/// ```
/// use forge_pipelines::spec::Address;
/// let address: Address = r#"prep.target."Adj. Close".0"#.parse().unwrap();
/// assert_eq!(address.parts(), ["prep", "target", "Adj. Close", "0"]);
/// assert_eq!(address.to_string(), r#"prep.target."Adj. Close".0"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Vec<String>);

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} in the address `{text}`")]
pub struct AddressError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub message: &'static str,
    /// Byte of the text where it is wrong.
    pub at: usize,
}

impl Address {
    /// The address of these names.
    pub(super) fn of(parts: Vec<String>) -> Self {
        Address(parts)
    }

    /// The names between the dots, without quotes.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Whether this names a result (`id.result.…`) rather than a parameter.
    pub fn is_result(&self) -> bool {
        self.0.len() >= 3 && self.0[1] == "result"
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Ok(Address(parts(text)?.into_iter().map(|(name, _)| name).collect()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            if !part.is_empty() && part.chars().all(bare) {
                f.write_str(part)?;
            } else {
                write!(f, "\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

/// Characters that need no quotes. Others are taken too; dots, blanks and signs of comparison end a name.
fn bare(c: char) -> bool {
    !c.is_whitespace() && !".\"\\=<>|{}".contains(c)
}

/// The names of an address, each with its bytes in the text.
pub(super) fn parts(text: &str) -> Result<Vec<(String, Range<usize>)>, AddressError> {
    let fail = |message, at| Err(AddressError { text: text.to_string(), message, at });
    let mut parts = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (name, length) = match rest.strip_prefix('"') {
            Some(inside) => match quoted(inside) {
                Some((name, length)) => (name, length + 1),
                None => return fail("a quotation mark is not closed", at),
            },
            None => {
                let length = rest.find(|c| !bare(c)).unwrap_or(rest.len());
                (rest[..length].to_string(), length)
            }
        };
        if length == 0 {
            return fail("a name is missing", at);
        }
        parts.push((name, at..at + length));
        at += length;
        match text[at..].chars().next() {
            None => return Ok(parts),
            Some('.') => at += 1,
            Some(_) => return fail("an odd name needs quotation marks", at),
        }
    }
}

/// The text up to the closing mark, and how many bytes it takes with the mark.
fn quoted(inside: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, at + 1)),
            '\\' => name.push(chars.next()?.1),
            other => name.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Address, parts};

    #[test]
    fn odd_names_survive_a_round_trip() {
        for names in [vec!["a"], vec!["prep", "a.b", "c \"d\" \\", ""], vec!["t", "größe", "0"]] {
            let address = Address(names.iter().map(|name| name.to_string()).collect());
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(parts("a..b").unwrap_err().at, 2);
        assert_eq!(parts("").unwrap_err().message, "a name is missing");
        assert_eq!(parts("a.\"b").unwrap_err().at, 2);
        assert_eq!(parts("a b").unwrap_err().at, 1);
    }
}

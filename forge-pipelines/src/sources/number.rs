//! Numbers as files write them.

/// What a cell of a numeric column can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Missing,
    Number(f64),
    Other,
}

/// How numbers and missing values are written.
pub(super) struct NumberForm<'a> {
    pub decimal: char,
    pub na: &'a [String],
}

/// Cells that are missing values in any file.
const MISSING: [&str; 9] = ["", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None"];

impl NumberForm<'_> {
    pub fn is_missing(&self, cell: &str) -> bool {
        MISSING.contains(&cell) || self.na.iter().any(|word| word == cell)
    }

    pub fn parse(&self, cell: &str) -> Cell {
        if self.is_missing(cell) {
            return Cell::Missing;
        }
        match number(cell, self.decimal) {
            Some(value) => Cell::Number(value),
            None => Cell::Other,
        }
    }
}

fn number(cell: &str, decimal: char) -> Option<f64> {
    // Rust also reads `inf`, `infinity` and `nan`; in a file these are words.
    if cell.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) {
        return None;
    }
    let value: f64 = match decimal {
        ',' if cell.contains('.') => return None,
        ',' => cell.replace(',', ".").parse().ok()?,
        _ => cell.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// `,` where cells look like `1,5` and none like `1.5`.
pub(super) fn sniff_decimal<'a>(cells: impl Iterator<Item = &'a str>) -> char {
    let (mut commas, mut points) = (0, 0);
    for cell in cells {
        commas += usize::from(cell.matches(',').count() == 1 && number(cell, ',').is_some());
        points += usize::from(cell.contains('.') && number(cell, '.').is_some());
    }
    if commas > 0 && points == 0 { ',' } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_number() {
        let form = NumberForm { decimal: '.', na: &[".".into()] };
        for (cell, value) in [("1", 1.0), ("-2.5e-3", -0.0025), ("+.5", 0.5), ("1E5", 1e5)] {
            assert_eq!(form.parse(cell), Cell::Number(value), "{cell}");
        }
        for cell in ["", "NA", "nan", ".", "null"] {
            assert_eq!(form.parse(cell), Cell::Missing, "{cell}");
        }
        for cell in ["inf", "-Infinity", "1,234.5", "1e999", "12k", "0x10", "1 000", "e", "+", "--1"] {
            assert_eq!(form.parse(cell), Cell::Other, "{cell}");
        }
        let german = NumberForm { decimal: ',', na: &[] };
        assert_eq!(german.parse("-1,5"), Cell::Number(-1.5));
        assert_eq!(german.parse("1.234,5"), Cell::Other);
    }

    #[test]
    fn decimal_comma_is_seen_only_without_points() {
        assert_eq!(sniff_decimal(["1,5", "2,25", "7"].into_iter()), ',');
        assert_eq!(sniff_decimal(["1,5", "2.25"].into_iter()), '.');
        assert_eq!(sniff_decimal(["1", "2"].into_iter()), '.');
    }
}

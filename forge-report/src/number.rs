//! Numbers, sizes and spans of time as a reader wants them.

/// `12345` as `12,345`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 row`, `2 rows`, `12,345 rows`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Decimal places that show the smallest of some values with three significant digits, and six at most.
pub(crate) fn decimals(values: impl IntoIterator<Item = f64>) -> usize {
    let smallest =
        values.into_iter().map(f64::abs).filter(|v| v.is_finite() && *v > 0.0).fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { (2.0 - smallest.log10().floor()).clamp(0.0, 6.0) as usize } else { 3 }
}

/// A value with fixed decimals and a true minus sign; `-0.00` is `0.00`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

/// A share as percent with its sign: `0.0412` is `+4.1 %`.
pub(crate) fn signed_percent(share: f64) -> String {
    let text = fixed(share * 100.0, 1);
    let plus = if share > 0.0 && text != "0.0" { "+" } else { "" };
    format!("{plus}{text}\u{202f}%")
}

/// A value rounded to seven significant digits: beyond what a figure shows, and half the bytes.
pub(crate) fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// A span of time in its two largest units: `0.12 s`, `41 s`, `12 min 3 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "an unknown time".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 0.0995 => format!("{:.0} ms", seconds * 1000.0),
        _ if seconds < 0.995 => format!("{seconds:.2} s"),
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// How long ago something was made, in one unit: `20 s`, `5 min`, `2 h`, `3 days`.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..90 => format!("{s} s"),
        s @ 90..5400 => format!("{} min", (s + 30) / 60),
        s @ 5400..129_600 => format!("{} h", (s + 1800) / 3600),
        s => format!("{} days", (s + 43_200) / 86_400),
    }
}

/// A size in bytes, kB or MB.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1000 => format!("{n} bytes"),
        1000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1000, 1_234_567].map(grouped).each_ref().map(|s| s.as_str())
        );
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(3269, "row"), "3,269 rows");
        assert_eq!(decimals([36.5, 0.369]), 3);
        assert_eq!(decimals([120.0, 4500.0]), 0);
        assert_eq!(decimals([f64::NAN, 0.0]), 3);
        assert_eq!(fixed(-0.0004, 2), "0.00");
        assert_eq!(fixed(-1.5, 1), "\u{2212}1.5");
        assert_eq!(rounded(30.225709797294), 30.22571);
    }

    #[test]
    fn percentages_always_carry_a_sign_but_for_zero() {
        assert_eq!(signed_percent(0.0412), "+4.1\u{202f}%");
        assert_eq!(signed_percent(-0.003), "\u{2212}0.3\u{202f}%");
        assert_eq!(signed_percent(0.0004), "0.0\u{202f}%");
        assert_eq!(signed_percent(-0.0004), "0.0\u{202f}%");
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_fits() {
        assert_eq!(
            [0.012, 0.25, 4.12, 41.4, 723.0, 7500.0].map(duration),
            ["12 ms", "0.25 s", "4.1 s", "41 s", "12 min 3 s", "2 h 5 min"]
        );
        assert_eq!(duration(59.7), "1 min 0 s");
        assert_eq!(duration(f64::NAN), "an unknown time");
        assert_eq!([20, 300, 7200, 260_000, -5].map(age), ["20 s", "5 min", "2 h", "3 days", "0 s"]);
        assert_eq!([12, 178_400, 2_031_170].map(bytes), ["12 bytes", "178.4 kB", "2.0 MB"]);
    }
}

//! Patterns of parameter names.

/// Whether a name fits a pattern, in which `*` stands for any characters, none included: `*.bias`, `encoder.*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        // The first place is as good as any: what follows a star may lie as far behind as it likes.
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "lstm.bias", true),
            ("lstm", "lstm", true),
            ("lstm", "lstm.bias", false),
            ("*.bias", "head.bias", true),
            ("*.bias", "head.bias.scale", false),
            ("*.bias", "bias", false),
            ("*bias*", "lstm.bias_ih_l0", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*b*c", "a-b-c", false),
            ("*ab*ab", "ab", false),
            ("layers.*.norm?.weight", "layers.0.norm1.weight", false),
            ("layers.*.norm*.weight", "layers.0.norm1.weight", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}

//! The nearest known name to a misspelt one.

/// The candidate that `name` was most likely meant to be, if any is close enough to suggest.
///
/// Close is: equal but for case or `-`/`_`; at most one edit in three letters; or one begins with the
/// other (`hidden_size` for `hidden`).
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&wanted, &folded(candidate))?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    let (long, short) =
        if wanted.len() > candidate.len() { (wanted, candidate) } else { (candidate, wanted) };
    let edits = strsim::damerau_levenshtein(wanted, candidate);
    let allowed = (candidate.chars().count() / 3).max(1);
    if edits <= allowed && edits < candidate.chars().count() {
        Some(edits)
    } else if short.len() >= 3 && long.starts_with(short) {
        // Behind every true misspelling, shorter completions first.
        Some(100 + long.len() - short.len())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_what_was_meant() {
        let keys = ["lookback", "horizon", "stride"];
        assert_eq!(nearest("lookbak", keys), Some("lookback"));
        assert_eq!(nearest("Horizon", keys), Some("horizon"));
        assert_eq!(nearest("horizno", keys), Some("horizon"));
        assert_eq!(nearest("epochs", keys), None);
        assert_eq!(nearest("hidden_size", ["hidden", "layers"]), Some("hidden"));
        assert_eq!(nearest("x", ["y"]), None);
    }
}

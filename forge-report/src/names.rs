use std::collections::HashSet;

/// Hands out names that are unique and fit for a file or an anchor.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// The stem with anything but letters, digits, `-` and `_` made `-`; then `stem-2`, `stem-3` and so on.
    pub(crate) fn unique(&mut self, stem: &str) -> String {
        let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        let stem: String = stem.chars().map(fit).take(60).collect();
        let mut name = stem.clone();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{stem}-{n}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_meet() {
        let mut names = Names::default();
        let given = ["forecast", "forecast", "forecast-2", "<script>"].map(|s| names.unique(s));
        assert_eq!(given, ["forecast", "forecast-2", "forecast-2-2", "-script-"]);
    }
}

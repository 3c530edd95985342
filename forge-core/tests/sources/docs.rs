//! The docs of one item: prose, and the code that is run.

/// Docs without their `///`.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    prose: String,
    /// The blocks that a documentation test runs.
    blocks: Vec<String>,
}

impl Docs {
    pub fn new(lines: Vec<String>) -> Docs {
        let mut docs = Docs::default();
        let mut fence: Option<bool> = None;
        for line in lines {
            match (line.trim_start().strip_prefix("```"), fence) {
                (Some(kind), None) => {
                    let runs = kind.is_empty() || kind == "rust" || kind == "should_panic";
                    if runs {
                        docs.blocks.push(String::new());
                    }
                    fence = Some(runs);
                }
                (Some(_), Some(_)) => fence = None,
                (None, Some(runs)) => {
                    if let Some(block) = docs.blocks.last_mut().filter(|_| runs) {
                        block.push_str(&line);
                        block.push('\n');
                    }
                }
                (None, None) => {
                    docs.prose.push_str(&line);
                    docs.prose.push('\n');
                }
            }
        }
        docs
    }

    /// What is not code.
    pub fn text(&self) -> &str {
        self.prose.trim()
    }

    /// Whether there is an example that asserts something.
    pub fn shows(&self) -> bool {
        self.blocks.iter().any(|block| block.contains("assert"))
    }

    /// Whether the examples name it, a function with what follows a call.
    pub fn names(&self, name: &str, function: bool) -> bool {
        self.blocks.iter().any(|block| {
            block.match_indices(name).any(|(at, _)| {
                let before = block[..at].chars().next_back();
                let after = block[at + name.len()..].chars().next();
                let whole = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                let call = !function || matches!(after, Some('(' | ':')) || block[..at].ends_with("::");
                whole(before) && whole(after) && call
            })
        })
    }

    /// Whether a section says when it fails.
    pub fn has_errors(&self) -> bool {
        self.prose.lines().any(|line| line == "# Errors")
    }

    /// Whether a formula stands there: signs of mathematics, or code with operators.
    pub fn has_formula(&self) -> bool {
        const SIGNS: [char; 13] = ['Σ', 'Π', '√', '·', '½', '²', 'ˣ', 'σ', '≤', '≥', '≠', '→', '⌊'];
        self.prose.contains(SIGNS)
            || [" = ", " += ", " < ", " > "].iter().any(|sign| self.prose.contains(sign))
            || self.code().any(|code| [" + ", " - ", " / "].iter().any(|sign| code.contains(sign)))
    }

    /// Whether shapes are stated.
    pub fn has_shapes(&self) -> bool {
        self.code().any(|code| code.contains('['))
            || ["shape", "lementwise"].iter().any(|w| self.prose.contains(w))
    }

    /// Whether a year of publication is named.
    pub fn has_year(&self) -> bool {
        self.prose
            .split(|c: char| !c.is_ascii_digit())
            .any(|n| n.len() == 4 && (n.starts_with("19") || n.starts_with("20")))
    }

    /// The items that the prose links to, [`Tensor::softmax`] as `Tensor` and `softmax`.
    pub fn links(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.prose.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")).map(|(path, _)| {
            let (owner, name) = path.rsplit_once("::").unwrap_or(("", path));
            (owner.rsplit("::").next().filter(|owner| !owner.is_empty()), name)
        })
    }

    /// Code within the prose.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.prose.split('`').skip(1).step_by(2)
    }
}

#[cfg(test)]
mod tests {
    use super::Docs;

    fn docs(text: &str) -> Docs {
        Docs::new(text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn an_example_must_run_and_assert() {
        assert!(docs("Sum.\n```\nassert_eq!(1, 1);\n```").shows());
        assert!(!docs("Sum. assert").shows());
        assert!(!docs("Sum.\n```text\nassert\n```").shows());
        assert!(!docs("Sum.\n```no_run\nassert!(x);\n```").shows());
        assert!(!docs("Sum.\n```ignore\nassert!(x);\n```").shows());
        assert!(!docs("Sum.\n```\nlet x = 1;\n```").shows());
    }

    #[test]
    fn names_are_whole_words_and_functions_called() {
        let docs = docs(
            "rate\n```\nlet x = Sgd::new(0.1).momentum(0.9);\nlet rates = part.len(); let all = xs.map(f64::sqrt);\n```",
        );
        assert!(docs.names("Sgd", false));
        assert!(docs.names("new", true));
        assert!(docs.names("momentum", true));
        assert!(docs.names("sqrt", true));
        assert!(!docs.names("part", true));
        assert!(!docs.names("rate", false));
        assert!(!docs.names("moment", true));
    }

    #[test]
    fn links_are_owner_and_name() {
        let docs =
            docs("As [`Tensor::exp`](crate::Tensor::exp) and [`crate::nn::Linear::new`], [`Cx`], `no`.");
        let found: Vec<_> = docs.links().collect();
        assert_eq!(found, [(Some("Tensor"), "exp"), (Some("Linear"), "new"), (None, "Cx")]);
    }

    #[test]
    fn formula_shapes_and_source_are_told_from_words() {
        assert!(docs("`x / (1 + e⁻ˣ)`, elementwise").has_formula());
        assert!(docs("The Σ of all").has_formula());
        assert!(!docs("`Tensor::sum(0)`, in `Vec<f32>`").has_formula());
        assert!(!docs("The sum of `x`.").has_formula());
        assert!(docs("`[n, c]`").has_shapes());
        assert!(!docs("The sum of [`x`].").has_shapes());
        assert!(docs("Kingma and Ba, ICLR 2015").has_year());
        assert!(!docs("The sum of 1024 and 123 numbers").has_year());
        assert!(docs("Sum.\n\n# Errors\nNever.").has_errors());
        assert!(!docs("Sum.\n```\n# Errors\n```").has_errors());
    }
}

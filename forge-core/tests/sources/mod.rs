//! The public items of a crate and their docs, found line by line in sources as rustfmt lays them out.

mod docs;
mod reach;

pub use docs::Docs;
pub use reach::{Reached, Sources};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Function,
    Type,
    Trait,
    /// Exported, so that it is at the crate's root.
    Macro,
    Other,
}

/// An item that is `pub`, or a function of a trait that is.
#[derive(Clone, Debug)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
    /// The type or trait whose function it is.
    pub owner: Option<String>,
    /// From 1.
    pub line: usize,
    pub docs: Docs,
    /// Whether it returns a `Result`.
    pub fallible: bool,
}

/// One file.
#[derive(Debug)]
pub struct Source {
    /// Below the folder of sources, with `/`.
    pub path: String,
    /// The path of its module: `nn::linear`; that of `lib.rs` is empty.
    pub module: String,
    pub items: Vec<Item>,
    /// Its own docs, `//!`.
    pub docs: Docs,
    /// Modules declared `pub mod`.
    pub modules: Vec<String>,
    /// What is named in `pub use`: the path of the module, and the name.
    pub exports: Vec<(String, String)>,
    /// The types for which it implements traits: trait and type.
    pub implements: Vec<(String, String)>,
}

/// A block that is open at a line: an `impl`, a `trait`, a macro's rules or a macro's rows.
struct Block {
    indent: usize,
    owner: Option<String>,
    /// Whether its functions are public without saying so.
    of_trait: bool,
    /// Whether what is in it belongs to no type's page: the implementation of a trait, a private module, a function's body.
    hidden: bool,
    /// A macro's name, if these are its rules.
    rules: Option<String>,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Source {
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let module = if module == "lib" { String::new() } else { module };
        let mut source = Source {
            path: path.to_owned(),
            module,
            items: Vec::new(),
            docs: Docs::default(),
            modules: Vec::new(),
            exports: Vec::new(),
            implements: Vec::new(),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut blocks: Vec<Block> = Vec::new();
        let mut owners: Vec<(String, String)> = Vec::new();
        let mut docs: Vec<String> = Vec::new();
        let mut own: Vec<String> = Vec::new();
        let (mut attribute, mut exported) = (0_usize, false);
        // The line after a head of several lines.
        let mut inside = 0;
        for (i, line) in lines.iter().enumerate() {
            let text = line.trim();
            let indent = line.len() - line.trim_start().len();
            if let Some(doc) = text.strip_prefix("//!") {
                own.push(doc.strip_prefix(' ').unwrap_or(doc).to_owned());
                continue;
            }
            if let Some(doc) = text.strip_prefix("///") {
                docs.push(doc.strip_prefix(' ').unwrap_or(doc).to_owned());
                continue;
            }
            // Attributes and comments may stand between docs and item, an attribute on several lines: until its brackets close.
            if attribute > 0 || text.starts_with("#[") || text.starts_with("$(#[") || text.starts_with("//") {
                if !text.starts_with("//") {
                    attribute += text.matches('[').count();
                    attribute = attribute.saturating_sub(text.matches(']').count());
                }
                exported |= text == "#[macro_export]";
                continue;
            }
            if text.starts_with('}') || text.starts_with(')') {
                while blocks.last().is_some_and(|block| block.indent >= indent) {
                    blocks.pop();
                }
                docs.clear();
                continue;
            }
            if text.is_empty() {
                continue;
            }
            if i < inside {
                continue;
            }
            let (head, count) = head(&lines[i..]);
            let hidden = blocks.iter().any(|block| block.hidden);
            if !hidden {
                source.take(&head, i + 1, &mut docs, blocks.last(), exported);
            }
            exported = false;
            if let Some(block) = opens(&head, indent, &mut owners, blocks.last()) {
                if let (Some(name), Some(owner)) = (blocks.iter().find_map(|b| b.rules.clone()), &block.owner)
                {
                    owners.push((name, owner.clone()));
                }
                if let Some((what, of)) = implementation(&head) {
                    source.implements.push((what, of));
                }
                blocks.push(block);
                inside = i + count;
            } else if let Some(rule) = head.strip_prefix("rule!(") {
                source.implements.push(("Optimizer".to_owned(), word(rule).to_owned()));
            }
            docs.clear();
        }
        source.docs = Docs::new(own);
        source
    }

    /// The item, module or export that a line declares.
    fn take(
        &mut self,
        head: &str,
        line: usize,
        docs: &mut Vec<String>,
        within: Option<&Block>,
        exported: bool,
    ) {
        if let Some(list) = head.strip_prefix("pub use ") {
            self.exports.extend(exports(list.trim_end_matches(';')));
            return;
        }
        let of_trait = within.is_some_and(|block| block.of_trait);
        let exported = exported && head.starts_with("macro_rules! ");
        let Some(text) =
            head.strip_prefix("pub ").or_else(|| (of_trait || exported).then_some(head)).map(qualified)
        else {
            return;
        };
        let mut words = text.splitn(2, ' ');
        let (keyword, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let kind = match keyword {
            "fn" => Kind::Function,
            "struct" | "enum" | "union" => Kind::Type,
            "trait" => Kind::Trait,
            "type" | "const" | "static" => Kind::Other,
            "macro_rules!" => Kind::Macro,
            "mod" => return self.modules.push(word(rest).to_owned()),
            _ => return,
        };
        // A macro's function has its name from the macro's rows.
        if rest.starts_with('$') {
            return;
        }
        let returns = text.rsplit_once(" -> ").map_or("", |(_, returned)| returned);
        self.items.push(Item {
            kind,
            name: word(rest).to_owned(),
            owner: within.and_then(|block| block.owner.clone()),
            line,
            docs: Docs::new(std::mem::take(docs)),
            fallible: kind == Kind::Function
                && ["Result<", "io::Result<", "$crate::Result<"]
                    .iter()
                    .any(|result| returns.starts_with(result)),
        });
    }
}

/// A declaration on one line, up to its body, and the number of its lines.
fn head(lines: &[&str]) -> (String, usize) {
    let (mut head, mut count) = (String::new(), 0);
    for line in lines.iter().take(24) {
        count += 1;
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        if !head.is_empty() {
            head.push(' ');
        }
        head.push_str(line);
        let whole = match head.starts_with("pub use ") {
            true => line.ends_with(';'),
            false => line.ends_with(['{', ';', '}']) || line.ends_with(',') && !open(&head),
        };
        if whole {
            break;
        }
    }
    (head, count)
}

/// Whether a bracket is open at its end.
fn open(text: &str) -> bool {
    let count = |signs: &[char]| text.matches(signs).count();
    count(&['(', '[']) > count(&[')', ']'])
}

/// Without `const`, `unsafe` and `async` before `fn`.
fn qualified(mut text: &str) -> &str {
    for before in ["const ", "unsafe ", "async "] {
        if let Some(rest) = text.strip_prefix(before).filter(|rest| {
            rest.contains("fn ") && !rest.contains(": ")
                || rest.starts_with("fn ")
                || rest.starts_with("unsafe fn ")
        }) {
            text = rest;
        }
    }
    text
}

/// The name with which a text begins.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

/// `impl<T> Trait<T> for Type<T> {` as trait and type.
fn implementation(head: &str) -> Option<(String, String)> {
    let (left, right) = after_generics(head)?.split_once(" for ")?;
    let what = left.split('<').next()?.rsplit("::").next()?;
    Some((word(what).to_owned(), word(right.trim_start_matches('&')).to_owned()))
}

/// What follows `impl` and its generic parameters.
fn after_generics(head: &str) -> Option<&str> {
    let rest = head.strip_prefix("impl")?;
    if !rest.starts_with('<') {
        return rest.strip_prefix(' ');
    }
    let mut depth = 0;
    for (i, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !rest[..i].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return rest.get(i + 1..).map(str::trim_start);
        }
    }
    None
}

/// The block that a line opens.
fn opens(
    head: &str,
    indent: usize,
    owners: &mut [(String, String)],
    within: Option<&Block>,
) -> Option<Block> {
    if !(head.ends_with('{') || head.ends_with('(')) {
        return None;
    }
    let mut block = Block { indent, owner: None, of_trait: false, hidden: false, rules: None };
    let declared = qualified(head.strip_prefix("pub ").unwrap_or(head));
    if let Some(name) = head.strip_prefix("macro_rules! ") {
        block.rules = Some(word(name).to_owned());
    } else if let Some(rest) = after_generics(head) {
        block.hidden = rest.contains(" for ");
        let name = word(rest.trim_start_matches('$'));
        block.owner = Some(if rest.starts_with('$') { format!("${name}") } else { name.to_owned() });
    } else if let Some(name) = declared.strip_prefix("trait ") {
        block.of_trait = head.starts_with("pub ");
        block.hidden = !block.of_trait;
        block.owner = Some(word(name).to_owned());
    } else if let Some((name, "{" | "(")) = head.split_once("! ") {
        block.owner = owners.iter().find(|(rules, _)| rules == name).map(|(_, owner)| owner.clone());
    } else if within.is_some_and(|block| block.rules.is_some()) && !declared.starts_with("fn ") {
        // A rule of a macro: `(…) => {`.
    } else {
        block.hidden = true;
    }
    Some(block)
}

/// The names in `a::b::{C, d as e}`, each with its module.
fn exports(list: &str) -> Vec<(String, String)> {
    let (module, names) = list
        .rsplit_once("::")
        .filter(|(_, n)| !n.contains('}'))
        .or_else(|| list.split_once("::{"))
        .unwrap_or(("", list));
    let names = names.trim_end_matches('}').split(',').map(|name| word(name.trim()));
    names.filter(|name| !name.is_empty()).map(|name| (module.to_owned(), name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Source};

    const TEXT: &str = r#"//! A module.
pub mod inner;
pub use hidden::{
    One,
    Two,
};

/// Docs of it.
#[derive(
    Debug,
)]
pub struct Layer {
    pub size: usize,
}

impl<T: Fn() -> u8> Layer<T> {
    /// New.
    pub fn new(
        size: usize,
    ) -> Result<Self> {
        let x = 1;
    }

    pub(crate) fn secret() {}

    pub const fn size(&self) -> usize {
        self.size
    }
}

impl Module for Layer {
    fn forward(&self) -> Result<Tensor> {}
}

pub trait Rule:
    Send
    + Sync
{
    fn step(&self) -> Result<()>;
    const NAME: &'static str;
}

#[macro_export]
macro_rules! of_users {
    ($type:ty) => {
        /// An enum.
        pub enum Kind {
            $(#[doc = $formula] $name,)*
        }

        impl Kind {
            /// The formula.
            pub fn formula(self) {
            }
        }
    };
}

macro_rules! methods {
    ($($(#[$doc:meta])* pub fn $fn:ident = $name:ident;)*) => {
        impl Tensor {
            $($(#[$doc])* pub fn $fn(&self) -> Result<Tensor> {
            })*
        }
    };
}
methods! {
    /// x²
    pub fn square = Square;
}

fn private() {
    pub fn within() {}
}
"#;

    #[test]
    fn items_owners_lines_and_results_are_found() {
        let source = Source::parse("nn/layer.rs", TEXT);
        let found: Vec<_> = source
            .items
            .iter()
            .map(|i| (i.name.as_str(), i.owner.as_deref(), i.line, i.kind, i.fallible))
            .collect();
        let wanted = [
            ("Layer", None, 12, Kind::Type, false),
            ("new", Some("Layer"), 18, Kind::Function, true),
            ("size", Some("Layer"), 26, Kind::Function, false),
            ("Rule", None, 35, Kind::Trait, false),
            ("step", Some("Rule"), 39, Kind::Function, true),
            ("NAME", Some("Rule"), 40, Kind::Other, false),
            ("of_users", None, 44, Kind::Macro, false),
            ("Kind", None, 47, Kind::Type, false),
            ("formula", Some("Kind"), 53, Kind::Function, false),
            ("square", Some("Tensor"), 69, Kind::Function, false),
        ];
        assert_eq!(found, wanted);
        assert_eq!(source.items[0].docs.text(), "Docs of it.");
        assert_eq!(source.items[2].docs.text(), "");
        assert_eq!(source.module, "nn::layer");
        assert_eq!(source.modules, ["inner"]);
        assert_eq!(
            source.exports,
            [("hidden", "One"), ("hidden", "Two")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(source.implements, [("Module".to_owned(), "Layer".to_owned())]);
    }
}

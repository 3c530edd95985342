//! Which items of a crate a user can name.

use super::{Docs, Item, Kind, Source};
use std::collections::BTreeSet;
use std::path::Path;

/// The files of a crate.
pub struct Sources(Vec<Source>);

/// An item that can be reached, with what its docs may lean on.
pub struct Reached<'a> {
    pub source: &'a Source,
    pub item: &'a Item,
    /// The docs of its type or trait.
    pub of_owner: Option<&'a Docs>,
    /// The docs of the public module in which a user finds it.
    pub of_module: Option<&'a Docs>,
}

impl Sources {
    pub fn read(folder: &Path) -> Sources {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                    files.push(Source::parse(&name, &std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Sources(files)
    }

    /// A crate of these paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Sources {
        Sources(files.iter().map(|(path, text)| Source::parse(path, text)).collect())
    }

    /// The types that implement a trait.
    pub fn implementing(&self, of: &str) -> Vec<String> {
        let all = self.0.iter().flat_map(|source| &source.implements);
        all.filter(|(name, _)| name == of).map(|(_, name)| name.clone()).collect()
    }

    /// The modules that are public from the crate's root on.
    fn modules(&self) -> BTreeSet<String> {
        let mut public = BTreeSet::from([String::new()]);
        let mut next = vec![String::new()];
        while let Some(module) = next.pop() {
            for source in self.0.iter().filter(|s| s.module == module) {
                for name in &source.modules {
                    let path = join(&module, name);
                    if public.insert(path.clone()) {
                        next.push(path);
                    }
                }
            }
        }
        public
    }

    /// The items that a user can reach, but for modules under `except`.
    pub fn reached(&self, except: &[&str]) -> Vec<Reached<'_>> {
        let public: BTreeSet<String> =
            self.modules().into_iter().filter(|module| !under(module, except)).collect();
        // Items that are not in a type: their file and name.
        let mut free: BTreeSet<(&str, &str)> = BTreeSet::new();
        for source in self.0.iter().filter(|s| public.contains(&s.module)) {
            free.extend(source.items.iter().filter(|i| i.owner.is_none()).map(|i| (&*source.path, &*i.name)));
            for (module, name) in &source.exports {
                let below = join(&source.module, module.trim_start_matches("self::"));
                for file in
                    self.0.iter().filter(|s| s.module == below || s.module.starts_with(&format!("{below}::")))
                {
                    let here = file.items.iter().filter(|i| i.owner.is_none() && i.name == *name);
                    free.extend(here.map(|i| (&*file.path, &*i.name)));
                }
            }
        }
        let mut reached = Vec::new();
        for source in &self.0 {
            for item in &source.items {
                let owner = item.owner.as_ref().map(|name| self.owner(source, name, &free));
                let (can, of_owner) = match owner {
                    None => (item.kind == Kind::Macro || free.contains(&(&*source.path, &*item.name)), None),
                    Some(docs) => {
                        (docs.is_some() || (of_macro(item) && !under(&source.module, except)), docs)
                    }
                };
                if can {
                    let module = nearest(&source.module, &public);
                    let of_module = self.0.iter().find(|s| s.module == module).map(|s| &s.docs);
                    reached.push(Reached { source, item, of_owner, of_module });
                }
            }
        }
        reached
    }

    /// The docs of the type of this name: one of the same file, or the only one that a user can reach.
    fn owner<'a>(
        &'a self,
        source: &'a Source,
        name: &str,
        free: &BTreeSet<(&str, &str)>,
    ) -> Option<&'a Docs> {
        let of = |file: &'a Source| {
            let mut all =
                file.items.iter().filter(|i| i.owner.is_none() && i.kind != Kind::Function && i.name == name);
            all.next().filter(|i| free.contains(&(&*file.path, &*i.name))).map(|i| &i.docs)
        };
        match source.items.iter().any(|i| i.owner.is_none() && i.name == name) {
            true => of(source),
            false => self.0.iter().find_map(of),
        }
    }
}

/// Whether it is a function that a macro gives to several types: it stands on the page of each.
fn of_macro(item: &Item) -> bool {
    item.owner.as_ref().is_some_and(|owner| owner.starts_with('$'))
}

/// Whether a module is one of these or within one.
fn under(module: &str, of: &[&str]) -> bool {
    of.iter().any(|of| module.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// The module itself if it is public, else the nearest one around it that is.
fn nearest<'a>(mut module: &'a str, public: &BTreeSet<String>) -> &'a str {
    while !public.contains(module) {
        module = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    }
    module
}

#[cfg(test)]
mod tests {
    use super::Sources;

    #[test]
    fn what_a_user_can_name_is_reached_and_nothing_else() {
        let sources = Sources::of(&[
            ("lib.rs", "mod hidden;\npub mod shown;\npub use hidden::{Out};\npub use shown::inner::Deep;\n"),
            (
                "hidden.rs",
                "/// Out.\npub struct Out;\nimpl Out {\n    pub fn go() {}\n}\npub struct In;\nimpl In {\n    pub fn stay() {}\n}\n",
            ),
            (
                "shown/mod.rs",
                "//! Shown.\nmod inner;\npub mod left_out;\npub use inner::Item;\npub fn free() {}\n",
            ),
            (
                "shown/inner.rs",
                "pub enum Item {\n}\npub enum Other {\n}\npub struct Deep;\nimpl $rule {\n    pub fn of_each() {}\n}\n",
            ),
            ("shown/more.rs", "impl Item {\n    pub fn elsewhere(&self) {}\n}\n"),
            ("shown/left_out.rs", "pub fn not_this() {}\n"),
        ]);
        let reached = sources.reached(&["shown::left_out"]);
        let names: Vec<&str> = reached.iter().map(|r| r.item.name.as_str()).collect();
        assert_eq!(names, ["Out", "go", "free", "Item", "Deep", "of_each", "elsewhere"]);
        assert_eq!(reached[1].of_owner.unwrap().text(), "Out.");
        assert_eq!(reached[3].of_module.unwrap().text(), "Shown.");
    }
}

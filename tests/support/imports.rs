//! Imports between the files of `src`, read from their text. Each name leads to the file that it is
//! written in: a `pub use` is followed, and is no import of the file in which it stands.

use std::collections::{BTreeMap, BTreeSet};

use super::allowed::{files, read};

/// A module's path, one name an item; the root has none.
pub type Names = Vec<String>;

/// One file of `src`.
pub struct Module {
    /// Path from the root of the repository.
    pub file: String,
    /// Text up to the file's own tests, without `use` statements and comments.
    text: String,
    /// Names brought in by `use`, with their whole paths.
    uses: BTreeMap<String, Names>,
    /// The same of `pub use`, which is for others and no import.
    reexports: BTreeMap<String, Names>,
}

/// All files of `src`.
pub struct Sources(pub BTreeMap<Names, Module>);

impl Sources {
    /// Reads the files.
    pub fn read() -> Self {
        let files = files("src", &[".rs"]).into_iter();
        let files = files.filter(|path| !path.ends_with("main.rs"));
        Self::of(files.map(|path| (path.display().to_string(), read(&path))))
    }

    /// Takes files by their paths and texts.
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let modules = files.into_iter().map(|(file, text)| {
            let path = file.trim_start_matches("src/").trim_end_matches(".rs");
            let mut names: Names = path.split('/').map(str::to_owned).collect();
            if ["lib", "mod"].contains(&names.last().unwrap().as_str()) {
                names.pop();
            }
            let module = Module {
                file,
                text,
                uses: BTreeMap::new(),
                reexports: BTreeMap::new(),
            };
            (names, module)
        });
        let mut sources = Self(modules.collect());
        let all: Vec<Names> = sources.0.keys().cloned().collect();
        for names in all {
            let parts = Parts::of(&sources.0[&names].text);
            let whole = |uses: Vec<(String, Names)>| {
                let paths = uses.into_iter();
                let paths =
                    paths.filter_map(|(n, path)| Some((n, sources.absolute(&names, &path)?)));
                paths.collect()
            };
            let (uses, reexports) = (whole(parts.uses), whole(parts.reexports));
            let module = sources.0.get_mut(&names).unwrap();
            module.text = parts.rest;
            (module.uses, module.reexports) = (uses, reexports);
        }
        sources
    }

    /// The path from the root of the crate; none of another crate's.
    fn absolute(&self, at: &Names, path: &[String]) -> Option<Names> {
        let mut from = match path.first()?.as_str() {
            "crate" => Names::new(),
            "self" => at.clone(),
            "super" => at.split_last()?.1.to_vec(),
            child => {
                let child = [&at[..], &[child.to_owned()]].concat();
                self.0.contains_key(&child).then_some(child)?
            }
        };
        let mut rest = &path[1..];
        while let Some(("super", further)) = rest.split_first().map(|(n, r)| (n.as_str(), r)) {
            from.pop()?;
            rest = further;
        }
        from.extend_from_slice(rest);
        Some(from)
    }

    /// The module in which a path's item is written, and the item's name; none for a module itself.
    pub fn home(&self, path: &[String]) -> Option<(&Names, String)> {
        let length = (0..=path.len()).rev();
        let mut known = length.filter_map(|n| Some((self.0.get_key_value(&path[..n])?, n)));
        let ((names, module), n) = known.next()?;
        let name = path.get(n)?;
        match module.reexports.get(name) {
            Some(to) => self.home(&[&to[..], &path[n + 1..]].concat()),
            None => Some((names, name.clone())),
        }
    }

    /// Where a path that stands in a module's text leads.
    pub fn resolve(&self, at: &Names, path: &[String]) -> Option<(&Names, String)> {
        let module = &self.0[at];
        let used = |name| module.uses.get(name).or(module.reexports.get(name));
        let used = path.first().and_then(used);
        let path = match used {
            Some(used) => [&used[..], &path[1..]].concat(),
            None => self.absolute(at, path)?,
        };
        self.home(&path)
    }

    /// The modules that each module imports from.
    pub fn imports(&self) -> BTreeMap<&Names, BTreeSet<&Names>> {
        let of = |(at, module)| (at, self.imports_of(at, module));
        self.0.iter().map(of).collect()
    }

    fn imports_of(&self, at: &Names, module: &Module) -> BTreeSet<&Names> {
        let named = paths(&module.text).filter_map(|path| self.resolve(at, &path));
        let homes = module
            .uses
            .values()
            .filter_map(|path| self.home(path))
            .chain(named);
        let homes = homes.map(|(home, _)| home);
        homes.filter(|home| *home != at).collect()
    }

    /// The types that have `impl` blocks in a module, as `file::Type`. Types of other crates are left out.
    pub fn implemented(&self, at: &Names) -> BTreeSet<String> {
        let module = &self.0[at];
        let heads = module.text.lines().filter_map(|line| {
            let head = line.strip_prefix("impl")?;
            let head = head.split_once(" for ").map_or(head, |(_, of)| of);
            // The type parameters, if any.
            let head = match head.strip_prefix('<') {
                Some(rest) => rest.split_once("> ")?.1,
                None => head.trim_start(),
            };
            paths_and_names(head).next()
        });
        let own = |name: &String| {
            let kinds = ["struct", "enum"].iter();
            kinds
                .map(|kind| format!("{kind} {name}"))
                .any(|head| words_of(&module.text, &head))
        };
        heads
            .filter_map(|path| match &path[..] {
                [name] if own(name) => Some((at, name.clone())),
                path => self.resolve(at, path),
            })
            .map(|(home, name)| format!("{}::{name}", self.0[home].file))
            .collect()
    }
}

/// Whether a text has these words, not as the beginning of a longer one.
fn words_of(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let next = text[at + words.len()..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

/// A file's text, taken apart. Its own tests and its comments are left out.
#[derive(Default)]
struct Parts {
    uses: Vec<(String, Names)>,
    reexports: Vec<(String, Names)>,
    rest: String,
}

impl Parts {
    fn of(text: &str) -> Self {
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let (mut parts, mut open) = (Self::default(), None::<(&str, String)>);
        for line in text.lines() {
            let line = line.split("//").next().unwrap();
            let bare = line.trim();
            let first = bare.split_once("use ").filter(|(head, _)| {
                ["", "pub "].contains(head) || head.starts_with("pub(") && head.ends_with(") ")
            });
            match (&mut open, first) {
                (Some((_, tree)), _) => tree.push_str(bare),
                (None, Some((head, tree))) => open = Some((head, tree.to_owned())),
                (None, None) => {
                    parts.rest.push_str(line);
                    parts.rest.push('\n');
                }
            }
            if let Some((head, tree)) = open.take_if(|(_, tree)| tree.ends_with(';')) {
                let to = match head {
                    "" => &mut parts.uses,
                    _ => &mut parts.reexports,
                };
                expand(&[], tree.trim_end_matches(';'), to);
            }
        }
        parts
    }
}

/// Takes `a::{b, c as d}` apart: `b` is `a::b`, and `d` is `a::c`.
fn expand(before: &[String], tree: &str, out: &mut Vec<(String, Names)>) {
    let (head, inner) = match tree.split_once('{') {
        Some((head, inner)) => (head, inner.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let (head, name) = head.split_once(" as ").unwrap_or((head, ""));
    let mut path = before.to_vec();
    let names = head.split("::").map(str::trim);
    path.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    let Some(inner) = inner else {
        path.pop_if(|last| last == "self" && !before.is_empty());
        let name = if name.is_empty() {
            path.last().unwrap()
        } else {
            name
        };
        out.push((name.to_owned(), path));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inner[start..at].trim();
                start = (at + 1).min(inner.len());
                if !item.is_empty() {
                    expand(&path, item, out);
                }
            }
            _ => {}
        }
    }
}

/// All that reads like a path.
fn paths(text: &str) -> impl Iterator<Item = Names> {
    paths_and_names(text).filter(|path| path.len() > 1)
}

fn paths_and_names(text: &str) -> impl Iterator<Item = Names> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let words = words
        .map(|word| word.trim_matches(':'))
        .filter(|word| !word.is_empty());
    words.map(|word| word.split("::").map(str::to_owned).collect())
}

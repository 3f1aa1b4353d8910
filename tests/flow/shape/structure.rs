//! The shape of the code: who imports whom, how large things are, what comments begin with. What is
//! not so yet is listed in `tests/data/exceptions`, and may only become less.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::allowed::{Found, assert_only_the_allowed, files, read};
use crate::support::imports::{Module, Names, Sources};

/// Most lines of a file.
const LINES: usize = 400;

/// Most fields of a struct.
const FIELDS: usize = 10;

/// The imports that are part of a circle, as `from -> to`. A place is a file, or a room of files.
fn circles(sources: &Sources, place: impl Fn(&Names, &Module) -> String) -> BTreeSet<String> {
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    let place = |names: &Names| place(names, &sources.0[names]);
    for (from, all) in sources.imports() {
        let of = imports.entry(place(from)).or_default();
        of.extend(all.into_iter().map(place).filter(|to| *to != place(from)));
    }
    let leads_to = |from: &String, to: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            next.extend(imports[at].iter().filter(|to| seen.insert(*to)));
        }
        seen.contains(to)
    };
    let all = imports.iter();
    let all = all.flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    let all = all.filter(|(from, to)| leads_to(to, from));
    all.map(|(from, to)| format!("{from} -> {to}")).collect()
}

fn file(_: &Names, module: &Module) -> String {
    module.file.clone()
}

/// A room is a folder or a file of `src` itself.
fn room(names: &Names, _: &Module) -> String {
    names.first().map_or("lib", |name| name).to_owned()
}

fn once(places: impl IntoIterator<Item = String>) -> Found {
    places.into_iter().map(|place| (place, 1)).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_only_the_allowed("circles", &once(circles(&Sources::read(), file)));
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    assert_only_the_allowed("rooms", &once(circles(&Sources::read(), room)));
}

#[test]
fn a_type_has_impl_blocks_in_two_files_at_most() {
    let sources = Sources::read();
    let mut files = Found::new();
    for names in sources.0.keys() {
        for name in sources.implemented(names) {
            *files.entry(name).or_default() += 1;
        }
    }
    files.retain(|_, files| *files > 2);
    assert_only_the_allowed("impls", &files);
}

/// The structs of a text with their numbers of fields, but those that serde reads or writes.
fn structs(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut attributes = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        let head = bare
            .split_once("struct ")
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let Some((_, head)) = head.filter(|_| line.ends_with('{')) else {
            attributes.push_str(bare);
            if bare.is_empty() || bare.ends_with('}') {
                attributes.clear();
            }
            continue;
        };
        let name = head.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        let indent = line.len() - bare.len();
        let end = format!("{}}}", " ".repeat(indent));
        let fields = lines.by_ref().take_while(|line| **line != end);
        let fields = fields.filter(|line| {
            let bare = line.trim_start();
            let is_inside = line.len() - bare.len() == indent + 4;
            is_inside && !bare.starts_with(['/', '#', '}', '>', ')']) && bare.contains(": ")
        });
        let is_wire = ["Serialize", "Deserialize"]
            .iter()
            .any(|derive| attributes.contains(derive));
        let fields = fields.count();
        if !is_wire {
            found.push((name, fields));
        }
        attributes.clear();
    }
    found
}

/// Structs in `src/config` are the configuration; a wire struct is one that serde reads or writes.
#[test]
fn a_struct_has_ten_fields_at_most() {
    let mut found = Found::new();
    for path in files("src", &[".rs"]) {
        if path.starts_with("src/config") {
            continue;
        }
        let text = read(&path);
        let large = structs(&text)
            .into_iter()
            .filter(|(_, fields)| *fields > FIELDS);
        found.extend(large.map(|(name, n)| (format!("{}::{name}", path.display()), n)));
    }
    assert_only_the_allowed("fields", &found);
}

#[test]
fn a_file_has_400_lines_at_most() {
    let of = |folder| files(folder, &[".rs"]).into_iter();
    let lines = of("src").chain(of("tests")).map(|path| {
        let lines = read(&path).lines().count();
        (path.display().to_string(), lines)
    });
    assert_only_the_allowed(
        "lines",
        &lines.filter(|(_, lines)| *lines > LINES).collect(),
    );
}

#[test]
fn every_module_says_in_four_lines_what_it_is_for() {
    let of = |folder| files(folder, &[".rs"]).into_iter();
    let all = of("src").chain(of("tests"));
    // The crate's own page has a drawing.
    let all = all.filter(|path| !path.ends_with("src/lib.rs"));
    let without = all.filter(|path| {
        let head = read(path)
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        !(1..=4).contains(&head)
    });
    assert_only_the_allowed(
        "heads",
        &once(without.map(|path| path.display().to_string())),
    );
}

/// Words that no doc comment begins with.
const RIDDLES: [&str; 3] = ["What", "Whether", "How"];

/// Words that no doc comment of `src` begins with either.
const RIDDLES_OF_SRC: [&str; 10] = [
    "As", "If", "So", "Until", "When", "Where", "Which", "Who", "Whose", "Why",
];

/// The number of doc comments that begin with a word that they should not begin with.
fn riddles(text: &str, is_src: bool) -> usize {
    let is_riddle = |word| RIDDLES.contains(&word) || is_src && RIDDLES_OF_SRC.contains(&word);
    let mut before = "";
    let mut found = 0;
    for line in text.lines().map(str::trim_start) {
        let comment = line.strip_prefix("///").or(line.strip_prefix("//!"));
        let is_first = comment.is_some() && !before.starts_with(&line[..3]);
        let comment = comment.unwrap_or_default().trim_start();
        let first = comment.split(|c: char| !c.is_alphabetic()).next();
        if is_first && first.is_some_and(is_riddle) {
            found += 1;
        }
        before = line;
    }
    found
}

#[test]
fn a_doc_comment_begins_with_a_noun_or_a_verb() {
    let of = |folder| files(folder, &[".rs"]).into_iter();
    let found = of("src").chain(of("tests")).map(|path| {
        let found = riddles(&read(&path), path.starts_with("src"));
        (path.display().to_string(), found)
    });
    assert_only_the_allowed("riddles", &found.filter(|(_, found)| *found > 0).collect());
}

#[test]
fn a_circle_is_found_through_reexports_and_paths() {
    let sources = |files: &[(&str, &str)]| {
        let files = files.iter();
        Sources::of(files.map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
    };
    let room = [
        ("src/lib.rs", "mod room;\nmod other;\n"),
        (
            "src/room/mod.rs",
            "mod a;\nmod b;\npub use a::A;\npub use b::{self as c, B};\n",
        ),
        ("src/other.rs", "use crate::room::{A, B};\n"),
    ];
    let with = |a: &'static str, b: &'static str| {
        sources(&[&room[..], &[("src/room/a.rs", a), ("src/room/b.rs", b)]].concat())
    };
    let both = [
        "src/room/a.rs -> src/room/b.rs",
        "src/room/b.rs -> src/room/a.rs",
    ];
    for (a, b) in [
        ("use super::B;\n", "use super::a::A;\n"),
        (
            "use super::{\n    B,\n};\n",
            "fn f() -> crate::room::A {}\n",
        ),
        (
            "fn f() { super::b::g(); }\n",
            "use crate::room;\nfn g() { room::A::new(); }\n",
        ),
        (
            "use super::c;\nfn f() { c::g(); }\n",
            "use super::super::room::a::A as X;\n",
        ),
    ] {
        assert_eq!(Vec::from_iter(circles(&with(a, b), file)), both, "{a}{b}");
    }
    for (a, b) in [
        ("use super::B;\n", "// crate::room::A\n"),
        (
            "use super::B;\n",
            "#[cfg(test)]\nmod tests {\n    use super::super::A;\n}\n",
        ),
    ] {
        assert_eq!(circles(&with(a, b), file), BTreeSet::new(), "{a}{b}");
    }
    let sources = with(
        "use super::B;\nimpl B {}\nimpl<T: Ord> From<T> for B {}\n",
        "struct B;\nimpl B {}\n",
    );
    for module in ["a", "b"] {
        let names = vec!["room".to_owned(), module.to_owned()];
        let found = Vec::from_iter(sources.implemented(&names));
        assert_eq!(found, ["src/room/b.rs::B"], "{module}");
    }
}

#[test]
fn fields_and_riddles_are_counted() {
    let text = "/// What it is.\n/// How.\n#[derive(Debug)]\npub struct A {\n    /// x: y\n    pub a: B<{ 1 }>,\n    /// When, if known.\n    b: u8,\n}\n\
                #[derive(Serialize)]\nstruct W {\n    /// Sofa.\n    a: u8,\n}\n";
    assert_eq!(structs(text), [("A", 2)]);
    assert_eq!(riddles(text, false), 1);
    assert_eq!(riddles(text, true), 2);
}

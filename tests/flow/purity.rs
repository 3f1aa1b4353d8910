//! The judge knows no runtime, no clock, no file and no wire type. This reads its source and holds it to that.

use std::fs;
use std::path::Path;

/// Where a path in the judge may begin, besides what is brought in by an allowed `use`, and the judge's own modules.
const ALLOWED: [&str; 7] = [
    "std",
    "core",
    "alloc",
    "serde",
    "super",
    "self",
    "crate::judge",
];

/// What the standard library has and the judge must not use.
const FORBIDDEN_STD: [&str; 9] = [
    "fs",
    "net",
    "io",
    "env",
    "process",
    "thread",
    "os",
    "time::Instant",
    "time::SystemTime",
];

/// The judge's own modules and the primitive types.
const LOCAL: [&str; 35] = [
    "brakes",
    "cause",
    "docket",
    "latest",
    "ledger",
    "message",
    "mismatch",
    "moment",
    "named_image",
    "outcome",
    "phrases",
    "record",
    "redact",
    "reference",
    "rules",
    "status",
    "text",
    "verdict",
    "view",
    "waiting",
    "wordings",
    "bool",
    "char",
    "str",
    "f64",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i32",
    "i64",
    "i128",
    "isize",
];

/// Everything in one source text that is not allowed, as `line: what`.
fn impurities(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut imported = Vec::new();
    for (line, text) in statements(source) {
        let mut complain = |what: &str| found.push(format!("{line}: {what}"));
        if let Some(tree) = text.strip_prefix("use ").or(text.strip_prefix("pub use ")) {
            for path in expand("", tree.trim_end_matches(';')) {
                if is_allowed(&path, &[]) {
                    imported.extend(path.rsplit("::").next().map(str::to_owned));
                } else {
                    complain(&path);
                }
            }
            continue;
        }
        for word in ["async", "await", "unsafe", "extern"] {
            if words(&text).any(|w| w == word) {
                complain(word);
            }
        }
        if text.starts_with("static ")
            || text.starts_with("pub static ")
            || text.contains("thread_local!")
        {
            complain("static");
        }
        for name in [
            "print",
            "println",
            "eprint",
            "eprintln",
            "dbg",
            "env",
            "option_env",
            "include",
            "include_str",
        ] {
            if words(&text).any(|w| w == name) && text.contains(&format!("{name}!")) {
                complain(&format!("{name}!"));
            }
        }
        for path in paths(&text).filter(|path| !is_allowed(path, &imported)) {
            complain(path);
        }
    }
    found
}

/// The lines without comments and texts in quotes, `use` statements made one line each.
fn statements(source: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut in_use = false;
    for (line, text) in (1..).zip(source.lines()) {
        let bare: String = text.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        let bare = bare
            .split("//")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        match out.last_mut() {
            Some((_, last)) if in_use => last.push_str(&bare),
            _ => out.push((line, bare)),
        }
        let last = out.last().map_or("", |(_, text)| text.as_str());
        in_use = (last.starts_with("use ") || last.starts_with("pub use ")) && !last.ends_with(';');
    }
    out
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, tree: &str) -> Vec<String> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0, 0);
    let mut items = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(&tree[std::mem::replace(&mut start, at + 1)..at]),
            _ => {}
        }
    }
    items.push(&tree[start..]);
    for item in items
        .iter()
        .map(|item| item.trim())
        .filter(|item| !item.is_empty())
    {
        match item.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.strip_suffix('}').expect("braces are closed");
                out.extend(expand(&format!("{prefix}{head}"), inner));
            }
            None => out.push(format!(
                "{prefix}{}",
                item.split(" as ").next().unwrap_or(item)
            )),
        }
    }
    out
}

/// The paths on a line that begin with a lower-case name: those of crates, modules and primitive types.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.split(move |c| !is_path(c) && c != '.')
        .filter_map(move |word| {
            // What follows a dot is a method.
            let path = word.rsplit('.').next()?.trim_matches(':');
            let method = word.contains('.') && !path.contains("::");
            (!method && path.contains("::") && path.starts_with(|c: char| c.is_lowercase()))
                .then_some(path)
        })
}

fn is_allowed(path: &str, imported: &[String]) -> bool {
    let under = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let forbidden = |part: &str| under(&format!("std::{part}")) || under(&format!("core::{part}"));
    let mut known = ALLOWED
        .iter()
        .chain(&LOCAL)
        .copied()
        .chain(imported.iter().map(String::as_str));
    known.any(under) && !FORBIDDEN_STD.iter().any(|part| forbidden(part))
}

#[test]
fn the_judge_is_pure() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge");
    let mut found = Vec::new();
    let mut files = 0;
    let mut paths = vec![folder];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        assert!(
            path.extension().is_some_and(|e| e == "rs"),
            "{} is not looked at",
            path.display()
        );
        files += 1;
        let source = fs::read_to_string(&path).unwrap();
        // Its own tests may use what they like.
        let source = source.split("#[cfg(test)]").next().unwrap();
        let name = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .display();
        found.extend(
            impurities(source)
                .into_iter()
                .map(|what| format!("{name}:{what}")),
        );
    }
    assert!(files >= 8, "the judge is not where it was");
    assert!(
        found.is_empty(),
        "the judge must stay pure:\n{}",
        found.join("\n")
    );
}

#[test]
fn impurities_are_found() {
    for (line, expected) in [
        ("use tokio::time::sleep;", "1: tokio::time::sleep"),
        (
            "use std::time::{Duration, Instant};",
            "1: std::time::Instant",
        ),
        (
            "let now = std::time::SystemTime::now();",
            "1: std::time::SystemTime::now",
        ),
        ("use std::fs;", "1: std::fs"),
        ("use std::{fmt, net};", "1: std::net"),
        ("use crate::config::Config;", "1: crate::config::Config"),
        ("use kube::Api;", "1: kube::Api"),
        ("use tokio;", "1: tokio"),
        ("async fn judge() {}", "1: async"),
        ("    tracing::info!(\"x\");", "1: tracing::info"),
        ("static X: u8 = 1;", "1: static"),
        (
            "use std::{\n    fmt,\n    time::{Duration, Instant},\n};",
            "1: std::time::Instant",
        ),
        ("let x = env!(\"HOME\");", "1: env!"),
        ("let x = [rand::random(), 1];", "1: rand::random"),
    ] {
        assert_eq!(impurities(line), [expected], "{line}");
    }
    for line in [
        "use std::time::Duration;",
        "use super::{Cause, Class};",
        "use serde::{Deserialize, Serialize};",
        "// tokio::spawn and std::fs are not for us",
        "let x = Class::Node;",
        "use super::cause::Waiting;",
        "use std::fmt;\nfn fmt(f: &mut fmt::Formatter<'_>) -> &'static str {}",
        "let n = text.parse::<u32>() + u64::from(byte);",
        "f.write_str(\"a static Pod, tokio::spawn\")",
    ] {
        assert!(
            impurities(line).is_empty(),
            "{line}: {:?}",
            impurities(line)
        );
    }
}

//! Words that our prose does not use, and the words that it uses instead: in the comments and texts
//! of src, in the documentation and in the manifests. Present uses are listed in
//! `tests/data/exceptions/words.txt`, and their sum may only shrink.

use std::path::{Path, PathBuf};

use crate::support::allowed::{Found, assert_only_the_allowed, files, read};

/// Words, with all their forms, and what to say instead.
const WORDS: [(&str, &str); 17] = [
    (
        "tick, ticks, ticked, a look, each look, first look, last look",
        "poll, read, check",
    ),
    (
        "new look, next look, second look, look away, looked away, looks away",
        "poll, read, skip",
    ),
    (
        "has the word, had the word, first word on, speaks, spoken",
        "report",
    ),
    ("tells of, told of, tell of, says of, is told", "report"),
    ("sighting, sightings, what came", "observation, event"),
    ("older than what is known, not news, no news", "stale"),
    ("how manieth, manieth", "failure count"),
    (
        "patience, more patient, patiently",
        "threshold, minimum duration",
    ),
    (
        "condemn, condemns, condemned, condemning, the time has come",
        "fail",
    ),
    (
        "keep back, keeps back, kept back, in the way",
        "hold, brake",
    ),
    ("spare, spares, sparing", "skip, exempt"),
    (
        "take back, takes back, took back, taken back, taking back",
        "revert",
    ),
    ("undo, undoes, undone, undoing", "revert"),
    (
        "give back, gives back, gave back, given back, hold any more",
        "free, freed capacity",
    ),
    ("what it would find", "preflight check"),
    ("goes by, gone by, go by, went by", "use, depend on, read"),
    ("comes of, came of", "result, outcome"),
];

/// The comments and the texts in quotes of Rust code. Lines of one comment are joined.
fn prose_of_rust(source: &str) -> String {
    let mut prose = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            let (line, after) = comment.split_once('\n').unwrap_or((comment, ""));
            prose.push_str(line.trim_start_matches(['/', '!']));
            // The next line may go on with the sentence.
            let goes_on = after.trim_start_matches(' ').starts_with("//");
            prose.push(if goes_on { ' ' } else { '\n' });
            rest = after;
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && rest.contains('"') {
            let hashes = rest[1..].split('"').next().unwrap();
            if !hashes.bytes().all(|byte| byte == b'#') {
                rest = &rest[1..];
                continue;
            }
            let text = &rest[hashes.len() + 2..];
            let end = format!("\"{hashes}");
            let (text, after) = text.split_once(&end).unwrap_or((text, ""));
            prose.push_str(text);
            prose.push('\n');
            rest = after;
        } else if let Some(text) = rest.strip_prefix('"') {
            let mut is_escaped = false;
            let end = text.find(|c| {
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            let end = end.unwrap_or(text.len());
            prose.push_str(&text[..end].replace("\\n", "\n"));
            prose.push('\n');
            rest = text.get(end + 1..).unwrap_or_default();
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest = &rest[rest[1..].find('\'').unwrap() + 2..];
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    prose
}

/// Uses of the words in a prose, with what to say instead. A word that is part of a name, such as
/// `pullwarden_undone_total`, is no use of it.
fn uses(prose: &str) -> Vec<String> {
    let words: Vec<&str> = prose.split_whitespace().collect();
    let text = words.join(" ").to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || "_-`/".contains(c);
    let mut found = Vec::new();
    for (forms, instead) in WORDS {
        for form in forms.split(", ") {
            for (at, _) in text.match_indices(form) {
                let before = text[..at].chars().next_back();
                let after = text[at + form.len()..].chars().next();
                if ![before, after].into_iter().flatten().any(is_part) {
                    let from = text.floor_char_boundary(at.saturating_sub(30));
                    let to = text.ceil_char_boundary((at + form.len() + 20).min(text.len()));
                    found.push(format!("…{}… (say {instead})", &text[from..to]));
                }
            }
        }
    }
    found
}

/// The texts in quotes of JSON. One of a single word is a name, such as that of a field.
fn prose_of_json(source: &str) -> String {
    let source = source.replace("\\\"", "'");
    let quoted = source.split('"').skip(1).step_by(2);
    let texts = quoted.filter(|text| text.contains(' '));
    texts.collect::<Vec<_>>().join("\n")
}

fn prose_of(path: &Path) -> String {
    let text = read(path);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("rs") => prose_of_rust(&text),
        Some("json") => prose_of_json(&text),
        _ => text.replace('#', " "),
    }
}

#[test]
fn plain_words_are_used() {
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "tests/README.md",
        "tests/commands.md",
    ];
    let mut all: Vec<PathBuf> = pages.iter().map(PathBuf::from).collect();
    all.extend(files("src", &[".rs"]));
    all.extend(files("docs", &[".md", ".json"]));
    all.extend(files("deploy", &[".md", ".yaml", ".json", ".tpl", ".txt"]));
    let mut found = Found::new();
    for path in &all {
        let uses = uses(&prose_of(path));
        for one in &uses {
            println!("{}: {one}", path.display());
        }
        if !uses.is_empty() {
            found.insert(path.display().to_string(), uses.len());
        }
    }
    assert_only_the_allowed("words", &found);
}

#[test]
fn words_are_found_in_prose_and_nowhere_else() {
    for (source, expected) in [
        ("/// A Pod is condemned.\n", 1),
        ("// It may take\n    // back the condition.\n", 1),
        ("let x = \"undo \\\" undone\";", 2),
        ("let x = r#\"how \"manieth\" it is\"#;", 1),
        ("let c = '\"'; let condemned = undo(b);", 0),
        ("let r#type = condemned;", 0),
        (
            "let x = \"pullwarden_undone_total\"; // the list `undone`",
            0,
        ),
        ("let x = \"a\"; // ticket, reticked\n", 0),
    ] {
        assert_eq!(uses(&prose_of_rust(source)).len(), expected, "{source}");
    }
    let json = r#"{"undone": {"enum": ["condemn"], "title": "to \"undo\" it"}}"#;
    assert_eq!(uses(&prose_of_json(json)).len(), 1);
}

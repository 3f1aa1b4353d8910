//! `pullwarden replay`: what it prints, which files are whose, and what it says of files that it cannot judge.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pullwarden::judge::{NodeMode, Outcome};
use serde_json::Value;

use super::policies::{HASTY, end, fail};
use crate::support::judge::at;
use crate::support::node_log;
use crate::support::pod::Pod;
use crate::support::recorder::{self, Recorder};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command
        .arg("replay")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// An observing agent of this node that counts to three.
fn observing_on(node: &str, dir: &Path) -> Recorder {
    let mut config = recorder::config(NodeMode::Observe);
    config.policy.failure_count = std::num::NonZeroU32::new(3);
    node.clone_into(&mut config.policy.node);
    Recorder::start(config, dir)
}

/// The logs of two nodes, and the paths of their files. Each turns its page after two failures.
fn two_nodes(dir: &Path) -> [PathBuf; 2] {
    ["a", "b"].map(|name| {
        let dir = dir.join(name);
        let mut recorder = observing_on(name, &dir);
        let pod = Pod::bad(&format!("of-{name}")).node(name);
        for nth in 0..3 {
            if nth == 2 {
                recorder.turn_page(at(215));
            }
            fail(&mut recorder, &pod, 100 + 60 * nth);
        }
        end(&mut recorder, Outcome::Due, 230);
        recorder.see(&pod.running("c").phase("Running").view(), at(300));
        dir.join("pulls.jsonl")
    })
}

/// Cuts a log in two where its page was turned.
fn in_two(log: &Path) -> [String; 2] {
    let text = std::fs::read_to_string(log).unwrap();
    let turned = text.find("\"kind\":\"continued\"").unwrap();
    let (older, newer) = text.split_at(text[..turned].rfind('\n').unwrap() + 1);
    [older.to_owned(), newer.to_owned()]
}

/// Writes files into a folder of their own.
fn files<const N: usize>(dir: &Path, files: [(&str, &str); N]) -> [String; N] {
    files.map(|(name, text)| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// What is printed of these files, which must all be judged.
fn judged<const N: usize>(files: &[String; N]) -> String {
    let output = run(&files.each_ref().map(String::as_str));
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    out
}

#[test]
fn the_command_shows_pods_and_sums_as_a_table_and_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two_nodes(dir.path());
    let hasty = dir.path().join("hasty.yaml");
    std::fs::write(&hasty, HASTY.1).unwrap();
    let [a, b, hasty] = [&a, &b, &hasty].map(|path| path.to_str().unwrap());

    let output = run(&["--config", hasty, a, b]);
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    assert!(
        out.contains("default/of-a  on a  it started  the policies differ\n"),
        "{out}"
    );
    assert!(
        out.contains("would fail  2026-11-02T00:03:40Z  r.test/bad:1  ImageNotFound, 3 failures in 2m  WRONG: it started at 2026-11-02T00:05:00Z"),
        "{out}"
    );
    assert!(
        out.contains(
            "failed  2026-11-02T00:01:40Z  r.test/bad:1  ImageNotFound, 1 failure in 0s  WRONG"
        ),
        "{out}"
    );
    let sums: Vec<&str> = out
        .lines()
        .filter(|l| l.contains("WRONG, started"))
        .collect();
    assert_eq!(
        sums[0].split_whitespace().rev().take(2).collect::<Vec<_>>(),
        ["2", "2"]
    );

    let output = run(&["-o", "json", "--config", hasty, a, b]);
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["pods"].as_array().unwrap().len(), 2);
    assert_eq!(value["pods"][0]["policies"][1]["decision"], "failed");
    assert_eq!(value["summary"][0]["wouldFail"], 2);
    assert_eq!(value["summary"][0]["disagreed"], 0);
    assert_eq!(value["summary"][1]["wrong"], 2);
}

#[test]
fn a_line_that_cannot_be_read_is_told_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let mut text = std::fs::read_to_string(&a).unwrap();
    let whole = said(&run(&[a.to_str().unwrap()])).0;
    let newer =
        r#"{"time":"2026-11-02T00:00:00Z","at":{"secs":1,"nanos":0},"ticked":null,"kind":"dream"}"#;
    text = text.replacen('\n', &format!("\n{newer}\n\u{0}\n{{\"kind\":\"view\"\n"), 1);
    text.push_str("{\"time\":\"2026-11-02T");
    std::fs::write(&a, text).unwrap();
    let output = run(&[a.to_str().unwrap()]);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{err}");
    assert_eq!(out, whole, "the others are judged as ever");
    let name = a.display();
    let told: Vec<&str> = err.lines().collect();
    assert_eq!(told.len(), 4, "{err}");
    assert_eq!(
        node_log::replay(std::slice::from_ref(&a), &[]).unread.len(),
        4
    );
    assert_eq!(
        told[0],
        format!(
            "pullwarden: {name}:2: is of a kind that this version does not know, passed over: \"dream\""
        )
    );
    for (line, told) in [3, 4].into_iter().zip(&told[1..]) {
        let begins = format!("pullwarden: {name}:{line}: cannot be read, passed over: ");
        assert!(told.starts_with(&begins), "{told}");
    }
}

#[test]
fn faults_have_the_exit_codes_of_the_other_commands() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "mode: loud\npol: 1\n").unwrap();
    let [a, bad] = [&a, &bad].map(|path| path.to_str().unwrap());
    let code = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code(), said(&output).1)
    };
    assert_eq!(code(&[]).0, Some(2));
    assert_eq!(code(&["-o", "yaml", a]).0, Some(2));
    let (exit, told) = code(&["/no/such/file"]);
    assert_eq!(exit, Some(1));
    assert!(
        told.contains("reading /no/such/file: No such file"),
        "{told}"
    );
    let (exit, told) = code(&["--config", bad, "--config", "/no/such.yaml", a]);
    assert_eq!(exit, Some(64));
    assert!(told.contains("has 3 faults"), "{told}");
}

#[test]
fn nodes_are_told_apart_by_their_lines_not_by_file_names() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two_nodes(dir.path());
    let whole = judged(&[&a, &b].map(|path| path.to_str().unwrap().to_owned()));
    assert!(whole.contains("of-a  on a") && whole.contains("of-b  on b"));
    let ([older_a, newer_a], [older_b, newer_b]) = (in_two(&a), in_two(&b));
    let [all_a, all_b] = [format!("{older_a}{newer_a}"), format!("{older_b}{newer_b}")];
    // Names like those of rotated files are the addresses of two nodes.
    let addresses = files(dir.path(), [("10.0.0.1", &all_a), ("10.0.0.2", &all_b)]);
    assert_eq!(judged(&addresses), whole);
    // The names of rotated files are those of two nodes' newest and older ones.
    let crossed = files(
        dir.path(),
        [
            ("pulls.jsonl.1", &newer_a),
            ("pulls.jsonl", &older_a),
            ("other/pulls.jsonl", &older_b),
            ("pulls.jsonl.2", &newer_b),
        ],
    );
    assert_eq!(judged(&crossed), whole);
    let together = files(
        dir.path(),
        [
            ("all", &format!("{newer_a}{older_b}")),
            ("rest", &format!("{older_a}{newer_b}")),
        ],
    );
    assert_eq!(judged(&together), whole);
}

#[test]
fn a_file_that_is_given_twice_is_judged_once() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path()).map(|path| path.to_str().unwrap().to_owned());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&a, &link).unwrap();
    let twice = [a.clone(), a.clone(), link.to_str().unwrap().to_owned()];
    let once = judged(&[a]);
    assert_eq!(judged(&twice), once);
    // A copy, and one that was made before the log was complete.
    let text = std::fs::read_to_string(&twice[0]).unwrap();
    let begun = text.split_inclusive('\n').take(5).collect::<String>();
    let copies = files(dir.path(), [("begun", &begun), ("copy", &text)]);
    let [begun, copy] = copies;
    assert_eq!(judged(&[begun, copy, twice[0].clone()]), once);
}

#[test]
fn a_log_may_come_through_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command.args(["replay", "/dev/stdin"]).env_clear();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = std::fs::read(&a).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let piped = said(&child.wait_with_output().unwrap()).0;
    assert_eq!(piped, judged(&[a.to_str().unwrap().to_owned()]));
}

#[test]
fn what_is_no_log_of_a_node_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two_nodes(dir.path());
    let text = std::fs::read_to_string(&b).unwrap();
    let headless = in_two(&a)[1].split_once('\n').unwrap().1.to_owned();
    let newer = text.replace("\"mode\":\"observe\"", "\"mode\":\"dream\"");
    for (name, content, problem) in [
        ("empty", "", "empty: is empty"),
        (
            "garbage",
            "one\ntwo\n",
            "none of its 2 lines is a line of a node's log",
        ),
        (
            "binary",
            "\u{0}\u{1}",
            "none of its 1 lines is a line of a node's log",
        ),
        (
            "json",
            "{\"kind\":\"start\"}\n[]\n",
            "none of its 2 lines is a line",
        ),
        ("headless", &headless, "which say of which node they are"),
        ("newer", &newer, "nothing of node b was judged"),
    ] {
        let [bad] = files(dir.path(), [(name, content)]);
        for format in ["table", "json"] {
            let output = run(&["-o", format, &bad]);
            let (out, err) = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {err}");
            assert!(out.is_empty(), "{name}: {out}");
            assert!(err.contains(problem), "{name}: {err}");
            assert!(err.contains("nothing to judge"), "{name}: {err}");
        }
        // What can be judged is, beside it.
        let good = a.to_str().unwrap();
        let output = run(&[good, &bad]);
        let (out, err) = said(&output);
        assert!(
            out.starts_with(&judged(&[good.to_owned()])[..200]),
            "{name}: {out}"
        );
        let code = if name == "empty" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{name}: {err}");
        assert!(err.contains(problem), "{name}: {err}");
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let folder = a.parent().unwrap().to_str().unwrap();
    let output = run(&[folder, a.to_str().unwrap()]);
    let (out, err) = said(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(1), ""));
    let expected = format!(
        "pullwarden: reading {folder}: is a directory; name its files: {folder}/pulls.jsonl*\n"
    );
    assert_eq!(err, expected);
}

#[test]
fn complaints_about_many_lines_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let [a, _] = two_nodes(dir.path());
    let text = std::fs::read_to_string(&a).unwrap() + &"nothing\n".repeat(500);
    let [long] = files(dir.path(), [("long", &text)]);
    let (_, err) = said(&run(&[&long]));
    assert_eq!(err.lines().count(), 21, "{err}");
    assert!(err.ends_with(": 480 more lines cannot be used\n"), "{err}");
}

/// What a terminal would obey, in characters of ASCII and beyond.
const HOSTILE: &str = "\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}";

#[test]
fn escape_sequences_in_a_log_never_reach_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let node = format!("n{HOSTILE}");
    let log = dir.path().join("log");
    let mut recorder = observing_on(&node, &log);
    let pod = Pod::bad(&format!("p{HOSTILE}")).node(&node);
    for nth in 0..3 {
        fail(&mut recorder, &pod, 100 + 60 * nth);
    }
    let text = std::fs::read_to_string(log.join("pulls.jsonl")).unwrap();
    let escaped = serde_json::to_string(HOSTILE).unwrap();
    let variant = text.replace("\"Pending\"", &escaped);
    let kind = text.replace("\"kind\":\"verdict\"", &format!("\"kind\":{escaped}"));
    assert!(variant != text && kind != text);
    let name = format!("log{HOSTILE}");
    let policy = format!("policy{HOSTILE}");
    let [hostile, policy] = files(
        dir.path(),
        [
            (&name, &format!("{text}{variant}{kind}garbage")),
            (&policy, HASTY.1),
        ],
    );
    for format in ["table", "json"] {
        let output = run(&["-o", format, "--config", &policy, &hostile]);
        let (out, err) = said(&output);
        assert!(output.status.success(), "{err}");
        let is_hidden = |c: char| pullwarden::text::is_hidden(c) && c != '\n';
        for text in [&out, &err] {
            assert!(
                text.contains("pwned") && !text.contains(is_hidden),
                "{text:?}"
            );
        }
        if format == "json" {
            let value: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(value["pods"][0]["node"], node.as_str());
        }
    }
}

//! `pullwarden clean`, after an agent and beside one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn clean(dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    let state = dir.join("state");
    let log = dir.join("log");
    command
        .args(["clean", "--state-dir", state.to_str().unwrap()])
        .args(["--log-dir", log.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap()
}

/// A node on which an agent has worked, and somebody has put a file beside its own.
fn used() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        "state/lock",
        "state/state.json",
        "state/state.json.damaged",
        "state/notes.txt",
        "log/pulls.jsonl",
        "log/pulls.jsonl.1",
    ];
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dir
}

#[test]
fn the_files_of_an_agent_go_and_those_of_others_stay() {
    let dir = used();
    let output = clean(dir.path());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"removed 4 files\n");
    let left: Vec<_> = fs::read_dir(dir.path().join("state")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(dir.path().join("state/notes.txt").exists());
    assert!(!dir.path().join("log").exists());
}

#[test]
fn a_node_without_an_agent_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let output = clean(dir.path());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"removed 0 files\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The counts of an agent that works are not taken away from it.
#[test]
fn beside_an_agent_nothing_is_removed() {
    let dir = used();
    let lock = fs::File::open(dir.path().join("state/lock")).unwrap();
    lock.lock().unwrap();
    let output = clean(dir.path());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("an agent works on this node"), "{text}");
    assert!(dir.path().join("state/state.json").exists());
}

//! What is printed of others' texts, and what becomes of it where nobody reads.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use pullwarden::control;
use pullwarden::text::is_hidden;
use pullwarden::view::{Ask, Status};
use serde_json::json;

use super::terminal::{Answering, Running, read};
use crate::support::until;

/// A command with a standard output, or error, that nobody reads: how it ends.
fn unread(mut command: Command, is_error: bool) -> std::process::Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    match is_error {
        true => command.stderr(writer).stdout(Stdio::piped()),
        false => command.stdout(writer).stderr(Stdio::piped()),
    };
    let child = command.spawn().unwrap();
    // Else it would hold the pipe open.
    drop(command);
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn an_output_that_nobody_reads_is_no_failure() {
    let answering = Answering::start().await;
    let messages = answering.node.path().join("messages");
    std::fs::write(&messages, "\"an error\"\n".repeat(10_000)).unwrap();
    let socket = answering.socket.to_str().unwrap();
    let logs = &answering.node.config.startup.log_dir;
    let logs = logs.to_str().unwrap();
    let log = format!("{logs}/pulls.jsonl");
    let of_pod = [
        "explain",
        "p",
        "--control-socket",
        socket,
        "--log-dir",
        logs,
    ];
    let status = ["status", "--control-socket", socket];
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["replay", "--help"],
        &status,
        &[&status[..], &["-o", "json"]].concat(),
        &[&status[..], &["--watch"]].concat(),
        &of_pod,
        &[&of_pod[..], &["-o", "json"]].concat(),
        &["explain", "--reason", "InvalidImageName"],
        &["explain", "--message", "-"],
        &["replay", &log],
        &["replay", "-o", "json", &log],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        command.env_clear().args(arguments);
        command.stdin(File::open(&messages).unwrap());
        let ended = tokio::task::spawn_blocking(move || unread(command, false));
        let ended = ended.await.unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(
            ended.status.success() && told.is_empty(),
            "{arguments:?}: {told}"
        );
    }
}

#[test]
fn a_fault_is_one_although_nobody_reads_of_it() {
    for is_error in [false, true] {
        for (arguments, code) in [
            (
                &["check", "--node-name", "n", "--cri-socket", "/no/such"][..],
                1,
            ),
            (&["run", "--mode", "loud"], 64),
            (&["status", "--control-socket", "/no/such"], 1),
            (&["replay", "/no/such"], 1),
            (&["no-such-command"], 2),
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
            command.env_clear().args(arguments);
            let ended = unread(command, is_error);
            assert_eq!(ended.status.code(), Some(code), "{arguments:?}");
        }
    }
}

/// An agent with nothing around it, which looks for its runtime in vain.
fn lonely_agent(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command.env_clear().args(["run", "--node-name", "n"]);
    command.args(["--admin-address", "127.0.0.1:0", "--evidence", "kubelet"]);
    for (flag, name) in [
        ("--control-socket", "control.sock"),
        ("--cri-socket", "none.sock"),
        ("--kubelet-pods-socket", "none.sock"),
        ("--state-dir", "state"),
        ("--log-dir", "log"),
    ] {
        command.arg(flag).arg(dir.join(name));
    }
    command
}

#[tokio::test]
async fn an_agent_goes_on_although_nobody_reads_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = lonely_agent(dir.path());
        command.args(["--log-format", format]);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut running = Running(command.spawn().unwrap());
        drop(command);
        // By then it has logged that the runtime does not answer.
        until("it has looked", async || {
            let answer = control::ask::<Status>(&socket, &Ask::Status).await;
            answer.is_ok_and(|status| !status.runtime)
        })
        .await;
        assert!(running.0.try_wait().unwrap().is_none(), "{format}");
    }
}

#[tokio::test]
async fn empty_variables_count_as_absent() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = lonely_agent(dir.path());
    command.envs(
        pullwarden::config::KEYS
            .iter()
            .map(|key| (key.variable(), "")),
    );
    command.envs(["RUST_LOG", "NODE_NAME", "POD_NAMESPACE", "POD_NAME"].map(|name| (name, "")));
    let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let log = read(running.0.stderr.take().unwrap(), "does not answer", 1).await;
    assert!(log.contains(" INFO ") && log.contains("watching"), "{log}");
}

#[tokio::test]
async fn others_text_never_steers_a_terminal() {
    const HOSTILE: &str = "\u{1b}[2J\u{9b}2J\u{7}\u{202e}";
    let dir = tempfile::tempdir().unwrap();
    let name = format!("config{HOSTILE}");
    let config = dir.path().join(&name);
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let text = format!(
        "{quoted}: 1\nscope: {{{quoted}: 1}}\nmode: {quoted}\nbudget: {{pods: {quoted}}}\n"
    );
    std::fs::write(&config, text).unwrap();
    let damaged = dir.path().join("damaged");
    std::fs::write(&damaged, format!("{HOSTILE}: [")).unwrap();
    let log = dir.path().join("pulls.jsonl");
    let line = json!({"time": "2026-01-02T03:00:00Z", "kind": "verdict", "namespace": "default", "pod": "p",
        "decision": HOSTILE, "reasons": [HOSTILE]});
    std::fs::write(&log, format!("{line}\n")).unwrap();
    let config = config.to_str().unwrap();
    let damaged = damaged.to_str().unwrap();
    let dir = dir.path().to_str().unwrap();
    let socket = format!("/no/such{HOSTILE}");
    let hostile = format!("--{HOSTILE}");
    let of_pod = [
        "explain",
        "p",
        "--control-socket",
        &socket,
        "--log-dir",
        dir,
    ];
    for arguments in [
        &["run", "--config", config][..],
        &["check", "--config", config],
        &["run", "--config", damaged],
        &["run", "--node-name", "n", "--config", &socket],
        &["replay", "--config", config, "/dev/null"],
        &["replay", &socket],
        &["replay", &hostile],
        &[HOSTILE],
        &["status", "--control-socket", &socket],
        &[
            "explain",
            HOSTILE,
            "--control-socket",
            &socket,
            "--log-dir",
            dir,
        ],
        &of_pod,
        &[&of_pod[..], &["-o", "json"]].concat(),
        &["check", "--node-name", HOSTILE, "--cri-socket", &socket],
        &[
            "check",
            "-o",
            "json",
            "--node-name",
            HOSTILE,
            "--cri-socket",
            &socket,
        ],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        let ended = command.env_clear().args(arguments).output().unwrap();
        let printed = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        let is_hidden = |c: char| is_hidden(c) && c != '\n';
        assert!(
            !printed.is_empty() && !printed.contains(is_hidden),
            "{arguments:?}: {printed:?}"
        );
    }
}

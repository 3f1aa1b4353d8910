//! `pullwarden explain`, as people and scripts use it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pullwarden::control;
use pullwarden::judge::{Cause, Class};
use pullwarden::view::Known;
use serde_json::Value;

use crate::support::node::{Agent, Node};
use crate::support::pod::{DENIED, NOT_FOUND, Pod, STRANGE};
use crate::support::until;

fn explain(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pullwarden"))
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn the_cause_of_one_error() {
    let output = explain(&["--reason", "ErrImagePull", "--message", NOT_FOUND], "");
    assert!(output.status.success());
    assert_eq!(
        said(&output),
        "cause  ImageNotFound\nclass  permanent\nmeans  the registry says that there is no such image, tag or digest\n"
    );
    let output = explain(&["--message", DENIED, "-o", "json"], "");
    assert_eq!(
        said(&output),
        "{\"cause\":\"Denied\",\"class\":\"denied\"}\n"
    );
    // A reason may say it all, and a message may look like a flag.
    assert!(said(&explain(&["--reason", "ErrImageNeverPull"], "")).contains("NeverPull"));
    assert!(said(&explain(&["--message", "--reason"], "")).contains("Unrecognised"));
    assert!(said(&explain(&["--message", "pull QPS exceeded"], "")).contains("not counted"));
}

#[test]
fn the_cause_of_an_error_behind_a_mirror_goes_by_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let file = file.to_str().unwrap();
    for (mirrors, message, expected) in [
        ("[r.test]", NOT_FOUND, "BehindMirror"),
        ("all", NOT_FOUND, "BehindMirror"),
        ("[docker.io]", NOT_FOUND, "ImageNotFound"),
        ("[]", NOT_FOUND, "ImageNotFound"),
        ("all", DENIED, "Denied"),
        // An error that names no image is one of any registry.
        ("[docker.io]", "manifest unknown", "ImageNotFound"),
        ("all", "manifest unknown", "BehindMirror"),
    ] {
        std::fs::write(file, format!("behindMirror: {mirrors}\n")).unwrap();
        let output = explain(&["--config", file, "--message", message], "");
        let cause = format!("cause  {expected}\n");
        assert!(said(&output).starts_with(&cause), "{mirrors}: {output:?}");
        let line = serde_json::to_string(message).unwrap();
        let output = explain(&["--config", file, "--message", "-"], &line);
        assert!(said(&output).contains(expected), "{mirrors}: {output:?}");
    }
}

#[test]
fn the_causes_of_many_errors_come_in_order() {
    let messages = [NOT_FOUND, "a\nb", DENIED, "", STRANGE];
    let lines: Vec<String> = messages
        .iter()
        .map(|m| serde_json::to_string(m).unwrap() + "\n")
        .collect();
    let output = explain(
        &["--reason", "ErrImagePull", "--message", "-"],
        &lines.concat(),
    );
    assert!(output.status.success(), "{output:?}");
    let causes: Vec<Value> = said(&output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let of = |cause: &str, class: &str| serde_json::json!({"cause": cause, "class": class});
    assert_eq!(
        causes,
        [
            of("ImageNotFound", "permanent"),
            of("Unrecognised", "unknown"),
            of("Denied", "denied"),
            of("Unrecognised", "unknown"),
            of("Unrecognised", "unknown"),
        ]
    );
    let output = explain(&["--message", "-"], "");
    assert!(output.status.success() && output.stdout.is_empty());
    // The last line may lack its end.
    assert_eq!(
        said(&explain(&["--message", "-"], "\"x\"")).lines().count(),
        1
    );
}

#[test]
fn who_asks_line_by_line_is_answered_line_by_line() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pullwarden"))
        .args(["explain", "--message", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for message in [NOT_FOUND, DENIED] {
        writeln!(input, "{}", serde_json::to_string(message).unwrap()).unwrap();
        assert!(answers.next().unwrap().unwrap().contains("cause"));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_that_is_no_json_string_keeps_its_place() {
    let output = explain(&["--message", "-"], "\"a\"\nnot json\n\n[\"b\"]\n\"c\"\n");
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = said(&output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0]["cause"].is_string() && lines[4]["cause"].is_string());
    for (index, line) in (1..).zip(&lines).skip(1).take(3) {
        let error = line["error"].as_str().unwrap();
        assert!(
            error.starts_with(&format!("line {index} is not a JSON string")),
            "{error}"
        );
    }
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("3 of 5 lines")
    );
}

#[test]
fn nothing_to_explain_is_a_fault_of_usage() {
    assert_eq!(explain(&[], "").status.code(), Some(2));
    assert_eq!(
        explain(&["n/p", "--message", "x"], "").status.code(),
        Some(2)
    );
    let output = explain(
        &[
            "n/p",
            "--control-socket",
            "/nowhere",
            "--log-dir",
            "/nowhere",
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is it running?")
    );
}

#[tokio::test]
async fn a_pod_that_is_not_judged_has_its_reason() {
    let node = Node::counting_to(3).await;
    let always = Pod::bad("always").restart("Always");
    node.add(&always);
    let system = Pod::bad("dns").namespace("kube-system");
    node.add(&system);
    let agent = node.agent();
    until("the Pod out of scope is looked away from", async || {
        agent
            .explain("default", "always")
            .await
            .summary
            .contains("restartPolicy Always is not in scope")
    })
    .await;
    assert_eq!(
        agent.explain("default", "always").await.known,
        Known::Settled
    );
    let explained = agent.explain("kube-system", "dns").await;
    assert!(
        explained.summary.contains("excludes the namespace"),
        "{explained:?}"
    );
}

#[tokio::test]
async fn an_error_that_is_not_known_is_counted_and_shown() {
    let node = Node::counting_to(3).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    for failures in 1..=2 {
        node.report(&pod.clone().failing(STRANGE));
        until("it is counted", async || {
            agent.failures(&pod).await == failures
        })
        .await;
        node.report(&pod.clone().pausing(STRANGE));
    }
    let status = agent.status().await;
    assert_eq!(
        status.pods[0].failing.as_ref().unwrap().class,
        Class::Unknown
    );
    let known: Vec<_> = status
        .unrecognised
        .iter()
        .map(|u| (u.message.as_str(), u.count))
        .collect();
    assert_eq!(known, [(STRANGE, 2)]);
    let failures = agent
        .metrics
        .pods
        .failures
        .get_or_create(&Cause::Unrecognised.into())
        .get();
    assert_eq!(failures, 2);
}

/// Runs the command beside an agent whose control socket is served.
async fn run(node: &Node, agent: Option<&Agent>, pod: &str) -> String {
    let socket = node.path().join("run/control.sock");
    let served = match agent {
        Some(agent) => {
            let listener = control::bind(&socket).await.unwrap();
            Some(tokio::spawn(control::serve(listener, agent.ask.clone())))
        }
        None => None,
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = [
        pod.to_owned(),
        "--control-socket".to_owned(),
        text(&socket),
        "--log-dir".to_owned(),
        text(&node.config.startup.log_dir),
    ];
    let output = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        explain(&arguments, "")
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    if let Some(served) = served {
        served.abort();
        std::fs::remove_file(&socket).unwrap();
    }
    said(&output).to_owned()
}

#[tokio::test]
async fn a_pod_that_was_failed_is_explained_from_what_is_kept() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    assert!(
        run(&node, Some(&agent), "p")
            .await
            .contains("the Pod is Pending and is being judged")
    );
    node.fail_once(&pod);
    until("the report has ended", async || {
        node.lines().iter().any(|l| l["kind"] == "report")
    })
    .await;
    node.remove(&pod);
    agent.drops(&pod).await;
    for agent in [Some(&agent), None] {
        let text = run(&node, agent, "default/p").await;
        if agent.is_some() {
            assert!(text.contains("pullwarden failed the Pod at 20"), "{text}");
            assert!(text.contains("before any rule on exit code 137"), "{text}");
        } else {
            assert!(text.contains("only what the node's log has"), "{text}");
        }
        for part in [
            "ErrImagePull",
            "fail: ",
            "condition: ok",
            "deadline: ok",
            "the report ended: written",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
    assert!(
        run(&node, Some(&agent), "default/other")
            .await
            .contains("has no sandbox")
    );
}

//! The answer of a survey: its screens, its JSON, and the causes that it names.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use pullwarden::clock::Clock;
use pullwarden::judge::named_image;
use pullwarden::survey::Survey;
use serde_json::{Value, json};

use super::{Cluster, PROGRAM, failed};
use crate::cli::screens::check;
use crate::judge::corpus;
use crate::support::pod::{BAD, DENIED, NO_HOST, Pod, QPS};

/// A Pod that was bound so many minutes and 20 seconds ago.
fn bound(mut pod: Pod, minutes: i64) -> Pod {
    let at = Clock::default().wall()
        - jiff::SignedDuration::from_mins(minutes)
        - jiff::SignedDuration::from_secs(20);
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    pod.0["status"]["conditions"] =
        json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": at}]);
    pod
}

/// Pods of some teams with some troubles.
fn troubles() -> Vec<Pod> {
    const TRAINER: &str = "registry.example.com/research/vision/trainer:v12-cuda13";
    let gpus = json!({"cpu": "16", "memory": "180Gi", "nvidia.com/gpu": "8"});
    let worker = |n: usize| {
        let pod = Pod::new(&format!("train-{n}"))
            .namespace("team-a")
            .node(&format!("gpu-{n}"))
            .owner("train")
            .container("c", TRAINER)
            .requests(gpus.clone());
        bound(pod.not_found_pausing(), 185)
    };
    let mut pods: Vec<Pod> = (0..3).map(worker).collect();
    pods.push(bound(worker(3).restart("Always"), 3000));
    let mut ending = Pod::bad("ending").namespace("team-c").not_found();
    ending.0["spec"]["activeDeadlineSeconds"] = json!(1);
    let ending = ending.annotation("pullwarden.io/failed-at", "2026-01-01T00:00:00Z");
    pods.push(bound(ending, 2));
    let hostile = "registry.example.com/a\u{1b}[2Jb:1";
    pods.extend([
        bound(Pod::bad("a").namespace("team-b").failing(DENIED), 4),
        bound(Pod::bad("b").namespace("team-b").failing(NO_HOST), 70),
        bound(Pod::bad("c").namespace("team-b").failing(QPS), 1),
        bound(
            Pod::new("d")
                .container("c", hostile)
                .requests(json!({"cpu": "250m"}))
                .waiting("c", "InvalidImageName", "couldn't parse image name"),
            30,
        ),
        Pod::bad("creating").waiting("c", "ContainerCreating", ""),
        Pod::bad("unscheduled").node(""),
    ]);
    pods
}

#[tokio::test]
async fn the_screens_of_a_survey() {
    let cluster = Cluster::of(troubles()).await;
    check("survey", &cluster.text(&[]).await);
    check("survey-wide", &cluster.text(&["-o", "wide"]).await);
    let enforce = "mode: enforce\nimagePullFailureCount: 3\n";
    cluster.write("enforce.yaml", enforce);
    let asked = ["--by", "namespace", "--config", "enforce.yaml", "--failed"];
    cluster.api.store().put(&failed("lately", 10));
    check("survey-namespaces", &cluster.text(&asked).await);
    let none = Cluster::of([]).await;
    check("survey-none", &none.text(&["-n", "team-a"]).await);
}

#[tokio::test]
async fn a_pod_that_cannot_be_read_hides_no_other() {
    let mut odd = Pod::bad("odd").not_found();
    odd.0["spec"]["containers"] = json!("none");
    let cluster = Cluster::of([odd, Pod::bad("p").not_found()]).await;
    let survey = cluster.json(&[]).await;
    assert_eq!(survey["pods"]["unreadable"], 1);
    assert_eq!(survey["rows"][0]["pods"], 1);
}

/// Each Pod has a node of its own, and so a row.
#[tokio::test]
async fn a_survey_and_explain_name_the_same_causes() {
    let mut messages = BTreeMap::<String, Vec<(String, String)>>::new();
    let mut pods = Vec::new();
    for (n, line) in corpus::lines().into_iter().enumerate() {
        if ["ContainerCreating", "Running"].contains(&line.reason.as_str()) {
            continue;
        }
        let image = named_image(&line.message).unwrap_or(BAD);
        let node = format!("node{n}");
        let pod = Pod::new(&node).node(&node).container("c", image);
        pods.push(pod.waiting("c", &line.reason, &line.message));
        let of_reason = messages.entry(line.reason).or_default();
        of_reason.push((node, line.message));
    }
    let count = pods.len();
    let cluster = Cluster::of(pods).await;
    let survey = cluster.json(&["--by", "node"]).await;
    let rows = survey["rows"].as_array().unwrap().iter();
    let found: BTreeMap<&str, (&Value, &Value)> = rows
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                (&row["cause"], &row["class"]),
            )
        })
        .collect();
    assert!(
        found.len() == count && count > 100,
        "{} of {count}",
        found.len()
    );
    for (reason, messages) in &messages {
        let mut explain = Command::new(PROGRAM);
        explain.args(["explain", "--reason", reason, "--message", "-"]);
        let mut explain = explain
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = explain.stdin.take().unwrap();
        let texts: Vec<String> = messages
            .iter()
            .map(|(_, text)| json!(text).to_string())
            .collect();
        let written = std::thread::spawn(move || writeln!(lines, "{}", texts.join("\n")));
        let answers = String::from_utf8(explain.wait_with_output().unwrap().stdout).unwrap();
        written.join().unwrap().unwrap();
        assert_eq!(answers.lines().count(), messages.len());
        for ((node, message), answer) in messages.iter().zip(answers.lines()) {
            let answer: Value = serde_json::from_str(answer).unwrap();
            let expected = (&answer["cause"], &answer["class"]);
            assert_eq!(found[&node[..]], expected, "{reason}: {message}");
        }
    }
}

#[tokio::test]
async fn the_json_is_that_of_the_documentation() {
    let cluster = Cluster::of(troubles()).await;
    let mut text = cluster.json(&["--failed"]).await;
    // The types know every field, and have no other.
    let survey: Survey = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(survey).unwrap(), text);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/survey.md"));
    let page = page.unwrap();
    let mut unknown = Vec::new();
    fields(&mut text, "", &mut |path| {
        let name = path.rsplit('.').next().unwrap();
        if !page.contains(&format!("`{name}`")) {
            unknown.push(path.to_owned());
        }
    });
    assert!(unknown.is_empty(), "docs/survey.md has no {unknown:?}");
}

/// Names every field once. The names of devices and causes are no fields.
fn fields(value: &mut Value, path: &str, each: &mut impl FnMut(&str)) {
    match value {
        Value::Object(all) if !path.ends_with("devices") && !path.ends_with("byCause") => {
            for (key, value) in all {
                let path = format!("{path}.{key}");
                each(&path);
                fields(value, &path, each);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| fields(value, path, each)),
        _ => {}
    }
}

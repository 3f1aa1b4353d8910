//! A survey of many Pods, which are made through the API only: their nodes have no kubelet.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use futures_util::{StreamExt as _, stream};
use serde_json::{Deserializer, Value, json};
use testbed::Stopwatch;

use crate::audit;
use crate::bed::{Bed, Group};
use crate::cluster::Cluster;

const PODS: usize = 5000;
const IMAGES: usize = 200;
const NODES: usize = 50;

/// Pods of one page, as the survey asks for them.
const PAGE: usize = 500;

/// Most memory of a survey, in KiB.
const MEMORY: u64 = 64 * 1024;

/// Requests that are under way at a time.
const AT_ONCE: usize = 64;

fn image(index: usize) -> String {
    format!("registry{}.test/team/model-{index}:v1", index % 5)
}

/// Error of an image as the kubelet reports it, in containerd's words.
fn message(index: usize) -> String {
    let image = image(index);
    let failed = format!("failed to pull and unpack image \"{image}\"");
    let url = format!(
        "https://registry{}.test/v2/team/model-{index}/manifests/v1",
        index % 5
    );
    match index % 4 {
        0 => format!(
            "rpc error: code = NotFound desc = {failed}: failed to resolve image: {image}: not found"
        ),
        1 => format!(
            "{failed}: failed to resolve image: unexpected status from HEAD request to {url}: 403 Forbidden"
        ),
        2 => format!(
            "{failed}: failed to resolve reference \"{image}\": failed to do request: Head \"{url}\": dial tcp: lookup registry.test: no such host"
        ),
        _ => format!(
            "{failed}: failed to resolve image: unexpected status from HEAD request to {url}: 503 Service Unavailable"
        ),
    }
}

/// A Node that is only a name.
async fn make_node(cluster: &Cluster, index: usize) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("nowhere-{index}")}});
    cluster
        .request("POST", "/api/v1/nodes", Some(&node))
        .await
        .unwrap();
}

/// A Pod on such a Node, as a kubelet would report it.
async fn make_pod(cluster: &Cluster, index: usize) {
    let (name, image) = (format!("stuck-{index}"), image(index % IMAGES));
    let spec = json!({
        "nodeName": format!("nowhere-{}", index % NODES),
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "main", "image": image, "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "example.com/gpu": "1"},
            "limits": {"example.com/gpu": "1"}}}],
    });
    cluster
        .create(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}),
        )
        .await;
    let waiting = json!({"reason": "ErrImagePull", "message": message(index % IMAGES)});
    let status = json!({"name": "main", "image": image, "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": waiting}});
    let patch = json!({"status": {"containerStatuses": [status]}});
    cluster.patch_status(&name, patch).await.unwrap();
}

/// A process that ends with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a process had so far, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// The program that is measured: the one that was built for use, where there is one.
fn program() -> Command {
    let ours = env!("CARGO_BIN_EXE_pullwarden");
    Command::new(std::env::var("TESTBED_AGENT").unwrap_or_else(|_| ours.to_owned()))
}

/// The Pods' images and errors, as the API server has them.
async fn errors(cluster: &Cluster) -> Vec<(Value, Value)> {
    let pods = cluster
        .request("GET", "/api/v1/namespaces/survey/pods", None)
        .await;
    let pods = pods.unwrap()["items"].take();
    let error = |pod: &Value| {
        let status = &pod["status"]["containerStatuses"][0];
        let message = status["state"]["waiting"]["message"].clone();
        (pod["spec"]["containers"][0]["image"].clone(), message)
    };
    pods.as_array().unwrap().iter().map(error).collect()
}

/// The causes and classes that `explain` names for these errors.
fn explained(errors: &[(Value, Value)]) -> Vec<Value> {
    let mut explain = program();
    explain.args(["explain", "--message", "-"]);
    let mut explain = explain
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = explain.stdin.take().unwrap();
    let texts: Vec<String> = errors.iter().map(|(_, text)| text.to_string()).collect();
    // It answers while it reads: both at once, or the pipes are full.
    let written = std::thread::spawn(move || writeln!(lines, "{}", texts.join("\n")));
    let answers = explain.wait_with_output().unwrap().stdout;
    written.join().unwrap().unwrap();
    let answers = Deserializer::from_slice(&answers).into_iter();
    answers.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_survey_of_five_thousand_pods_is_small() {
    let bed = Bed::of(Group::Survey);
    bed.run("survey", |cluster| {
        let node = &bed.node;
        async move {
            let making = Stopwatch::start();
            for index in 0..NODES {
                make_node(&cluster, index).await;
            }
            let pods = stream::iter(0..PODS).map(|index| make_pod(&cluster, index));
            pods.buffer_unordered(AT_ONCE).collect::<()>().await;
            let made = making.elapsed();
            let before = audit::requests(node).len();

            let taking = Stopwatch::start();
            // With --watch it is still there afterwards, and its memory can be read.
            let mut survey = program();
            survey.args(["survey", "-n", "survey", "--watch", "-o", "json", "--kubeconfig"]);
            survey.arg(node.agent_kubeconfig()).stdout(Stdio::piped());
            let mut survey = Ended(survey.spawn().unwrap());
            let mut printed = BufReader::new(survey.0.stdout.take().unwrap());
            let mut text = String::new();
            while !text.ends_with("\n}\n") {
                assert!(printed.read_line(&mut text).unwrap() > 0, "{text}");
            }
            let (took, peak) = (taking.elapsed(), peak(survey.0.id()));
            drop(survey);
            let survey: Value = serde_json::from_str(&text).unwrap();
            let requests = audit::requests(node).split_off(before);
            eprintln!(
                "{PODS} Pending Pods of {IMAGES} images, made in {made:?}: a survey took {took:?}, {} pages and {peak} KiB",
                survey["requests"]
            );

            assert!(peak < MEMORY, "{peak} KiB");
            assert_eq!(survey["requests"], PODS / PAGE);
            assert_eq!(requests.len(), PODS / PAGE, "{requests:?}");
            assert!(requests.iter().all(|request| request.verb == "list"), "{requests:?}");
            let waiting = &survey["waiting"];
            for (field, expected) in [
                ("pods", PODS),
                ("images", IMAGES),
                ("nodes", NODES),
                ("namespaces", 1),
                ("owners", 0),
            ] {
                assert_eq!(waiting[field], expected, "{field}: {waiting}");
            }
            assert_eq!(waiting["holds"]["cpu"], PODS as f64);
            assert_eq!(waiting["holds"]["devices"]["example.com/gpu"], PODS as f64);
            let rows = survey["rows"].as_array().unwrap();
            assert_eq!(rows.len(), IMAGES);
            assert!(rows.iter().all(|row| row["pods"] == PODS / IMAGES), "{rows:?}");
            let errors = errors(&cluster).await;
            let explained = explained(&errors);
            assert_eq!((errors.len(), explained.len()), (PODS, PODS));
            for ((image, message), explained) in errors.iter().zip(explained) {
                let row = rows.iter().find(|row| row["name"] == *image).unwrap();
                let found = json!({"cause": row["cause"], "class": row["class"]});
                assert_eq!(found, explained, "{message}");
            }
        }
    });
}

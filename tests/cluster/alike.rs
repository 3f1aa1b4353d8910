//! One suite for both sources of evidence: two agents that only observe, one by the kubelet's socket and one by the API server, are shown the
//! same Pods at the same time, and must say the same of them.

use std::collections::BTreeMap;

use pullwarden::judge::Source;
use serde_json::{Value, json};
use testbed::{Fault, Node};

use crate::agent::{Agent, Plan};
use crate::audit::writes;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_untouched, name};
use crate::shapes::{FAULTY, container, job, pod};

const NAMESPACE: &str = "own-alike";
const OBSERVE: &str = "mode: observe\nimagePullFailureCount: 3\nwarmUp: 0s\n";

fn image(name: &str) -> String {
    format!("{FAULTY}/alike/{name}:1")
}

/// What is said of a Pod whatever the source: the views that tell of a pull, what was made of them, and how it ended, without times.
/// What comes after a verdict that fails the Pod is not waited for.
fn said(agent: &Agent, pod: &str) -> Vec<Value> {
    let mut said = Vec::new();
    for mut line in agent.lines() {
        let of = [&line["pod"], &line["view"]["name"]];
        if !of.contains(&&json!(pod)) {
            continue;
        }
        let is_told = match line["kind"].as_str().unwrap() {
            "view" => {
                for key in ["source", "first", "resource_version"] {
                    line["view"].as_object_mut().unwrap().remove(key);
                }
                // One that is being deleted is not judged any more; whether a source tells of it before it is gone is chance.
                is_telling(&line["view"]) && line["view"]["deleting"] == false
            }
            "verdict" => {
                line["reasons"] = json!(line["reasons"].to_string().replace(char::is_numeric, ""));
                let sets = ["failed", "inferred", "healed"];
                let is_news = sets.iter().any(|key| line[key] != json!([]));
                is_news || line["decision"] == "condemn"
            }
            kind => kind == "left" || kind == "would-fail-then-started",
        };
        if !is_told {
            continue;
        }
        for key in ["time", "at", "ticked"] {
            line.as_object_mut().unwrap().remove(key);
        }
        if line["kind"] == "left" {
            // Only the kubelet tells what became of it.
            line.as_object_mut().unwrap().remove("view");
        }
        let is_last = line["decision"] == "condemn";
        said.push(line);
        if is_last {
            break;
        }
    }
    said
}

/// Whether some container is further than to be created.
fn is_telling(view: &Value) -> bool {
    let containers = view["containers"].as_array().unwrap();
    containers.iter().any(|container| {
        let reason = &container["state"]["Waiting"]["reason"];
        let silent = ["", "ContainerCreating", "PodInitializing"];
        reason
            .as_str()
            .is_none_or(|reason| !silent.contains(&reason))
    })
}

/// The failures that were counted by what was said, by image.
fn counted(said: &[Value]) -> BTreeMap<String, usize> {
    let lists = said
        .iter()
        .flat_map(|line| [&line["failed"], &line["inferred"]]);
    let mut counted = BTreeMap::new();
    for image in lists.filter_map(Value::as_array).flatten() {
        *counted
            .entry(image.as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    counted
}

/// What the scenarios are played on: a node, and an agent for each source.
struct Stage<'a> {
    node: &'a Node,
    cluster: &'a Cluster,
    agents: &'a [Agent],
}

impl Stage<'_> {
    async fn all(&self, what: &str, so: impl Fn(&Agent) -> bool) {
        let all = || async { self.agents.iter().all(&so).then_some(()) };
        self.cluster.until(what, all).await;
    }

    async fn counted(&self, pod: &str, failures: usize) {
        let what = format!("{failures} failures of {pod} to be counted");
        self.all(&what, |agent| agent.failures_logged(pod) >= failures)
            .await;
    }

    async fn told(&self, pod: &str, kind: &str) {
        let of = |line: &Value| line["kind"] == kind && line["pod"] == pod;
        let what = format!("{kind} of {pod}");
        self.all(&what, |agent| agent.lines().iter().any(of)).await;
    }

    async fn make(&self, name: &str, images: &[&str]) {
        let containers = images.iter().enumerate();
        let containers = containers
            .map(|(index, of)| container(&format!("c{index}"), &image(of)))
            .collect();
        self.cluster.create(pod(name, containers)).await;
    }

    /// The Pod would be failed, as all agree: for this image, of which so many failures were counted.
    async fn due(&self, name: &str, image: &str, failures: usize) {
        let of = |report: &Value| report["pod"] == name;
        let what = format!("{name} to be due");
        self.all(&what, |agent| agent.reports("due").iter().any(of))
            .await;
        for agent in self.agents {
            let counted = counted(&said(agent, name));
            assert_eq!(counted.get(image).copied().unwrap_or(0), failures, "{name}");
        }
    }
}

async fn missing_image_of_a_job(stage: &Stage<'_>) -> String {
    let job = job("job", container("main", &image("job")), 0);
    stage.cluster.create(job).await;
    let made = || async { stage.cluster.pods_of("job").await.pop() };
    let pod = stage.cluster.until("the Job's Pod", made).await;
    stage.due(name(&pod), &image("job"), 3).await;
    name(&pod).to_owned()
}

async fn init_container(stage: &Stage<'_>) -> String {
    let mut pod = pod("init", vec![container("main", &image("good"))]);
    pod["spec"]["initContainers"] = json!([container("setup", &image("setup"))]);
    stage.cluster.create(pod).await;
    stage.due("init", &image("setup"), 3).await;
    "init".to_owned()
}

async fn two_containers_of_one_image(stage: &Stage<'_>) -> String {
    stage.make("twins", &["twins", "twins"]).await;
    stage.due("twins", &image("twins"), 3).await;
    "twins".to_owned()
}

async fn another_cause(stage: &Stage<'_>) -> String {
    let fault = stage.node.set_fault("alike/denied", Fault::Forbidden);
    fault.unwrap();
    stage.make("denied", &["denied"]).await;
    stage.due("denied", &image("denied"), 3).await;
    "denied".to_owned()
}

async fn standing_reason(stage: &Stage<'_>) -> String {
    stage.make("invalid", &["UPPER"]).await;
    stage.due("invalid", &image("UPPER"), 0).await;
    "invalid".to_owned()
}

async fn healing_resets_the_count(stage: &Stage<'_>) -> String {
    stage.make("heals", &["late", "later"]).await;
    // Of each of its two images.
    stage.counted("heals", 2).await;
    stage.node.push_image("alike/late", "1").unwrap();
    let heals = |line: &Value| line["pod"] == "heals" && line["healed"] == json!([image("late")]);
    let has = |agent: &Agent| agent.lines().iter().any(heals);
    stage.all("one image of heals to be pulled", has).await;
    stage.node.push_image("alike/later", "1").unwrap();
    stage.told("heals", "left").await;
    "heals".to_owned()
}

async fn edited_image(stage: &Stage<'_>) -> String {
    stage.make("edited", &["before"]).await;
    stage.counted("edited", 1).await;
    let edit = json!({"spec": {"containers": [{"name": "c0", "image": image("after")}]}});
    stage.cluster.patch_pod("edited", edit).await;
    stage.due("edited", &image("after"), 3).await;
    "edited".to_owned()
}

async fn deleted_pod(stage: &Stage<'_>) -> String {
    stage.make("deleted", &["deleted"]).await;
    stage.counted("deleted", 2).await;
    stage.cluster.delete_pod("deleted").await;
    stage.told("deleted", "left").await;
    "deleted".to_owned()
}

async fn healthy_pod(stage: &Stage<'_>) -> String {
    stage.make("good", &["good"]).await;
    let running = || async {
        let pod = stage.cluster.pod("good").await?;
        (pod["status"]["phase"] == "Running").then_some(())
    };
    stage.cluster.until("the good Pod to run", running).await;
    "good".to_owned()
}

#[test]
fn both_sources_tell_the_same_of_the_same_pods() {
    let bed = Bed::of(Group::Readers);
    let has_socket = bed.has_kubelet_socket("the kubelet's half of the suite");
    let sources = [Source::Kubelet, Source::ApiServer].into_iter();
    let sources = sources.filter(|source| has_socket || *source == Source::ApiServer);
    let agents: Vec<Agent> = sources
        .map(|source| {
            let name = format!("alike-{}", source.as_str());
            let plan = Plan::beside(&bed.node, &name, NAMESPACE, OBSERVE);
            plan.by(source).start()
        })
        .collect();
    bed.node.push_image("alike/good", "1").unwrap();
    bed.run(NAMESPACE, |cluster| {
        let (node, agents) = (&bed.node, &agents[..]);
        async move {
            let cluster = &cluster;
            let stage = &Stage {
                node,
                cluster,
                agents,
            };
            // While it fails both are told of every change: nothing of the others is missed.
            stage.make("first", &["first"]).await;
            stage.counted("first", 1).await;
            let pods = tokio::join!(
                missing_image_of_a_job(stage),
                init_container(stage),
                two_containers_of_one_image(stage),
                another_cause(stage),
                standing_reason(stage),
                healing_resets_the_count(stage),
                edited_image(stage),
                deleted_pod(stage),
                healthy_pod(stage),
            );
            let pods: [String; 9] = pods.into();
            for pod in &pods {
                let all: Vec<Vec<Value>> = agents.iter().map(|agent| said(agent, pod)).collect();
                for other in &all[1..] {
                    assert_eq!(&all[0], other, "{pod}");
                }
                let counted = counted(&all[0]);
                eprintln!("{pod}: {} lines, {counted:?}", all[0].len());
                for (image, counted) in counted {
                    let made = node.pulls(&image).unwrap().begun;
                    assert!(counted <= made, "{image}: {counted} counted, {made} made");
                }
            }
            for pod in cluster.pods().await {
                assert_untouched(&pod);
            }
            assert!(writes(node, NAMESPACE).is_empty(), "both only observe");
        }
    });
}

//! What the policies cost the API server: they read what a Pod's author wrote, in any number.

use std::iter::repeat_n;

use kube::Client;
use serde_json::{Map, Value, json};
use testbed::Node;

use super::{PODS, apply, first, until_answered};
use crate::bed::{Bed, Group};
use crate::cluster::Cluster;
use crate::holder::{Ask, Holder};
use crate::shapes::{container, pod};

/// A Pod can have some 88,000 annotations, as all of them may have 256 KiB.
const MANY: usize = 80_000;

/// A node without a kubelet: nobody else writes to its Pods.
const APART: &str = "apart";

/// Times that each write is tried.
const TIMES: usize = 5;

/// Most that a write may cost with the policies, as a multiple of what it costs without. It costs
/// about twice as much, more beside other work; in quadratic time it would cost ten times as much.
const MOST: f64 = 4.0;

/// CPU seconds below which the resolution of the API server's counter would decide.
const SMALLEST: f64 = 0.1;

/// So many keys as short as can be, without values.
fn keys(count: usize) -> Value {
    let characters = || ('a'..='z').chain('A'..='Z').chain('0'..='9');
    let two = characters().flat_map(|a| characters().map(move |b| format!("{a}{b}")));
    let three = two
        .clone()
        .flat_map(|start| characters().map(move |end| format!("{start}{end}")));
    let all = two.chain(three).take(count);
    let keys: Map<String, Value> = all.map(|key| (key, json!(""))).collect();
    assert_eq!(keys.len(), count);
    keys.into()
}

fn apart(name: &str) -> Value {
    let mut pod = pod(name, vec![container("main", "registry.example/missing:1")]);
    pod["spec"]["nodeName"] = json!(APART);
    pod
}

/// CPU seconds that the API server has used so far.
async fn cpu(client: &Client) -> f64 {
    let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let text = client.request_text(request).await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    line.unwrap().parse().unwrap()
}

/// CPU seconds of the API server while the holder tries the write some times.
async fn spent(client: &Client, holder: &Holder, write: &Ask) -> f64 {
    let before = cpu(client).await;
    for _ in 0..TIMES {
        assert_eq!(holder.tries(write).await, "allowed");
    }
    cpu(client).await - before
}

/// The second write about a Pod with many annotations, or with few.
fn second(pod: &str, annotated: bool) -> Ask {
    let mut body = json!({"metadata": {}, "spec": {"activeDeadlineSeconds": 1}});
    if annotated {
        body["metadata"]["annotations"] =
            json!({"pullwarden.io/failed-at": "2026-01-01T00:00:00Z"});
    }
    Ask::new(&format!("PATCH {PODS}/{pod}"), body)
}

/// Makes the node, the agent's own Pod on it, and returns the agent.
async fn agent_apart(node: &Node, cluster: &Cluster, admin: &Holder) -> Holder {
    let apart_node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": APART}, "spec": {"unschedulable": true},
    });
    admin
        .ask(&Ask::new("POST /api/v1/nodes", apart_node))
        .await
        .unwrap();
    let home = Cluster::connect(&node.admin_kubeconfig(), "pullwarden").await;
    let mut own = apart("agent");
    own["spec"]["serviceAccountName"] = json!("pullwarden");
    home.create(own).await;
    let own = home.pod("agent").await.unwrap();
    Holder::agent(node, cluster, &own).await
}

/// The same write by the admin, whom no policy holds, is what it is measured against.
#[test]
fn what_an_author_writes_costs_the_api_server_little() {
    let bed = Bed::of(Group::Costly);
    let node = &bed.node;
    let files = ["namespace.yaml", "rbac.yaml", "config.yaml", "policy.yaml"];
    apply(node, &files);
    bed.run("guarded", |cluster| async move {
        let client = &cluster.client;
        let admin = Holder::new(client.clone());
        let agent = agent_apart(node, &cluster, &admin).await;

        let tolerations: Vec<Value> = repeat_n(json!({"operator": "Exists"}), MANY).collect();
        let mut slow = Vec::new();
        for (name, field, value) in [
            ("few-annotations", "/metadata/annotations", keys(256)),
            ("annotations", "/metadata/annotations", keys(MANY)),
            ("labels", "/metadata/labels", keys(MANY)),
            ("tolerations", "/spec/tolerations", tolerations.into()),
        ] {
            let mut pod = apart(name);
            let (part, field) = field[1..].split_once('/').unwrap();
            pod[part][field] = value;
            cluster.create(pod).await;
            let condition = first(&json!({"pod": name}));
            until_answered(&cluster, &agent, &condition, "allowed").await;
            admin.ask(&condition).await.unwrap();
            let deadline = second(name, name != "annotations");
            for (what, write) in [("condition", condition), ("deadline", deadline)] {
                let plain = spent(client, &admin, &write).await;
                let held = spent(client, &agent, &write).await;
                let told =
                    format!("{name}, the {what}: {plain:.2} s of CPU, {held:.2} s with the policy");
                eprintln!("{told}");
                if held > MOST * plain.max(SMALLEST) {
                    slow.push(told);
                }
            }
        }
        assert!(slow.is_empty(), "{slow:#?}");
    });
}

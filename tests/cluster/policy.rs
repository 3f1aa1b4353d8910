//! What an agent's own token may do under deploy/'s RBAC and admission policies: exactly its two writes, on its own node's Pending Pods.
//! The cases are in tests/data/policy.yaml.

mod cost;
mod fleet;
mod plugins;
mod switch;

use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};
use testbed::Node;

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, phase};
use crate::holder::{Ask, Holder};
use crate::shapes::{REGISTRY, container, pod};

const PODS: &str = "/api/v1/namespaces/guarded/pods";

/// The cases of a kind.
fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_saphyr::from_str(include_str!("../data/policy.yaml")).unwrap();
    let cases = all[kind].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{kind}");
    cases
}

fn text<'a>(case: &'a Value, key: &str, default: &'a str) -> &'a str {
    case[key].as_str().unwrap_or(default)
}

/// An object of the case, empty where it has none.
fn object(case: &Value, key: &str) -> Value {
    case.get(key).cloned().unwrap_or(json!({}))
}

/// A text as long as the case has it.
fn message(case: &Value) -> String {
    let length = case["message"].as_u64().unwrap_or(1);
    "m".repeat(length.try_into().unwrap())
}

/// The first write, as the case has it.
fn first(case: &Value) -> Ask {
    let condition = |kind: &str, status: &str| match status {
        "absent" => None,
        "removed" => Some(json!({"type": kind, "$patch": "delete"})),
        status => Some(
            json!({"type": kind, "status": status, "reason": "ImageNotFound", "message": message(case),
            "lastTransitionTime": "2026-01-01T00:00:00Z"}),
        ),
    };
    let conditions = [
        condition(CONDITION, text(case, "condition", "True")),
        condition(CONDITION_UNAVAILABLE, text(case, "unavailable", "absent")),
        case["also"]
            .as_str()
            .and_then(|kind| condition(kind, "True")),
    ];
    let mut status = object(case, "status");
    status["conditions"] = conditions.into_iter().flatten().collect();
    let path = format!("{PODS}/{}/status", text(case, "pod", "stuck"));
    let body = json!({"metadata": object(case, "metadata"), "status": status});
    Ask::new(&format!("PATCH {path}"), body)
}

/// The second write, as the case has it; `tolerations` are those that the Pod has.
fn second(case: &Value, tolerations: &Value) -> Ask {
    let (mut metadata, mut spec) = (object(case, "metadata"), object(case, "spec"));
    if case["bare"] != true {
        metadata["annotations"]["pullwarden.io/failed-at"] = json!("2026-01-01T00:00:00Z");
        spec["activeDeadlineSeconds"] = json!(1);
    }
    if case["tolerates"] == true {
        // Without those that it has the API server refuses the patch by itself.
        let mut all = tolerations.as_array().unwrap().clone();
        all.extend(spec["tolerations"].as_array().unwrap().iter().cloned());
        spec["tolerations"] = all.into();
    }
    let path = format!("{PODS}/{}", text(case, "pod", "stuck"));
    Ask::new(
        &format!("PATCH {path}"),
        json!({"metadata": metadata, "spec": spec}),
    )
}

fn event(case: &Value, own: &str) -> Ask {
    let (by, node) = (text(case, "by", ""), text(case, "node", own));
    let mut metadata = object(case, "metadata");
    metadata["name"] = json!(text(case, "name", "e"));
    metadata["namespace"] = json!("guarded");
    let mut body = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": metadata,
        "involvedObject": {"apiVersion": "v1", "kind": case["kind"], "name": "stuck", "namespace": "guarded"},
        "reason": text(case, "reason", "ImagePullFailed"), "message": message(case), "type": "Warning",
        "source": {"component": by, "host": node},
        "reportingComponent": by, "reportingInstance": node,
    });
    if !case["uid"].is_null() {
        body["involvedObject"]["uid"] = case["uid"].clone();
    }
    if !case["related"].is_null() {
        body["related"] = json!({"kind": "Pod", "name": "stuck", "namespace": case["related"]});
    }
    Ask::new("POST /api/v1/namespaces/guarded/events", body)
}

/// Files of deploy/base by which an agent's token is held.
pub const INSTALLED: [&str; 6] = [
    "namespace.yaml",
    "rbac.yaml",
    "rbac-apiserver.yaml",
    "config.yaml",
    "fleet.yaml",
    "policy.yaml",
];

/// Applies these files of deploy/base.
pub fn apply(node: &Node, files: &[&str]) {
    for file in files {
        let path = format!("{}/deploy/base/{file}", env!("CARGO_MANIFEST_DIR"));
        let applied = node
            .kubectl()
            .args(["apply", "-f", &path])
            .output()
            .unwrap();
        assert!(applied.status.success(), "{applied:?}");
    }
}

/// A Pod that waits for an image, with what must not be lost.
fn stuck(name: &str, image: &str) -> Value {
    let mut pod = pod(name, vec![container("main", image)]);
    pod["metadata"]["labels"] = json!({"app": "a"});
    pod["metadata"]["annotations"] = json!({"kept": "yes"});
    pod["metadata"]["finalizers"] = json!(["pullwarden.test/hold"]);
    pod
}

/// Makes the Pods of the cases, and that of the agent, which is returned.
async fn make_pods(cluster: &Cluster) -> Value {
    let good = format!("{REGISTRY}/policy/good:1");
    let bad = format!("{REGISTRY}/policy/missing:1");
    let home = Cluster {
        namespace: "pullwarden".to_owned(),
        ..cluster.clone()
    };
    let mut own = pod("agent", vec![container("main", &good)]);
    own["spec"]["serviceAccountName"] = json!("pullwarden");
    home.create(own).await;
    cluster.create(stuck("stuck", &bad)).await;
    cluster.create(stuck("unmarked", &bad)).await;
    let mut forged = stuck("forged", &bad);
    forged["metadata"]["annotations"]["pullwarden.io/failed-at"] = json!("never");
    cluster.create(forged).await;
    let mut many = stuck("many", &bad);
    for n in 0..256 {
        many["metadata"]["annotations"][format!("a{n}")] = json!("");
    }
    cluster.create(many).await;
    let mut elsewhere = stuck("elsewhere", &bad);
    elsewhere["spec"]["nodeName"] = json!("another");
    cluster.create(elsewhere).await;
    cluster
        .create(pod("running", vec![container("main", &good)]))
        .await;
    cluster.until_waiting("stuck", "ErrImagePull").await;
    until_running(cluster, "running").await;
    until_running(&home, "agent").await
}

/// Waits until the Pod runs.
pub async fn until_running(cluster: &Cluster, name: &str) -> Value {
    let running = || async {
        cluster
            .pod(name)
            .await
            .filter(|pod| phase(pod) == "Running")
    };
    cluster.until("a running Pod", running).await
}

#[test]
pub fn an_agents_token_is_good_for_its_two_writes_and_nothing_else() {
    let bed = Bed::of(Group::Policy);
    let node = &bed.node;
    node.push_image("policy/good", "1").unwrap();
    apply(node, &INSTALLED);
    bed.run("guarded", |cluster| async move {
        let own = make_pods(&cluster).await;
        let agent = Holder::agent(node, &cluster, &own).await;
        // Policies are taken up a moment after they were written.
        let foreign = first(&json!({"pod": "running"}));
        until_answered(&cluster, &agent, &foreign, "Pending Pods only").await;
        until_answered(&cluster, &agent, &first(&json!({})), "allowed").await;

        for case in cases("first") {
            agent.check(&case, &first(&case)).await;
        }
        let tolerations = cluster.pod("stuck").await.unwrap()["spec"]["tolerations"].clone();
        for case in cases("early") {
            agent.check(&case, &second(&case, &tolerations)).await;
        }
        let early = agent.ask(&second(&json!({}), &tolerations)).await;
        let early = early.unwrap_err().to_string();
        assert!(early.contains("first the condition"), "{early}");
        for (pod, unavailable) in [("stuck", "absent"), ("forged", "True"), ("many", "absent")] {
            let write = first(&json!({"pod": pod, "unavailable": unavailable}));
            agent.ask(&write).await.unwrap();
        }
        for case in cases("again") {
            agent.check(&case, &first(&case)).await;
        }
        for case in cases("second").iter().chain(&cases("many")) {
            agent.check(case, &second(case, &tolerations)).await;
        }
        let both = first(&json!({"unavailable": "True"}));
        let marked = json!({"status": both.body()["status"]});
        cluster.patch_status("running", marked).await.unwrap();
        for case in cases("back") {
            agent.check(&case, &first(&case)).await;
        }
        for case in cases("other") {
            let ask = Ask::new(text(&case, "ask", ""), case["body"].clone());
            agent.check(&case, &ask).await;
        }
        let name = own["spec"]["nodeName"].as_str().unwrap();
        for case in cases("events") {
            agent.check(&case, &event(&case, name)).await;
        }
        fleet::fleet(&cluster, &agent, name).await;
        let write = second(&json!({}), &tolerations);
        switch::switch(&cluster, (&agent, name), &write, node).await;
        agent.assert_all_as_expected();
    });
}

/// Waits until the API server answers so.
pub async fn until_answered(cluster: &Cluster, agent: &Holder, ask: &Ask, expected: &str) {
    let so = || async { agent.tries(ask).await.contains(expected).then_some(()) };
    cluster.until(expected, so).await;
}

/// What Pod Security's `baseline` has against the DaemonSet's Pod: exactly what the manifest says.
#[test]
fn pod_security_has_nothing_against_the_pod_but_its_folders_of_the_host() {
    let bed = Bed::of(Group::Policy);
    bed.run("baseline", |cluster| async move {
        let admin = Holder::new(cluster.client.clone());
        let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
        let namespace = Ask::new("PATCH /api/v1/namespaces/baseline", label);
        admin.ask(&namespace).await.unwrap();

        let mut pod = agents_pod();
        let spec = pod["spec"].as_object_mut().unwrap();
        spec.remove("priorityClassName").unwrap();
        let refused = try_pod(&admin, "baseline", &pod).await.unwrap_err();
        let (_, why) = refused.split_once("violates PodSecurity").expect(&refused);
        // One complaint only, about hostPath, and it names the volumes.
        let expected =
            r#" "baseline:latest": hostPath volumes (volumes "runtime", "pods-api", "state", "log")"#;
        assert_eq!(why, expected);

        without_folders(&mut pod);
        try_pod(&admin, "baseline", &pod).await.unwrap();
    });
}

/// The DaemonSet's Pod.
fn agents_pod() -> Value {
    let manifest = include_str!("../../deploy/base/daemonset.yaml");
    let set: Value = serde_saphyr::from_str(manifest).unwrap();
    let mut pod = set["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("agent");
    pod["spec"]["serviceAccountName"] = json!("default");
    pod
}

fn without_folders(pod: &mut Value) {
    for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
        if volume["hostPath"].is_object() {
            *volume = json!({"name": volume["name"], "emptyDir": {}});
        }
    }
}

/// The testbed's API server asks for a quota as GKE's does.
#[test]
fn a_critical_pod_is_admitted_where_the_quota_is() {
    let bed = Bed::of(Group::Policy);
    bed.run("default", |cluster| async move {
        let admin = Holder::new(cluster.client.clone());
        let mut pod = agents_pod();
        without_folders(&mut pod);
        let refused = try_pod(&admin, "default", &pod).await.unwrap_err();
        assert!(refused.contains("insufficient quota"), "{refused}");

        let manifest = include_str!("../../deploy/base/quota.yaml");
        let mut quota: Value = serde_saphyr::from_str(manifest).unwrap();
        quota["metadata"]["namespace"] = json!("default");
        let path = "POST /api/v1/namespaces/default/resourcequotas";
        admin.ask(&Ask::new(path, quota)).await.unwrap();
        // A controller must have counted first.
        let admitted = || async { try_pod(&admin, "default", &pod).await.ok() };
        cluster.until("the Pod to be admitted", admitted).await;
    });
}

async fn try_pod(admin: &Holder, namespace: &str, pod: &Value) -> Result<(), String> {
    let path = format!("POST /api/v1/namespaces/{namespace}/pods?dryRun=All");
    match admin.ask(&Ask::new(&path, pod.clone())).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => Err(error.to_string()),
    }
}

/// A field that the policy does not name would be free.
#[test]
pub fn the_policy_names_every_field_that_the_api_server_knows() {
    let bed = Bed::of(Group::Policy);
    let policy = include_str!("../../deploy/base/policy.yaml");
    bed.run("guarded", |cluster| async move {
        let admin = Holder::new(cluster.client.clone());
        let schema = Ask::new("GET /openapi/v3/api/v1", Value::Null);
        let schemas = admin.ask(&schema).await.unwrap()["components"]["schemas"].clone();
        for (schema, part, elsewhere) in [
            (
                "io.k8s.api.core.v1.PodSpec",
                "spec",
                &["activeDeadlineSeconds"][..],
            ),
            ("io.k8s.api.core.v1.PodStatus", "status", &["conditions"]),
            // The last three change with every write.
            (
                "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
                "metadata",
                &[
                    "annotations",
                    "generation",
                    "managedFields",
                    "resourceVersion",
                ],
            ),
        ] {
            let fields = schemas[schema]["properties"].as_object().unwrap();
            assert!(fields.len() > 10, "{schema}");
            let is_free = |field: &&String| {
                let held = format!("object.{part}.?{field} == oldObject.{part}.?{field}");
                !elsewhere.contains(&field.as_str()) && !policy.contains(&held)
            };
            let free: Vec<&String> = fields.keys().filter(is_free).collect();
            assert!(free.is_empty(), "the policy does not hold {part}: {free:?}");
        }
    });
}

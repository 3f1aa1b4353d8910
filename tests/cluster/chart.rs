//! The Helm chart makes the same objects as kustomize. Needs the built programs, and no node.
//!
//! All that may differ is the order of what Kubernetes itself merges by name (containers, variables, volumes): kustomize puts first what a component adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Kind, Progress};

/// Objects by kind, namespace and name.
type Objects = BTreeMap<String, Value>;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn program(kind: Kind, name: &str) -> Command {
    let family = kind.default_family().unwrap();
    let folder = testbed::build(&family, Progress::new(false)).unwrap();
    Command::new(folder.join(name))
}

/// What the command prints; it must succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The chart, in its folder or packed, with these values.
fn template(chart: &Path, namespace: &str, values: &Value) -> Command {
    let mut helm = program(Kind::Helm, "helm");
    helm.args(["template", "any", "--namespace", namespace])
        .arg(chart);
    for (key, value) in values.as_object().unwrap() {
        helm.arg("--set-json").arg(format!("{key}={value}"));
    }
    helm
}

fn by_helm(chart: &Path, namespace: &str, values: &Value) -> Objects {
    let mut values = values.clone();
    // Kustomize brings the namespace, Helm leaves it to whoever installs.
    values["namespace"] = json!({"create": true});
    objects(&output(&mut template(chart, namespace, &values)))
}

/// What a kustomization makes that names folders of deploy/, and may have patches.
fn by_kustomize(of: &Kustomization) -> Objects {
    let folder = TempDir::new().unwrap();
    let own = folder.path().canonicalize().unwrap();
    // Kustomize takes relative paths only.
    let up = "../".repeat(own.components().count() - 1);
    let path = |name: &&str| format!("{up}{}/{name}", &deploy().display().to_string()[1..]);
    let file = json!({
        "resources": [path(&of.resource)],
        "components": of.components.iter().map(path).collect::<Vec<_>>(),
        "patches": of.config.map(|config| json!({"patch": json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "pullwarden", "namespace": "pullwarden"},
            "data": {"config.yaml": config},
        }).to_string()})).into_iter().collect::<Vec<_>>(),
    });
    std::fs::write(own.join("kustomization.yaml"), file.to_string()).unwrap();
    objects(&output(
        program(Kind::Kubernetes, "kubectl")
            .arg("kustomize")
            .arg(&own),
    ))
}

fn objects(text: &str) -> Objects {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let mut objects = Objects::new();
    for object in all.into_iter().filter(|object| !object.is_null()) {
        let metadata = &object["metadata"];
        let place = metadata["namespace"].as_str().unwrap_or("-");
        let name = metadata["name"].as_str().unwrap();
        let key = format!("{} {place}/{name}", object["kind"].as_str().unwrap());
        refers_to_what_comes_before(&object);
        assert!(
            objects.insert(key.clone(), by_name(object)).is_none(),
            "{key} twice"
        );
    }
    assert!(objects.len() > 10, "{:?}", objects.keys());
    objects
}

/// A variable's `$(NAME)` means one that stands before it: in this alone their order matters.
fn refers_to_what_comes_before(object: &Value) {
    let containers = &object["spec"]["template"]["spec"]["containers"];
    let containers = containers.as_array().into_iter().flatten();
    for variables in containers.filter_map(|container| container["env"].as_array()) {
        let mut before = Vec::new();
        for variable in variables {
            let value = variable["value"].as_str().unwrap_or_default();
            if let Some((_, rest)) = value.split_once("$(") {
                let name = rest.split(')').next().unwrap();
                assert!(before.contains(&name), "{variable}");
            }
            before.push(variable["name"].as_str().unwrap());
        }
    }
}

/// The same, with lists whose items all have a name in the order of their names.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, by_name(v))).collect(),
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(by_name).collect();
            if list.iter().all(|item| item["name"].is_string()) {
                list.sort_by_key(|item| item["name"].as_str().map(str::to_owned));
            }
            Value::Array(list)
        }
        other => other,
    }
}

/// Folders of deploy/, and the configuration where a component needs another one.
struct Kustomization {
    resource: &'static str,
    components: &'static [&'static str],
    config: Option<&'static str>,
}

#[track_caller]
fn check(values: Value, resource: &'static str, components: &'static [&'static str]) {
    check_with(values, resource, components, None);
}

#[track_caller]
fn check_with(
    values: Value,
    resource: &'static str,
    components: &'static [&'static str],
    config: Option<&'static str>,
) {
    let expected = by_kustomize(&Kustomization {
        resource,
        components,
        config,
    });
    let made = by_helm(&deploy().join("chart"), "pullwarden", &values);
    let keys = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&made), keys(&expected), "{values}");
    for (key, object) in &expected {
        assert_eq!(
            &made[key], object,
            "{key} with {values}: the chart's is the first"
        );
    }
}

#[test]
fn base_and_enforce() {
    check(json!({}), "base", &[]);
    check(
        json!({"config": {"mode": "enforce"}}),
        "overlays/enforce",
        &[],
    );
}

#[test]
fn distributions() {
    check(json!({"distribution": "k3s"}), "overlays/k3s", &[]);
    check(json!({"distribution": "rke2"}), "overlays/rke2", &[]);
    check(json!({"distribution": "k0s"}), "overlays/k0s", &[]);
    check(
        json!({"distribution": "microk8s"}),
        "overlays/microk8s",
        &[],
    );
    check(json!({"distribution": "crio"}), "overlays/crio", &[]);
    check(
        json!({"distribution": "openshift"}),
        "overlays/openshift",
        &[],
    );
}

#[test]
fn a_rollout_node_by_node() {
    check(
        json!({"rollout": {"enabled": true}}),
        "overlays/rollout",
        &[],
    );
}

#[test]
fn components() {
    check(
        json!({"kubeletOnly": true}),
        "base",
        &["components/kubelet-only"],
    );
    check(
        json!({"networkPolicy": {"enabled": true}}),
        "base",
        &["components/network-policy"],
    );
    check(
        json!({"jobPolicy": {"enabled": true}}),
        "base",
        &["components/job-policy"],
    );
    check(
        json!({"monitoring": {"enabled": true}}),
        "base",
        &["components/monitoring"],
    );
    check(
        json!({"seLinuxType": "spc_t"}),
        "base",
        &["components/selinux"],
    );
}

/// What kustomize takes a component for, the chart sees from the configuration.
#[test]
fn rights_that_the_configuration_asks_for() {
    check_with(
        json!({"config": {"action": "delete"}}),
        "base",
        &["components/action-delete"],
        Some("action: delete\nmode: observe\n"),
    );
    let namespaces = json!([{"mode": "observe", "selector": {"matchLabels": {"env": "prod"}}}]);
    check_with(
        json!({"config": {"scope": {"namespaces": namespaces}}}),
        "base",
        &["components/namespace-labels"],
        Some(
            "mode: observe\nscope:\n  namespaces:\n  - mode: observe\n    selector:\n      matchLabels:\n        env: prod\n",
        ),
    );
    check_with(
        json!({"config": {"scope": {"namespaceAnnotations": "on"}}}),
        "base",
        &["components/namespace-labels"],
        Some("mode: observe\nscope:\n  namespaceAnnotations: \"on\"\n"),
    );
}

#[test]
fn all_together() {
    check_with(
        json!({
            "config": {"action": "delete"},
            "rollout": {"enabled": true},
            "distribution": "k0s",
            "kubeletOnly": true,
            "networkPolicy": {"enabled": true},
            "jobPolicy": {"enabled": true},
            "monitoring": {"enabled": true},
            "seLinuxType": "spc_t",
        }),
        "overlays/rollout",
        &[
            "components/k0s",
            "components/kubelet-only",
            "components/action-delete",
            "components/network-policy",
            "components/job-policy",
            "components/monitoring",
            "components/selinux",
        ],
        Some("action: delete\nmode: observe\n"),
    );
}

/// files/ holds links; what is packed holds what they lead to.
#[test]
fn packed_it_is_the_same() {
    let folder = TempDir::new().unwrap();
    let mut helm = program(Kind::Helm, "helm");
    helm.arg("package").arg("--destination").arg(folder.path());
    output(helm.arg(deploy().join("chart")));
    let packed = folder
        .path()
        .join(concat!("pullwarden-", env!("CARGO_PKG_VERSION"), ".tgz"));
    let values = json!({"monitoring": {"enabled": true}, "networkPolicy": {"enabled": true}, "jobPolicy": {"enabled": true}});
    assert_eq!(
        by_helm(&packed, "pullwarden", &values),
        by_helm(&deploy().join("chart"), "pullwarden", &values)
    );
}

#[test]
fn it_follows_the_namespace_of_its_release() {
    let values = json!({"monitoring": {"enabled": true}, "networkPolicy": {"enabled": true}});
    let elsewhere = by_helm(&deploy().join("chart"), "elsewhere", &values);
    let text = serde_json::to_string(&elsewhere).unwrap();
    let there = |sign: &str| text.matches(sign).count();
    assert_eq!(there("system:serviceaccount:elsewhere:pullwarden"), 3);
    assert_eq!(there("system:serviceaccount:pullwarden"), 0);
    assert_eq!(there(r#""namespace":"pullwarden""#), 0);
    assert!(elsewhere.contains_key("Namespace -/elsewhere"));
}

/// What the chart says when it refuses these values.
#[track_caller]
fn refusal(values: &Value) -> String {
    let output = template(&deploy().join("chart"), "pullwarden", values)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{values}");
    String::from_utf8(output.stderr).unwrap()
}

/// The agents would all act for one node.
#[test]
fn one_node_name_for_every_agent_is_refused() {
    for values in [
        json!({"config": {"nodeName": "node1"}}),
        json!({"rollout": {"enabled": true, "config": {"nodeName": "node1", "mode": "enforce"}}}),
    ] {
        let told = refusal(&values);
        assert!(told.contains(r#"config.nodeName is "node1""#), "{told}");
        assert!(told.contains("NODE_NAME"), "{told}");
    }
    // As docs/configuration.md lists it.
    let values = json!({"config": {"nodeName": null}});
    by_helm(&deploy().join("chart"), "pullwarden", &values);
}

/// The affinity of a DaemonSet that the chart makes with these values.
fn affinity(values: &Value, set: &str) -> Value {
    let made = by_helm(&deploy().join("chart"), "pullwarden", values);
    let key = format!("DaemonSet pullwarden/{set}");
    made[&key]["spec"]["template"]["spec"]["affinity"].clone()
}

/// A node needs to match one term only.
#[test]
fn the_rollout_is_in_every_term_of_an_affinity() {
    let expression = |key: &str| json!({"key": key, "operator": "Exists"});
    let required = |terms: Value| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
    let unlabelled =
        json!({"key": "pullwarden.io/enforce", "operator": "NotIn", "values": ["true"]});
    let fields = json!([{"key": "metadata.name", "operator": "In", "values": ["node1"]}]);
    let own = required(json!([{"matchExpressions": [expression("a")]}, {"matchFields": fields}]));
    let values = json!({"affinity": own, "rollout": {"enabled": true}});
    assert_eq!(affinity(&values, "pullwarden-enforce"), own);
    let expected = required(json!([
        {"matchExpressions": [expression("a"), unlabelled]},
        {"matchFields": fields, "matchExpressions": [unlabelled]},
    ]));
    assert_eq!(affinity(&values, "pullwarden"), expected);

    let none = json!({"affinity": null, "rollout": {"enabled": true}});
    let expected = required(json!([{"matchExpressions": [unlabelled]}]));
    assert_eq!(affinity(&none, "pullwarden"), expected);
    assert_eq!(affinity(&none, "pullwarden-enforce"), Value::Null);
    assert_eq!(
        affinity(&json!({"affinity": null}), "pullwarden"),
        Value::Null
    );
}

/// The quota is for the class that the Pods have.
#[test]
fn the_quota_follows_the_priority_class() {
    let quota = |class: &str| {
        let values = json!({"priorityClassName": class});
        let made = by_helm(&deploy().join("chart"), "pullwarden", &values);
        let quota = made.get("ResourceQuota pullwarden/pullwarden");
        quota
            .map(|quota| quota["spec"]["scopeSelector"]["matchExpressions"][0]["values"][0].clone())
    };
    let class = "system-cluster-critical";
    assert_eq!(quota(class), Some(json!(class)));
    assert_eq!(quota("of-our-own"), None);
    assert_eq!(quota(""), None);
}

#[test]
fn values_with_faults_are_refused() {
    for values in [
        json!({"config": {"mode": "enforc"}}),
        json!({"config": {"warmup": "0s"}}),
        json!({"config": {"secondOpinion": false}}),
        // No value turns the kill switch.
        json!({"writes": "off"}),
        json!({"distribution": "k4s"}),
        json!({"mode": "enforce"}),
    ] {
        let told = refusal(&values);
        assert!(told.contains("schema"), "{values}: {told}");
    }
}

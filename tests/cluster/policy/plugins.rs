//! Admission plugins of others, beside the policy that holds an agent: the agent names the one that stops it, and changes its conditions
//! once.

use serde_json::{Value, json};
use testbed::Node;

use super::{INSTALLED, apply, until_running};
use crate::agent::{Agent, Plan};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, condition};
use crate::holder::{Ask, Holder};
use crate::shapes::{REGISTRY, container, pod};

const NAMESPACE: &str = "own-plugins";

/// Updates of Pods in the test's namespace.
fn updates() -> Value {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]});
    let label = json!({"kubernetes.io/metadata.name": NAMESPACE});
    json!({"resourceRules": [rule], "namespaceSelector": {"matchLabels": label}})
}

fn policy(kind: &str, name: &str, spec: &Value, more: &Value) -> [Value; 2] {
    let object = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mut bound = more.clone();
    bound["policyName"] = json!(name);
    let mut spec = spec.clone();
    spec["matchConstraints"] = updates();
    [object(kind, spec), object(&format!("{kind}Binding"), bound)]
}

/// Denies every change of a deadline.
fn refuses() -> [Value; 2] {
    let keeps = "object.spec.?activeDeadlineSeconds == oldObject.spec.?activeDeadlineSeconds";
    let validation =
        json!({"expression": keeps, "message": "deadlines are the team's: pullwarden"});
    let spec = json!({"validations": [validation]});
    let more = json!({"validationActions": ["Deny"]});
    policy("ValidatingAdmissionPolicy", "no-deadlines", &spec, &more)
}

/// Adds a label to everything that is written.
fn labels() -> [Value; 2] {
    let object =
        r#"Object{metadata: Object.metadata{labels: {"example.com/seen": "by-the-team"}}}"#;
    let mutation =
        json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": object}});
    let spec = json!({"mutations": [mutation], "reinvocationPolicy": "Never"});
    policy("MutatingAdmissionPolicy", "seen", &spec, &json!({}))
}

/// The documentation's policy, from which the agents are exempt, for the test's namespace.
fn exempts() -> [Value; 2] {
    let text = include_str!("../../../docs/examples/admission-exception.yaml");
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects[0]["spec"]["matchConstraints"] = updates();
    objects.try_into().unwrap()
}

/// Applies or deletes objects.
fn kubectl(node: &Node, verb: &str, objects: &[Value; 2]) {
    let path = node.dir().join("agents/plugin.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(&path, list.to_string()).unwrap();
    let mut kubectl = node.kubectl();
    let done = kubectl.arg(verb).arg("-f").arg(&path).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// An agent that is held, on a node with the admission policies.
struct Held<'a> {
    node: &'a Node,
    cluster: Cluster,
    agent: Agent,
}

impl<'a> Held<'a> {
    async fn start(node: &'a Node, cluster: Cluster) -> Self {
        node.push_image("policy/good", "1").unwrap();
        apply(node, &INSTALLED);
        let home = Cluster {
            namespace: "pullwarden".to_owned(),
            ..cluster.clone()
        };
        let good = format!("{REGISTRY}/policy/good:1");
        let mut own = pod("agent", vec![container("main", &good)]);
        own["spec"]["serviceAccountName"] = json!("pullwarden");
        home.create(own).await;
        let own = until_running(&home, "agent").await;
        cluster
            .create(pod("probe", vec![container("main", &good)]))
            .await;
        until_running(&cluster, "probe").await;
        let token = Holder::token(&cluster, &own).await;
        let config = "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\n";
        let plan = Plan::new(node, NAMESPACE, config).held(&own, &token);
        Self {
            node,
            cluster,
            agent: plan.start(),
        }
    }

    /// Waits until a plugin is there, or is there no more: it refuses or changes what the admin writes, too.
    async fn until_felt(&self, is_there: bool) {
        let admin = Holder::new(self.cluster.client.clone());
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/probe?dryRun=All");
        let write = json!({"spec": {"activeDeadlineSeconds": 1000}});
        let write = Ask::new(&format!("PATCH {path}"), write);
        let felt = || async {
            let answer = admin.ask(&write).await;
            let is_felt = answer.is_ok_and(|pod| pod["metadata"]["labels"].is_null());
            (is_felt != is_there).then_some(())
        };
        self.cluster.until("the plugin to be taken up", felt).await;
    }

    /// Requests of one step about a Pod.
    fn writes(&self, pod: &str, step: &str) -> usize {
        let writes = self.agent.lines_of("write").into_iter();
        let of_pod = writes.filter(|line| line["pod"] == pod && line["step"] == step);
        of_pod.count()
    }

    /// Reports on a Pod that another plugin has stopped.
    fn refused(&self, pod: &str, named: &str) -> usize {
        let reports = self.agent.reports("denied").into_iter();
        let of_pod = reports.filter(|line| line["pod"] == pod && line["refusal"] == named);
        of_pod.count()
    }

    /// One more setting is changed: no Pod waits any more because a write was denied.
    fn settings_change(&self, times: usize) {
        let budget = |pods: usize| format!("pods: {pods},");
        let (before, after) = (budget(999 + times), budget(1000 + times));
        self.agent.configure(&before, &after);
    }

    /// A Pod that the agent fails although a policy refuses everybody else's write.
    async fn is_exempt(&self, name: &str, policy: &[Value; 2]) {
        kubectl(self.node, "apply", policy);
        self.until_felt(true).await;
        let image = format!("{REGISTRY}/policy/{name}:1");
        self.cluster
            .create(pod(name, vec![container("main", &image)]))
            .await;
        let failed = self.cluster.until_failed(name).await;
        assert_failed_by_us(&failed, "ImageNotFound", &image);
        kubectl(self.node, "delete", policy);
        self.until_felt(false).await;
    }

    /// A Pod whose write such a plugin stops, until the plugin is gone.
    async fn is_stopped(&self, name: &str, plugin: &[Value; 2], named: &str, times: usize) {
        kubectl(self.node, "apply", plugin);
        self.until_felt(true).await;
        let image = format!("{REGISTRY}/policy/{name}:1");
        self.cluster
            .create(pod(name, vec![container("main", &image)]))
            .await;
        let reports = async |times: usize| {
            let reached = || async { (self.refused(name, named) >= times).then_some(()) };
            self.cluster.until(named, reached).await;
        };
        reports(1).await;
        let flips = || ["condition", "take-back"].map(|step| self.writes(name, step));
        let flipped = flips();
        assert!(flipped[0] <= 1 && flipped[0] == flipped[1], "{flipped:?}");

        // It waits, and `status` and `explain` say for whom.
        let held = || async {
            let status = self.agent.status()?;
            let pods = status["pods"].as_array()?.clone();
            let entry = pods.into_iter().find(|entry| entry["pod"] == name)?;
            (entry["heldBy"] == json!(["denied-write"])).then_some(entry)
        };
        let held = self.cluster.until("the Pod to be held", held).await;
        let named_in = |answer: &Value| {
            let text = answer["reasons"].to_string();
            let quoted = json!(named).to_string();
            assert!(text.contains(quoted.trim_matches('"')), "{text}");
        };
        named_in(&held);
        named_in(&self.agent.explain(&format!("{NAMESPACE}/{name}")));
        assert_eq!(self.refused(name, named), 1);

        // The next try is a dry run.
        self.settings_change(times);
        reports(2).await;
        assert!(self.writes(name, "dry-run") >= 1);
        assert_eq!(flips(), flipped);
        let now = self.cluster.pod(name).await.unwrap();
        let status = condition(&now).map(|condition| condition["status"].clone());
        assert!(status.is_none_or(|status| status == "False"), "{now}");

        kubectl(self.node, "delete", plugin);
        self.until_felt(false).await;
        self.settings_change(times + 1);
        let failed = self.cluster.until_failed(name).await;
        assert_failed_by_us(&failed, "ImageNotFound", &image);
    }
}

#[test]
fn a_plugin_that_changes_or_refuses_a_write_is_named() {
    let bed = Bed::of(Group::Plugins);
    bed.run(NAMESPACE, |cluster| async {
        let held = Held::start(&bed.node, cluster).await;
        let named = "ValidatingAdmissionPolicy \"no-deadlines\" refuses the write";
        held.is_stopped("refused", &refuses(), named, 1).await;
        held.is_exempt("exempt", &exempts()).await;
        if bed.minor() < 36 {
            let version = &bed.node.plan().kubernetes;
            eprintln!("Kubernetes {version} serves no MutatingAdmissionPolicy");
            return;
        }
        let named = "another admission plugin changes label example.com/seen in the agent's write";
        held.is_stopped("labelled", &labels(), named, 3).await;
    });
}

//! `pullwarden check` with an agent's own token, under deploy/'s RBAC and admission policies.

use std::path::PathBuf;

use serde_json::{Value, json};
use testbed::Node;

use crate::bed::{Bed, Group};
use crate::cluster::Cluster;
use crate::holder::{Ask, Holder};
use crate::policy::{INSTALLED, apply, until_running};
use crate::shapes::{REGISTRY, container, pod};

/// The preflight of an agent that would run in this Pod.
struct Preflight<'a> {
    node: &'a Node,
    flags: Vec<String>,
}

impl<'a> Preflight<'a> {
    async fn of(node: &'a Node, cluster: &Cluster, own: &Value) -> Self {
        let token = Holder::token(cluster, own).await;
        let dir = node.dir().join("agents/check");
        std::fs::create_dir_all(&dir).unwrap();
        let kubeconfig = Holder::kubeconfig(node, &token, &dir);
        let name = own["metadata"]["name"].as_str().unwrap();
        let node_name = own["spec"]["nodeName"].as_str().unwrap();
        let path = |path: PathBuf| path.display().to_string();
        let flags = [
            ("node-name", node_name.to_owned()),
            ("mode", "enforce".to_owned()),
            ("own-pod", format!("pullwarden/{name}")),
            ("cri-socket", path(node.cri_socket())),
            ("kubelet-pods-socket", path(node.kubelet_pods_socket())),
            ("kubeconfig", path(kubeconfig)),
            ("state-dir", path(dir.join("state"))),
            ("log-dir", path(dir.join("log"))),
            ("admin-address", "127.0.0.1:0".to_owned()),
            ("control-socket", path(dir.join("control.sock"))),
        ];
        let flags = flags.map(|(flag, value)| format!("--{flag}={value}"));
        Self {
            node,
            flags: flags.into(),
        }
    }

    /// All findings, with more flags.
    fn findings(&self, more: &[&str]) -> Vec<Value> {
        let mut command = self.node.command(env!("CARGO_BIN_EXE_pullwarden"));
        command.args(["check", "-o", "json"]).args(more);
        let given = |flag: &&String| {
            let name = flag.split('=').next().unwrap();
            !more.iter().any(|flag| flag.split('=').next() == Some(name))
        };
        let output = command
            .args(self.flags.iter().filter(given))
            .output()
            .unwrap();
        let answer: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let is_well = answer["faults"] == 0;
        assert_eq!(output.status.success(), is_well, "{output:?}");
        answer["findings"].as_array().unwrap().clone()
    }

    /// What is not as it should be.
    fn wrong(&self, more: &[&str]) -> Vec<Value> {
        let mut findings = self.findings(more);
        findings.retain(|finding| finding["level"] != "ok");
        findings
    }
}

#[test]
fn on_a_node_as_shipped_it_finds_nothing_and_it_sees_what_is_taken_away_or_added() {
    let bed = Bed::of(Group::Check);
    let node = &bed.node;
    node.push_image("policy/good", "1").unwrap();
    apply(node, &INSTALLED);
    let by_kubelet = bed.has_kubelet_socket("evidence from the kubelet");
    bed.run("checked", |cluster| async move {
        let home = Cluster {
            namespace: "pullwarden".to_owned(),
            ..cluster.clone()
        };
        let good = format!("{REGISTRY}/policy/good:1");
        let mut own = pod("checks", vec![container("main", &good)]);
        own["spec"]["serviceAccountName"] = json!("pullwarden");
        home.create(own).await;
        let own = until_running(&home, "checks").await;
        let preflight = Preflight::of(node, &cluster, &own).await;

        // The policies are taken up a moment after they were written.
        let well = || async { preflight.wrong(&[]).is_empty().then_some(()) };
        cluster.until("check to find nothing", well).await;
        // A mode that writes asks for the proof that the policy, and nothing else, denies what it must.
        let enforces = preflight.wrong(&["--mode=enforce"]);
        assert!(enforces.is_empty(), "{enforces:#?}");
        let findings = preflight.findings(&[]);
        let of = |what: &str| {
            let found = findings.iter().find(|finding| finding["what"] == what);
            found.unwrap()["found"].as_str().unwrap().to_owned()
        };
        let versions = node.plan();
        assert!(
            of("runtime").contains(&format!("containerd v{}", versions.runtime.version())),
            "{}",
            of("runtime")
        );
        assert!(
            of("API server").contains(&format!("Kubernetes v{}", versions.kubernetes)),
            "{}",
            of("API server")
        );
        let source = match by_kubelet {
            true => "from the kubelet",
            false => "from the API server",
        };
        assert!(of("evidence").starts_with(source), "{}", of("evidence"));
        assert!(!node.dir().join("agents/check/state").exists());

        let other = preflight.wrong(&["--node-name=another"]);
        assert!(
            other.len() == 1 && other[0]["level"] == "fault" && other[0]["what"] == "node",
            "{other:#?}"
        );
        let delete = preflight.wrong(&["--action=delete"]);
        assert!(
            delete.len() == 1 && found(&delete[0]).ends_with("may not delete pods"),
            "{delete:#?}"
        );

        // Someone is generous.
        let admin = Holder::new(cluster.client.clone());
        let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/pullwarden";
        let before = admin
            .ask(&Ask::new(&format!("GET {roles}"), Value::Null))
            .await
            .unwrap();
        let mut rules = before["rules"].clone();
        let more = json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]});
        rules.as_array_mut().unwrap().push(more);
        let set = |rules: Value| Ask::new(&format!("PATCH {roles}"), json!({"rules": rules}));
        admin.ask(&set(rules)).await.unwrap();
        let seen = || async {
            let wrong = preflight.wrong(&[]);
            let named = |finding: &Value| {
                finding["level"] == "warning" && found(finding).contains("may get namespaces")
            };
            (wrong.len() == 1 && named(&wrong[0])).then_some(())
        };
        cluster
            .until("check to name what is more than needed", seen)
            .await;
        admin.ask(&set(before["rules"].clone())).await.unwrap();
        cluster.until("check to find nothing again", well).await;
    });
}

fn found(finding: &Value) -> &str {
    finding["found"].as_str().unwrap()
}

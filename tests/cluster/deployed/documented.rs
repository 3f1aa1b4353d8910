//! Every command of the documentation, run as it stands there. Pages tell things in their own order: here is the one of an administrator.

mod docs;

use serde_json::json;

use self::docs::Docs;
use super::installed::{Installed, until_status};
use super::{COUNT, until_gone};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us};
use crate::job_policy::SERVED_FROM;
use crate::shapes::{REGISTRY, container, pod};

#[test]
fn every_command_of_the_documentation_does_what_is_said() {
    let bed = Bed::of(Group::Documented);
    bed.run("team-a", |cluster| {
        let (node, minor) = (&bed.node, bed.minor());
        async move {
            let mut docs = Docs::of(node);
            try_out(&mut docs, &cluster).await;
            observe(&mut docs, &cluster).await;
            enforce(&mut docs, &cluster).await;
            ask(&mut docs, &cluster).await;
            install_otherwise(&mut docs, &cluster).await;
            give_jobs_the_rule(&mut docs, minor);
            docs.left.retain(|_, blocks| !blocks.is_empty());
            assert!(docs.left.is_empty(), "not run: {:#?}", docs.left);
        }
    });
}

const STUCK: &str = "train-7x2kq";

fn image() -> String {
    format!("{REGISTRY}/documented/missing:1")
}

/// The pages for a new user, with nothing installed.
async fn try_out(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    // The image comes to the node, and the agents are installed.
    docs.run("docs/quickstart.md");
    let rolled_out = docs.run("docs/quickstart.md");
    assert!(
        rolled_out.contains("successfully rolled out"),
        "{rolled_out}"
    );
    let failed = docs.run("docs/quickstart.md");
    assert!(failed.contains("condition met"), "{failed}");
    let described = docs.run("docs/quickstart.md");
    assert!(described.contains("ImagePullFailed"), "{described}");
    assert!(
        described.contains("the report ended: written"),
        "{described}"
    );
    docs.run("docs/quickstart.md");
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    let page = "docs/install/README.md";
    let rolled_out = docs.run(page);
    assert!(
        rolled_out.contains("successfully rolled out"),
        "{rolled_out}"
    );
    let checked = docs.run(page);
    assert!(checked.contains("runtime"), "{checked}");
    docs.run(page);
    let asked = docs.run("docs/troubleshooting.md");
    assert!(asked.contains("node node1"), "{asked}");
    for object in ["job/train", "deployment/web"] {
        docs.run("docs/proposal.md");
        installed.kubectl(&["delete", object]);
    }
    docs.run(page);
    until_gone(cluster, &installed).await;

    let page = "docs/install/helm.md";
    for _ in 0..3 {
        docs.run(page);
    }
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    installed.apply("overlays/enforce");
    docs.run("docs/uninstall.md");
    until_gone(cluster, &installed).await;
    let logs = docs.logs();
    let files = || std::fs::read_dir(&logs).unwrap().count();
    assert_ne!(files(), 0);
    docs.run("docs/uninstall.md");
    assert_eq!(files(), 0);
}

/// Installed, it says what it would do.
async fn observe(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    let rolled_out = docs.run("docs/adopting.md");
    assert!(
        rolled_out.contains("successfully rolled out"),
        "{rolled_out}"
    );
    let checked = docs.run("docs/adopting.md");
    assert!(checked.contains("runtime"), "{checked}");

    // Nobody waits ten minutes here.
    installed.configure("mode: observe\nwarmUp: 0s\n");
    let warm = |status: &serde_json::Value| status["warmUpLeftSeconds"] == 0;
    until_status(cluster, &installed, "the warm-up to be over", warm).await;
    let mut stuck = pod(STUCK, vec![container("main", &image())]);
    stuck["metadata"]["annotations"] = json!({COUNT: "1"});
    cluster.create(stuck).await;
    let told = || async {
        let events = cluster.events(STUCK).await;
        let would = |event: &serde_json::Value| event["reason"] == "ImagePullWouldFail";
        events.iter().any(would).then_some(())
    };
    cluster.until("what it would do to be told", told).await;
    let events = docs.run("docs/adopting.md");
    assert!(events.contains(&format!("pod/{STUCK}")), "{events}");
    let looked = docs.run("docs/runbook.md");
    assert!(
        looked.contains(STUCK) && looked.contains("ImageNotFound"),
        "{looked}"
    );
    docs.collect_logs("node-a");
    docs.collect_logs("node-b");
    let replayed = docs.run("docs/adopting.md");
    assert!(
        replayed.contains("enforce") && replayed.contains("patient"),
        "{replayed}"
    );
    docs.collect_logs("logs/node-a");
    let replayed = docs.run("docs/fleet.md");
    assert!(
        replayed.contains("enforce") && replayed.contains("unlimited"),
        "{replayed}"
    );
}

/// Raised to enforce, it does it; and all writes are switched off.
async fn enforce(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    // The rollout, all nodes, and what the rollout leaves behind.
    for _ in 0..3 {
        docs.run("docs/adopting.md");
    }
    let failed = cluster.until_failed(STUCK).await;
    assert_failed_by_us(&failed, "ImageNotFound", &image());
    let thrown = || {
        let kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings";
        let all = installed.kubectl(&["get", kinds, "-oname"]);
        all.matches("/pullwarden-off\n").count()
    };
    for page in ["docs/adopting.md", "docs/runbook.md"] {
        docs.run(page);
        assert_eq!(thrown(), 2, "{page}");
        // What installs pullwarden does not turn it.
        installed.apply("overlays/enforce");
        assert_eq!(thrown(), 2, "{page}");
        docs.run(page);
        assert_eq!(thrown(), 0, "{page}");
    }
    mend_the_fleet_budget(docs, &installed);
    // Who may change the agents' writes: nobody here.
    docs.run("docs/troubleshooting.md");
    docs.run("README.md");
    assert_eq!(thrown(), 0);
}

/// Looks at the fleet budget's entries, and removes one that is no token, and then all.
fn mend_the_fleet_budget(docs: &mut Docs<'_>, installed: &Installed<'_>) {
    let keys = || {
        let template = "-ogo-template={{range $key, $value := .data}}{{$key}} {{end}}";
        installed.kubectl(&[
            "-n",
            "pullwarden",
            "get",
            "configmap",
            "pullwarden-fleet",
            template,
        ])
    };
    let counted = docs.run("docs/runbook.md");
    assert!(counted.trim_start().starts_with("1 "), "{counted}");
    let token = keys();
    let garbage = r#"-p={"data":{"KEY":"garbage"}}"#;
    installed.kubectl(&[
        "-n",
        "pullwarden",
        "patch",
        "configmap",
        "pullwarden-fleet",
        garbage,
    ]);
    assert_ne!(keys(), token);
    docs.run("docs/fleet.md");
    assert_eq!(keys(), token);
    docs.run("docs/fleet.md");
    assert_eq!(keys(), "");
}

/// Run by hand, and asked why.
async fn ask(docs: &mut Docs<'_>, cluster: &Cluster) {
    // What an agent needs that is not installed by deploy/.
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/rbac.yaml");
    Installed(docs.node).kubectl(&["apply", "-f", rbac]);
    let told = docs.run_by_hand("docs/install/by-hand.md", cluster).await;
    assert!(told.contains(STUCK), "{told}");
    let explained = docs.run("docs/observability.md");
    assert!(
        explained.contains("unrecognised") || explained.contains("Unrecognised"),
        "{explained}"
    );
    let found = docs.run("docs/observability.md");
    let failed = format!("team-a/{STUCK}: ImageNotFound: ");
    assert!(
        found.lines().any(|line| line.starts_with(&failed)),
        "{found}"
    );
    let replayed = docs.run("docs/replay.md");
    assert!(replayed.contains(STUCK), "{replayed}");

    docs.collect_logs(".");
    if let Some(selected) = docs.run_with("jq", "docs/log.md") {
        assert!(selected.contains(&image()), "{selected}");
    }
    let explained = docs.run("docs/registries.md");
    assert!(explained.contains("means"), "{explained}");
    docs.run("docs/registries.md");
    survey(docs);
}

/// The survey of the cluster, alone and as a plugin of kubectl.
fn survey(docs: &mut Docs<'_>) {
    let surveyed = docs.run("docs/survey.md");
    assert!(surveyed.contains("\"ImageNotFound\": 1"), "{surveyed}");
    let surveyed = docs.run("docs/survey.md");
    assert!(surveyed.starts_with("all namespaces: "), "{surveyed}");
    docs.run("docs/survey.md");
    // Permissions of a person: no way of installing the agents takes them back.
    let granted = [
        "delete",
        "clusterrolebinding,clusterrole",
        "pullwarden-survey",
    ];
    Installed(docs.node).kubectl(&granted);
}

/// The other ways to install it, and that each is taken back.
async fn install_otherwise(docs: &mut Docs<'_>, cluster: &Cluster) {
    let installed = Installed(docs.node);
    docs.run("deploy/README.md");
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    docs.run("deploy/README.md");
    installed.kubectl(&["delete", "namespace", "pullwarden", "--wait=false"]);
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    installed.install_from_registry();
    until_status(cluster, &installed, "the pulled agent to answer", |_| true).await;
    installed.uninstall_chart();
    installed.kubectl(&["delete", "namespace", "pullwarden", "--wait=false"]);
    until_gone(cluster, &installed).await;
    assert_eq!(installed.remains(), "");

    // The kill switch, thrown and removed.
    docs.run("deploy/README.md");
    assert_eq!(installed.remains(), "");

    let labelled = docs.run("deploy/README.md");
    assert!(
        labelled.contains("node/node1 labeled") && labelled.contains("node/node1 unlabeled"),
        "{labelled}"
    );
}

/// The policy for Jobs, where the API server has its kind.
fn give_jobs_the_rule(docs: &mut Docs<'_>, minor: u32) {
    let block = docs.next("docs/jobs.md");
    if minor < SERVED_FROM {
        eprintln!("Kubernetes 1.{minor} does not serve the policy's kind: not run:\n{block}");
        return;
    }
    let labelled = docs.print(&block);
    assert!(labelled.contains("namespace/team-a labeled"), "{labelled}");
}

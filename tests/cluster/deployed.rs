//! deploy/ as it is shipped: installed, raised from observe to enforce, switched off and on, restarted, uninstalled.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use testbed::{Image, Node};

use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, condition, name, phase};
use crate::shapes::{REGISTRY, container, job};

const USER: &str = "system:serviceaccount:pullwarden:pullwarden";
const COUNT: &str = "pullwarden.io/image-pull-failure-count";

/// What is installed, by kubectl.
struct Installed<'a>(&'a Node);

impl Installed<'_> {
    /// Runs kubectl, which must succeed.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.0.kubectl().args(arguments).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn apply(&self, kustomization: &str) {
        self.kubectl(&["apply", "-k", &folder(kustomization)]);
    }

    /// Changes what the agents go by, as an administrator would.
    fn configure(&self, text: &str) {
        let patch = json!({"data": {"config.yaml": text}}).to_string();
        self.kubectl(&[
            "-n",
            "pullwarden",
            "patch",
            "configmap",
            "pullwarden",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }

    fn switch(&self, writes: &str) {
        let patch = json!({"data": {"writes": writes}}).to_string();
        self.kubectl(&[
            "-n",
            "pullwarden",
            "patch",
            "configmap",
            "pullwarden-writes",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }

    /// What `pullwarden status` says in the agent's own container.
    fn status(&self) -> Option<Value> {
        let arguments = [
            "-n",
            "pullwarden",
            "exec",
            "ds/pullwarden",
            "--",
            "/pullwarden",
            "status",
            "-o",
            "json",
        ];
        let output = self.0.kubectl().args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    fn log(&self) -> String {
        self.kubectl(&["-n", "pullwarden", "logs", "ds/pullwarden"])
    }

    /// Who asked the API server in the agents' name, and from where.
    fn addresses(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.0.audit_log()).unwrap();
        let entries = text.lines().filter(|line| line.contains(USER));
        let entries = entries.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = entries.filter(|entry| entry["user"]["username"] == USER);
        own.map(|entry| entry["sourceIPs"][0].as_str().unwrap().to_owned())
            .collect()
    }
}

fn folder(kustomization: &str) -> String {
    format!("{}/deploy/{kustomization}", env!("CARGO_MANIFEST_DIR"))
}

/// Brings the image to the node under the name that the manifests ask for.
fn bring(node: &Node) {
    let program =
        std::env::var("TESTBED_AGENT").expect("TESTBED_AGENT is set by `testbed test deployed::`");
    let manifest = std::fs::read_to_string(folder("base/daemonset.yaml")).unwrap();
    let image = manifest
        .lines()
        .find_map(|line| line.trim().strip_prefix("image: "))
        .unwrap();
    node.import(image, &Image::of_agent(Path::new(&program)).unwrap())
        .unwrap();
}

/// A Job that fails at its Pod's `count`th failed pull.
fn bad(name: &str, image: &str, count: &str) -> Value {
    let mut job = job(name, container("main", image), 0);
    job["spec"]["template"]["metadata"] = json!({"annotations": {COUNT: count}});
    job
}

#[test]
fn as_shipped_it_observes_enforces_is_switched_off_and_leaves_only_its_counts() {
    let bed = Bed::of(Group::Deployed);
    bring(&bed.node);
    bed.run("deployed", |cluster| {
        let node = &bed.node;
        let installed = Installed(node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("base");
            let own = ready(&home, None).await;
            assert!(own["spec"]["hostNetwork"].is_null() && own["spec"]["hostPID"].is_null());

            // Its first ten minutes it would only watch; a change of the ConfigMap is taken up as it runs.
            installed.configure("mode: observe\nwarmUp: 0s\n");
            until_status(&cluster, &installed, "the warm-up to be over", |status| {
                status["warmUpLeft"] == 0
            })
            .await;
            let image = format!("{REGISTRY}/deployed/missing:1");
            cluster.create(bad("stuck", &image, "3")).await;
            let stuck = only_pod(&cluster, "stuck").await;
            let announced = || async {
                let events = cluster.events(name(&stuck)).await;
                events
                    .iter()
                    .any(|event| event["reason"] == "ImagePullWouldFail")
                    .then_some(())
            };
            cluster
                .until("what it would do to be announced", announced)
                .await;
            assert_untouched(&cluster.pod(name(&stuck)).await.unwrap());
            // A configuration with a fault changes nothing.
            installed.configure("mode: enforce\nwarmUp: soon\n");
            until_status(&cluster, &installed, "the fault to be told", |status| {
                status["configurationRefused"]
                    .as_str()
                    .is_some_and(|told| told.contains("warmUp"))
            })
            .await;
            assert_eq!(installed.status().unwrap()["mode"], "observe");

            // The counts are kept: the next failure is the Pod's last.
            installed.apply("overlays/enforce");
            until_status(&cluster, &installed, "it to enforce", |status| {
                status["mode"] == "enforce"
            })
            .await;
            assert_failed_by_us(
                &cluster.until_failed(name(&stuck)).await,
                "ImageNotFound",
                &image,
            );
            let failed = || async {
                cluster
                    .job("stuck")
                    .await
                    .filter(|job| job["status"]["failed"] == 1)
            };
            cluster.until("the Job to have failed", failed).await;
            assert_eq!(installed.status().unwrap()["guardTried"], "yes");

            // An agent that starts in this mode makes sure that it is held before anything else.
            home.delete_pod(name(&own)).await;
            ready(&home, Some(name(&own))).await;
            until_status(&cluster, &installed, "the new one to be held", |status| {
                status["guardTried"] == "yes"
            })
            .await;

            installed.switch("off");
            let another = format!("{REGISTRY}/deployed/another:1");
            cluster.create(bad("held", &another, "1")).await;
            let held = only_pod(&cluster, "held").await;
            let told = || async {
                installed
                    .log()
                    .contains("writes are switched off")
                    .then_some(())
            };
            cluster.until("the denial to be told", told).await;
            let now = cluster.pod(name(&held)).await.unwrap();
            assert!(
                phase(&now) == "Pending" && condition(&now).is_none(),
                "{now}"
            );
            installed.switch("on");
            assert_failed_by_us(
                &cluster.until_failed(name(&held)).await,
                "ImageNotFound",
                &another,
            );

            // From the Pod network, at the Service address, which only its own token knows.
            let addresses = installed.addresses();
            assert!(
                !addresses.is_empty() && addresses.iter().all(|ip| ip.starts_with("10.88.")),
                "{addresses:?}"
            );

            installed.kubectl(&["delete", "-k", &folder("overlays/enforce"), "--wait=false"]);
            let gone = || async { home.pods().await.is_empty().then_some(()) };
            cluster.until("the agent to be gone", gone).await;
            let of_host = |path: &str| node.dir().join("private").join(path).exists();
            assert!(of_host("lib/pullwarden/state.json") && of_host("log/pullwarden/pulls.jsonl"));
        }
    });
}

/// Waits until the agent's Pod is ready, one of another name than `before`.
async fn ready(home: &Cluster, before: Option<&str>) -> Value {
    let is_ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let found = || async {
        let pods = home.pods().await;
        pods.into_iter()
            .find(|pod| is_ready(pod) && Some(name(pod)) != before)
    };
    home.until("the agent's Pod to be ready", found).await
}

async fn until_status(
    cluster: &Cluster,
    installed: &Installed<'_>,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) {
    let so = || async {
        installed
            .status()
            .filter(|status| is_so(status))
            .map(|_| ())
    };
    cluster.until(what, so).await;
}

/// The Pod of a Job, once it is there.
async fn only_pod(cluster: &Cluster, job: &str) -> Value {
    let found = || async { cluster.pods_of(job).await.pop() };
    cluster.until("the Job's Pod", found).await
}

//! The installed agent in bad times: killed, out of memory, wrongly configured, its surroundings restarted, the node without power.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testbed::Component;

use super::installed::{Installed, agents_container, bring, ready, until_status};
use super::{bad, only_pod};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, assert_untouched, name};
use crate::shapes::REGISTRY;

/// Failures that were counted for the Pod of this name.
fn failures(status: &Value, pod: &str) -> u64 {
    let pods = status["pods"].as_array().unwrap();
    let of = pods.iter().find(|entry| entry["pod"] == pod);
    of.and_then(|entry| entry["failures"].as_u64()).unwrap_or(0)
}

/// Waits until the agent's container has ended, and gives how.
async fn ended(home: &Cluster, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let so = || async {
        let pods = home.pods().await;
        let how = pods.iter().flat_map(|pod| {
            let container = agents_container(pod);
            ["lastState", "state"].map(|state| container[state]["terminated"].clone())
        });
        how.into_iter().find(|how| is_so(how))
    };
    home.until(what, so).await
}

/// Waits until the readiness probe has failed, by the kubelet's Event, and the agent's log says why; gives the agent's Pod.
async fn until_unready(home: &Cluster, installed: &Installed<'_>, why: &str) -> Value {
    let arguments = [
        "-n",
        "pullwarden",
        "get",
        "events",
        "--field-selector=reason=Unhealthy",
        "-ojsonpath={.items[*].message}",
    ];
    // The kubelet passes on no more than the code of what the probe was answered.
    let is_told = || installed.kubectl(&arguments).contains("statuscode: 503");
    let told = || async { (is_told() && installed.log().contains(why)).then_some(()) };
    home.until("the agent to say why it is not ready", told)
        .await;
    let pods = home.pods().await;
    pods.into_iter().next().expect("the agent's Pod")
}

/// Changes the DaemonSet, as an administrator would.
fn patch(installed: &Installed<'_>, container: &Value) {
    let spec = json!({"containers": [container]});
    let patch = json!({"spec": {"template": {"spec": spec}}}).to_string();
    installed.kubectl(&[
        "-n",
        "pullwarden",
        "patch",
        "daemonset",
        "pullwarden",
        "-p",
        &patch,
    ]);
}

#[test]
fn it_says_what_is_wrong_and_comes_back_with_its_counts() {
    let bed = Bed::of(Group::Hardship);
    bring(&bed.node);
    bed.run("hardship", |cluster| {
        let bed = &bed;
        async move {
            let (node, installed) = (&bed.node, Installed(&bed.node));
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("overlays/enforce");
            installed.configure("mode: enforce\nwarmUp: 0s\n");
            let own = ready(&home, None).await;
            // Far more failures than this test takes.
            cluster
                .create(bad("stuck", &format!("{REGISTRY}/hardship/missing:1"), "1000"))
                .await;
            let stuck = name(&only_pod(&cluster, "stuck").await).to_owned();
            let counted = async |at_least: u64| {
                let is_so = |status: &Value| failures(status, &stuck) >= at_least;
                until_status(&cluster, &installed, "the failures to be counted", is_so).await;
                failures(&installed.status().unwrap(), &stuck)
            };
            let mut so_far = counted(2).await;

            // Killed: its container is started again, and goes on from what was kept.
            let pid = installed.process().expect("the agent runs");
            let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
            let how = ended(&home, "it to have been killed", |how| how["exitCode"] == 137).await;
            eprintln!("killed: {how}");
            so_far = counted(so_far).await;

            // What it stands on is restarted; the Pod stays.
            for component in [
                Component::Runtime,
                Component::Kubelet,
                Component::Apiserver,
            ] {
                node.restart_component(component).unwrap();
                until_status(&cluster, &installed, "the runtime to answer", |status| {
                    status["runtime"] == true
                })
                .await;
                assert_eq!(name(&ready(&home, None).await), name(&own));
                so_far = counted(so_far).await;
            }

            // The power goes: what is on disk is all that is left.
            node.power_off().unwrap();
            assert!(installed.process().is_none());
            node.power_on().unwrap();
            until_status(&cluster, &installed, "the agent to be back", |status| {
                status["runtime"] == true
            })
            .await;
            assert_eq!(name(&ready(&home, None).await), name(&own));
            so_far = counted(so_far + 1).await;
            assert_untouched(&cluster.pod(&stuck).await.unwrap());

            // A socket that is not there: alive, not ready, and the probe says why. Nothing is started again and again.
            let wrong = json!({"name": "agent", "env": [{"name": "PULLWARDEN_CRI_SOCKET", "value": "/run/containerd/nowhere.sock"}]});
            patch(&installed, &wrong);
            let why = "the container runtime does not answer socket=/run/containerd/nowhere.sock";
            let pod = until_unready(&home, &installed, why).await;
            assert_eq!(agents_container(&pod)["restartCount"], 0, "{pod}");
            let right = json!({"name": "agent", "env": [{"name": "PULLWARDEN_CRI_SOCKET", "$patch": "delete"}]});
            patch(&installed, &right);
            so_far = counted(so_far).await;

            // A configuration with faults at the start: all of them are in the termination message.
            installed.configure("mode: enforced\nwarmUp: soon\n");
            let own = ready(&home, None).await;
            home.delete_pod(name(&own)).await;
            let how = ended(&home, "it to refuse to start", |how| how["exitCode"] == 64).await;
            let message = how["message"].as_str().unwrap_or_default();
            assert!(message.contains("mode") && message.contains("warmUp"), "{how}");
            installed.configure("mode: enforce\nwarmUp: 0s\n");
            so_far = counted(so_far).await;

            // Not enough memory to start with: Kubernetes itself says so.
            let little = json!({"name": "agent", "resources": {"limits": {"memory": "2Mi"}, "requests": {"memory": "1Mi"}}});
            patch(&installed, &little);
            let is_so = |how: &Value| {
                how["reason"] == "OOMKilled" || how["message"].to_string().contains("memory limit")
            };
            let how = ended(&home, "it to be out of memory", is_so).await;
            eprintln!("out of memory: {how}");
            installed.apply("overlays/enforce");
            installed.configure("mode: enforce\nwarmUp: 0s\n");
            counted(so_far).await;

            // And it still does what it is for.
            let image = format!("{REGISTRY}/hardship/another:1");
            cluster.create(bad("next", &image, "2")).await;
            let next = only_pod(&cluster, "next").await;
            assert_failed_by_us(
                &cluster.until_failed(name(&next)).await,
                "ImageNotFound",
                &image,
            );
            let damaged = node.dir().join("private/lib/pullwarden/state.json.damaged");
            assert!(!fs::exists(damaged).unwrap(), "no state was lost on the way");
        }
    });
}

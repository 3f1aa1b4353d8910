//! The usual design: an agent that watches all Pods of the cluster through kube-rs and keeps them in memory.
//!
//! Written as kube's own examples write it: a watcher with a reflector, whole `k8s_openapi` Pods in its store, kube's back-off, and a count of
//! failures for each container that waits with a pull's reason. It fails nobody; what that would cost is not what is compared. One
//! thread and no server of metrics, which is less than such agents have.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client, Config, ResourceExt as _};

/// Failures by Pod UID and container, with the reason that was shown last.
type Counts = BTreeMap<String, BTreeMap<String, (String, u32)>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1);
    let path = PathBuf::from(path.context("the argument is the path of a kubeconfig")?);
    let kubeconfig = Kubeconfig::read_from(&path)
        .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let pods: Api<Pod> = Api::all(Client::try_from(config)?);

    let (store, writer) = reflector::store();
    let events = watcher(pods, watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    let mut events = pin!(events);
    let mut counts = Counts::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(pod) | Event::Apply(pod)) => count(&mut counts, &pod),
            Ok(Event::InitDone) => {
                writeln!(std::io::stdout(), "{}", store.len()).context("telling the count")?;
            }
            Ok(Event::Delete(pod)) => _ = counts.remove(&pod.uid().unwrap_or_default()),
            Ok(Event::Init) => {}
            // kube tries again by itself.
            Err(error) => writeln!(std::io::stderr(), "usual: {error}").context("telling")?,
        }
    }
    Ok(())
}

/// Counts a container that has begun to show a failed pull.
fn count(counts: &mut Counts, pod: &Pod) {
    let Some(status) = &pod.status else { return };
    let uid = pod.uid().unwrap_or_default();
    if status.phase.as_deref() != Some("Pending") {
        counts.remove(&uid);
        return;
    }
    let containers = status.init_container_statuses.iter().flatten();
    for container in containers.chain(status.container_statuses.iter().flatten()) {
        let state = container.state.as_ref();
        let waiting = state.and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
        let reason = reason.unwrap_or_default();
        let of_pod = counts.entry(uid.clone()).or_default();
        let (last, failures) = of_pod.entry(container.name.clone()).or_default();
        if reason == "ErrImagePull" && last != reason {
            *failures += 1;
        }
        reason.clone_into(last);
    }
}

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _, future};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client, Config};

use super::{Pod, Sighting};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for the API server, with in-cluster credentials where no kubeconfig is given. Connects on first use.
///
/// # Errors
/// If the credentials cannot be read.
pub async fn open(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("using the kubeconfig {}", path.display()))?
        }
        None => Config::incluster().context("using the Pod's service account")?,
    };
    config.connect_timeout = Some(CONNECT);
    // A write is tried again only after a new look at the Pod, see `report`.
    config.default_retry = false;
    Client::try_from(config).context("making a client for the API server")
}

/// Watches the Pending Pods of `node`: one LIST from the API server's cache, then one WATCH, both served from an index.
/// To be dropped at the first [`Sighting::Lost`]: the stream would go on by itself, but not say when it has what it missed.
pub fn watch(client: Client, node: &str) -> impl Stream<Item = Sighting> + Send + use<> {
    let api: Api<Pod> = Api::all(client);
    // `any_semantic` is `resourceVersion=0`: without it the list costs the API server three orders of magnitude more.
    let mut config = watcher::Config::default()
        .fields(&format!("spec.nodeName={node},status.phase=Pending"))
        .any_semantic();
    // With a page size kube leaves `resourceVersion=0` out again.
    config.page_size = None;
    let mut listed = BTreeSet::new();
    watcher(api, config).filter_map(move |event| {
        future::ready(match event {
            Ok(watcher::Event::Init) => {
                listed.clear();
                None
            }
            Ok(watcher::Event::InitApply(pod)) => {
                let view = pod.view();
                listed.insert(view.uid.clone());
                Some(Sighting::Seen(Box::new(view)))
            }
            Ok(watcher::Event::InitDone) => Some(Sighting::Complete(std::mem::take(&mut listed))),
            Ok(watcher::Event::Apply(pod)) => Some(Sighting::Seen(Box::new(pod.view()))),
            Ok(watcher::Event::Delete(pod)) => Some(Sighting::Left(pod.view().uid)),
            Err(error) => Some(Sighting::Lost(chain(&error))),
        })
    })
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = cause.source();
    }
    out
}

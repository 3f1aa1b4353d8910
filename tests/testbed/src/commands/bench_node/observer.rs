//! Someone who listens to the kubelet's own Pod service beside the agent, and notes when it reported what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use testbed::unix_micros;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use pods::WatchPodsRequest;
use pods::pods_client::PodsClient;
use wire::Pod;

#[allow(dead_code, clippy::all, reason = "generated, the server's half too")]
mod pods {
    tonic::include_proto!("v1alpha1");
}
#[allow(dead_code, clippy::all, reason = "generated")]
mod wire {
    tonic::include_proto!("core.v1");
}

/// What the kubelet reported of a Pod. Times are in microseconds since 1970.
#[derive(Debug, Default, Clone)]
pub struct Reported {
    /// When it reported a failed pull: the reason `ErrImagePull` is new, or has another message.
    pub failures: Vec<i64>,
    /// Whether it reported phase Failed.
    pub failed: bool,
    /// The message of the last one, while that is shown.
    shown: Option<String>,
}

#[derive(Debug, Default)]
struct Heard {
    pods: BTreeMap<String, Reported>,
    /// Why nothing more is heard.
    lost: Option<String>,
}

/// The listener. It goes on as long as the kubelet's stream does.
#[derive(Debug)]
pub struct Observer {
    heard: Arc<Mutex<Heard>>,
}

impl Observer {
    /// Begins to listen.
    pub fn start(socket: &Path) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let (socket, noted) = (socket.to_owned(), Arc::clone(&heard));
        std::thread::spawn(move || {
            let ended = listen(&socket, &noted).map_or_else(
                |error| format!("{error:#}"),
                |()| "the kubelet has ended the stream".to_owned(),
            );
            lock(&noted).lost = Some(ended);
        });
        Self { heard }
    }

    /// What was reported of each Pod so far, by name.
    ///
    /// # Errors
    /// If something may have been missed.
    pub fn reported(&self) -> Result<BTreeMap<String, Reported>> {
        let heard = lock(&self.heard);
        if let Some(lost) = &heard.lost {
            bail!("listening to the kubelet: {lost}");
        }
        Ok(heard.pods.clone())
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(socket: &Path, heard: &Mutex<Heard>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime")?;
    runtime.block_on(async {
        let socket = socket.to_owned();
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(
            tower::service_fn(move |_| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }),
        );
        let mut client = PodsClient::new(channel);
        let watch = client.watch_pods(WatchPodsRequest {}).await;
        let mut stream = watch.context("watching")?.into_inner();
        while let Some(event) = stream.message().await.context("watching")? {
            let at = unix_micros();
            let pod = Pod::decode(event.pod.as_slice()).context("decoding a Pod")?;
            note(&mut lock(heard).pods, &pod, at);
        }
        Ok(())
    })
}

/// Counts as the agent does: an attempt has failed when the reason is entered, or told again in other words.
fn note(pods: &mut BTreeMap<String, Reported>, pod: &Pod, at: i64) {
    let (Some(metadata), Some(status)) = (&pod.metadata, &pod.status) else {
        return;
    };
    let waiting = status
        .container_statuses
        .iter()
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find(|waiting| waiting.reason == "ErrImagePull");
    let of_pod = pods.entry(metadata.name.clone()).or_default();
    let shown = waiting.map(|waiting| waiting.message.clone());
    if shown.is_some() && shown != of_pod.shown {
        of_pod.failures.push(at);
    }
    of_pod.shown = shown;
    of_pod.failed |= status.phase == "Failed";
}

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::{Stream, StreamExt as _, future};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;
use tower::{BoxError, ServiceBuilder};

use super::{Pod, Sighting};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// The way to the API server: a client that is made when it is first needed, and shared by clones. Dropping all of them closes its
/// connections.
#[derive(Clone)]
pub struct ApiServer {
    kubeconfig: Option<PathBuf>,
    client: Arc<OnceCell<Client>>,
}

impl ApiServer {
    /// With in-cluster credentials where no kubeconfig is given. Nothing is read or opened yet.
    pub fn new(kubeconfig: Option<PathBuf>) -> Self {
        Self {
            kubeconfig,
            client: Arc::default(),
        }
    }

    /// The client. Connects on first use.
    ///
    /// # Errors
    /// If the credentials cannot be read; that is tried again with the next call.
    pub async fn client(&self) -> Result<&Client, String> {
        let made = self
            .client
            .get_or_try_init(|| open(self.kubeconfig.as_deref()));
        made.await.map_err(|error| format!("{error:#}"))
    }

    /// Lets go of the client. Its connections end when nobody uses it any more.
    pub fn let_go(&mut self) {
        if self.client.initialized() {
            self.client = Arc::default();
        }
    }
}

async fn open(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("using the kubeconfig {}", path.display()))?
        }
        None => Config::incluster().context("using the Pod's service account")?,
    };
    connect(&config).context("making a client for the API server")
}

/// The client that kube makes of a configuration, but for two things. It sends what it has at once: kube's waits, on each new connection, some
/// 40 ms for the API server to acknowledge the end of the handshake. And it tries nothing again: a write is made again only after a new look
/// at the Pod, see `report`.
fn connect(config: &Config) -> anyhow::Result<Client> {
    ensure!(
        config.proxy_url.is_none(),
        "the way to the API server is direct: a proxy-url is not supported"
    );
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let mut connector = TimeoutConnector::new(tls);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_write_timeout(config.write_timeout);
    let connections = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(connections.build(connector));
    Ok(ClientBuilder::new(service, &config.default_namespace).build())
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
                let mut view = pod.view();
                view.first = true;
                listed.insert(view.uid.clone());
                Some(Sighting::Seen(Box::new(view)))
            }
            Ok(watcher::Event::InitDone) => Some(Sighting::Complete(std::mem::take(&mut listed))),
            Ok(watcher::Event::Apply(pod)) => Some(Sighting::Seen(Box::new(pod.view()))),
            Ok(watcher::Event::Delete(pod)) => Some(Sighting::Left(pod.view().uid, None)),
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

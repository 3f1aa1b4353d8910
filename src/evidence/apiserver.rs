//! The client for the API server, made when somebody needs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;
use tower::{BoxError, ServiceBuilder};

use crate::api::chain;

/// Time that a connection may take to come about.
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
        made.await.map_err(|error| chain(error.as_ref()))
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

/// Returns a client with a person's credentials: from the kubeconfig that is given, or else as
/// kubectl finds them, or else those of the Pod.
///
/// # Errors
/// If there are no credentials, or they cannot be used.
pub async fn client_of_person(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> anyhow::Result<Client> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .with_context(|| format!("using the kubeconfig {}", path.display()))?
        }
        None => {
            let found = Config::from_kubeconfig(&options).await;
            // A context that is asked for is in a kubeconfig, or nowhere.
            let own = || Config::incluster().ok().filter(|_| context.is_none());
            found
                .or_else(|error| own().ok_or(error))
                .context("using the kubeconfig of $KUBECONFIG or ~/.kube/config; there is no Pod's service account either")?
        }
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

//! HTTPS for the fault registry, with certificates that clients have reason to refuse.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Answers handshakes with the certificate in `stem`.crt, whose key is in `stem`.key.
pub fn acceptor(stem: &Path) -> Result<TlsAcceptor> {
    let path = stem.with_extension("crt");
    let certificate = CertificateDer::from_pem_file(&path)
        .with_context(|| format!("reading {}", path.display()))?;
    let path = stem.with_extension("key");
    let key = PrivateKeyDer::from_pem_file(&path)
        .with_context(|| format!("reading {}", path.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .with_context(|| format!("using {}", path.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

//! The fault registry's server: where it listens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsAcceptor;

use super::line::Line;
use super::proxy::Proxy;
use super::{deaf, names, tls};

/// Where the server listens, and for what.
#[derive(Debug, Clone)]
pub struct Doors {
    /// For HTTP.
    pub plain: Vec<SocketAddr>,
    /// For HTTPS, each with its certificate: a path without `.crt` and `.key`.
    pub tls: Vec<(SocketAddr, PathBuf)>,
    /// For connections that are neither taken nor refused.
    pub deaf: Option<SocketAddr>,
    /// For questions to a name server that knows no name.
    pub names: Option<SocketAddr>,
}

/// Serves for ever, in front of the registry at `upstream`.
pub async fn serve(doors: &Doors, upstream: SocketAddr) -> Result<()> {
    let proxy = Rc::new(Proxy::new(upstream));
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let mut servers = JoinSet::new();
            if let Some(address) = doors.names {
                let socket = UdpSocket::bind(address).await;
                let socket = socket.with_context(|| format!("listening on {address}"))?;
                servers.spawn_local(names::serve(socket));
            }
            if let Some(address) = doors.deaf {
                servers.spawn_local(deaf::Deaf::at(address).await?.stay());
            }
            for (address, stem) in &doors.tls {
                let acceptor = tls::acceptor(stem)?;
                let proxy = Rc::clone(&proxy);
                servers.spawn_local(accept(listen(*address).await?, Some(acceptor), proxy));
            }
            for address in &doors.plain {
                let proxy = Rc::clone(&proxy);
                servers.spawn_local(accept(listen(*address).await?, None, proxy));
            }
            // None of them ends but by an error.
            match servers.join_next().await {
                Some(ended) => ended.context("waiting for the servers")?,
                None => Ok(()),
            }
        })
        .await
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("listening on {address}"))
}

/// Serves what comes to one door.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, proxy: Rc<Proxy>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        let line = Line::of(&stream).context("keeping a connection")?;
        let proxy = Rc::clone(&proxy);
        let tls = tls.clone();
        tokio::task::spawn_local(async move {
            match tls {
                None => talk(&proxy, &line, stream).await,
                // Clients are expected to refuse the certificate: that is their affair.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(&proxy, &line, stream).await;
                    }
                }
            }
        });
    }
}

async fn talk(proxy: &Proxy, line: &Line, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| proxy.answer(line, request));
    // A client that goes away in the middle is what faults make clients do.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};

    use super::super::rule::{Fault, Rule};
    use super::*;
    use crate::registry;

    /// The fault registry in front of nothing, on a port of its own.
    fn start() -> SocketAddr {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
            LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::from_std(listener).unwrap();
                accept(listener, None, Rc::new(Proxy::new(nowhere))).await
            })
        });
        address
    }

    fn ask(address: SocketAddr, path: &str, headers: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: faults\r\nConnection: close\r\n{headers}\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.to_ascii_lowercase())
    }

    fn set(address: SocketAddr, fault: Fault) {
        registry::set_fault(&address.to_string(), Some("app"), &Rule::from(fault)).unwrap();
    }

    const TAG: &str = "/v2/app/manifests/1";

    #[test]
    fn faults_answer_as_they_are_named() {
        let address = start();
        let check = |fault: Fault, parts: &[&str]| {
            set(address, fault);
            let answer = ask(address, TAG, "").unwrap();
            for part in parts {
                assert!(answer.contains(part), "{fault:?}, {part}: {answer}");
            }
        };
        check(Fault::Missing, &["http/1.1 404", "manifest_unknown"]);
        check(Fault::Denied, &["http/1.1 401", "basic realm="]);
        check(Fault::TooMany, &["http/1.1 429"]);
        check(Fault::RetryAfter { seconds: 7 }, &["retry-after: 7"]);
        check(Fault::Status { status: 504 }, &["http/1.1 504"]);
        check(Fault::Html, &["http/1.1 200", "text/html"]);
        check(
            Fault::Garbage,
            &["manifest.v1+json", "docker-content-digest"],
        );
        check(Fault::OtherPlatform, &["index.v1+json", "s390x"]);
        set(address, Fault::DeniedByUser);
        let user = "Authorization: Basic dXNlci0xOnB3\r\n";
        assert!(ask(address, TAG, user).unwrap().contains("http/1.1 403"));
        set(address, Fault::Unchallenged);
        let answer = ask(address, TAG, "").unwrap();
        assert!(answer.contains("http/1.1 401") && !answer.contains("www-authenticate"));
    }

    #[test]
    fn token_servers_refuse_or_give_what_does_not_help() {
        let address = start();
        set(address, Fault::Token { status: 403 });
        let challenge = ask(address, TAG, "").unwrap();
        assert!(challenge.contains("bearer realm=\"http://faults/token/app\""));
        let refused = ask(address, "/token/app", "").unwrap();
        assert!(refused.contains("http/1.1 403"));
        set(address, Fault::InsufficientScope);
        assert!(
            ask(address, "/token/app", "")
                .unwrap()
                .contains("\"token\"")
        );
        let first = ask(address, TAG, "").unwrap();
        assert!(!first.contains("insufficient_scope"));
        let second = ask(address, TAG, "Authorization: Bearer faults\r\n").unwrap();
        assert!(second.contains("insufficient_scope"));
    }

    #[test]
    fn connection_is_reset_and_heals() {
        let address = start();
        set(address, Fault::Reset);
        let error = ask(address, TAG, "").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        registry::set_fault(&address.to_string(), None, &Fault::Forbidden.into()).unwrap();
        registry::heal(&address.to_string(), Some("app")).unwrap();
        assert!(ask(address, TAG, "").unwrap().contains("http/1.1 403"));
        registry::heal(&address.to_string(), None).unwrap();
        // There is nothing behind it.
        assert!(ask(address, TAG, "").unwrap().contains("http/1.1 502"));
    }

    #[test]
    fn a_status_of_success_is_no_fault() {
        let address = start().to_string();
        let rule = Fault::Status { status: 200 }.into();
        assert!(registry::set_fault(&address, Some("app"), &rule).is_err());
    }
}

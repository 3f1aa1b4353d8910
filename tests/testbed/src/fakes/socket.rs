//! A unix socket that answers gRPC, goes away and comes back.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tonic::body::Body;

/// The socket. It goes away when it is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    tasks: Mutex<JoinSet<()>>,
}

impl Socket {
    /// One that is not there yet.
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            tasks: Mutex::default(),
        }
    }

    /// Listens, again if need be, and gives each request to `answer`.
    pub(super) fn up<F, A>(&self, answer: F)
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
        A: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        self.tasks.lock().unwrap().spawn(async move {
            // Dropped with this task, connections end with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(answer.clone());
                let server = http2::Builder::new(TokioExecutor::new());
                connections.spawn(async move {
                    // One that breaks is one of the things that are tried.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    }

    /// Goes away, and its connections with it.
    pub(super) async fn down(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.shutdown().await;
        let _ = std::fs::remove_file(&self.path);
    }
}

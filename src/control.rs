//! The control socket: where `pullwarden status` asks the agent. Whoever connects is given the status as one JSON object.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::agent::{Question, Status};

/// How long one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Binds the control socket, for root only. A socket that an earlier run left is replaced; one that is in use is not.
///
/// # Errors
/// If it cannot be bound, or another agent answers on it.
pub async fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let attempt = async {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::other("another agent answers on it"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        Ok(listener)
    };
    attempt
        .await
        .with_context(|| format!("listening on the control socket {}", path.display()))
}

/// Answers for ever, one at a time.
pub async fn serve(listener: UnixListener, agent: mpsc::Sender<Question>) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Whoever does not read its answer has itself to blame.
        let _ = tokio::time::timeout(PATIENCE, answer(stream, &agent)).await;
    }
}

async fn answer(mut stream: UnixStream, agent: &mpsc::Sender<Question>) -> anyhow::Result<()> {
    let (sender, receiver) = oneshot::channel();
    agent.send(sender).await.context("asking the agent")?;
    let status = serde_json::to_vec(&receiver.await.context("the agent's answer")?)?;
    stream.write_all(&status).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Asks the agent behind the socket at `path`.
///
/// # Errors
/// If there is no agent, or it does not answer.
pub async fn ask(path: &Path) -> anyhow::Result<Status> {
    let attempt = async {
        let mut stream = UnixStream::connect(path).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        anyhow::Ok(serde_json::from_slice(&text)?)
    };
    let answer = tokio::time::timeout(PATIENCE, attempt).await;
    let answer = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PATIENCE:?}")));
    answer.with_context(|| format!("asking the agent at {} (is it running?)", path.display()))
}

//! Control socket, where `pullwarden status` and `explain` ask the agent.
//!
//! A question is one JSON object, and so is its answer.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::agent::Question;
use crate::deadline::within;
use crate::permissions;
use crate::view::Ask;

/// Time that one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of the longest question: a namespace and a Pod's name take some 320.
const LONGEST: u64 = 4096;

/// Binds the control socket, for root only. A socket that an earlier run left is replaced, unless
/// it is in use.
///
/// # Errors
/// If it cannot be bound, or another agent answers on it.
pub async fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let attempt = async {
        if let Some(dir) = path.parent() {
            permissions::make_folder(dir)?;
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

/// Answers one question after the other, for ever.
pub async fn serve(listener: UnixListener, agent: mpsc::Sender<Question>) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // There may be no file descriptor left: such an error comes again at once.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // A client that does not read its answer is not waited for.
        let _ = within(PATIENCE, answer(stream, &agent)).await;
    }
}

async fn answer(mut stream: UnixStream, agent: &mpsc::Sender<Question>) -> anyhow::Result<()> {
    let mut question = Vec::new();
    (&mut stream)
        .take(LONGEST)
        .read_to_end(&mut question)
        .await?;
    let ask = serde_json::from_slice(&question).context("reading the question")?;
    let (answer, receiver) = oneshot::channel();
    let question = Question { ask, answer };
    agent.send(question).await.context("asking the agent")?;
    let answer = receiver.await.context("the agent's answer")?;
    let text = serde_json::to_vec(&answer)?;
    stream.write_all(&text).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Asks the agent behind the socket at `path`. The answer's type belongs to the question.
///
/// # Errors
/// If there is no agent, or it does not answer.
pub async fn ask<T: DeserializeOwned>(path: &Path, question: &Ask) -> anyhow::Result<T> {
    let attempt = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(&serde_json::to_vec(question)?).await?;
        stream.shutdown().await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        anyhow::Ok(serde_json::from_slice(&text)?)
    };
    let answer = within(PATIENCE, attempt).await;
    let answer = answer.unwrap_or_else(|late| Err(anyhow::anyhow!("{late}")));
    answer.with_context(|| format!("asking the agent at {} (is it running?)", path.display()))
}

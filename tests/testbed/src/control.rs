//! The protocol of the control socket: one JSON line asks, one answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::component::Component;

/// What a node's first process is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", content = "component")]
pub enum Request {
    /// Start, and wait until it is ready.
    Start(Component),
    /// SIGTERM, and wait until it has ended.
    Stop(Component),
    /// SIGKILL, and wait until it is gone.
    Kill(Component),
    /// The machine loses its power: nothing runs any more, and what a machine forgets is forgotten.
    PowerOff,
    /// Which components run?
    Status,
    /// End the node.
    Shutdown,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Why it was not done.
    pub error: Option<String>,
    /// What runs now.
    pub running: Vec<Component>,
}

/// What the first process tells its starter on standard output, a JSON line each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// A step of the start is done; it took so many seconds.
    Step(String, f64),
    /// The node is ready.
    Ready,
    /// The node cannot be started, because.
    Failed(String),
}

/// Asks the node whose control socket this is.
pub fn ask(socket: &Path, request: Request) -> Result<Vec<Component>> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("connecting to {}", socket.display()))?;
    send(&mut stream, &request)?;
    let reply: Reply = receive(stream)?;
    match reply.error {
        Some(error) => bail!(error),
        None => Ok(reply.running),
    }
}

/// Writes a value as one line.
pub fn send(stream: &mut UnixStream, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value).context("encoding for the control socket")?;
    line.push(b'\n');
    stream
        .write_all(&line)
        .context("writing to the control socket")
}

/// Reads one line as a value.
pub fn receive<T: for<'de> Deserialize<'de>>(stream: UnixStream) -> Result<T> {
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .context("reading from the control socket")?;
    serde_json::from_str(&line).context("decoding what the control socket said")
}

//! Where the demo hears what happens: the API server, through `kubectl get --watch`, and the
//! agent's own log.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testbed::Node;

/// One piece of news.
#[derive(Debug)]
pub enum News {
    /// A Pod as it is now.
    Pod(Value),
    /// A Job as it is now.
    Job(Value),
    /// A watch has ended; there will be no more of it.
    Lost(&'static str),
}

/// `kubectl get --watch` of one kind; ends with the value.
#[derive(Debug)]
pub struct Watch {
    kubectl: Child,
}

impl Watch {
    /// Tells every change of every object of a kind.
    pub fn start(node: &Node, kind: &'static str, news: Sender<News>) -> Result<Self> {
        let mut kubectl = node
            .kubectl()
            .args(["get", kind, "--watch", "--output=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("running kubectl")?;
        let stdout = kubectl.stdout.take().context("kubectl has no output")?;
        std::thread::spawn(move || {
            let objects = serde_json::Deserializer::from_reader(BufReader::new(stdout));
            for object in objects.into_iter::<Value>().map_while(Result::ok) {
                let piece = match object["kind"].as_str() {
                    Some("Pod") => News::Pod(object),
                    Some("Job") => News::Job(object),
                    _ => continue,
                };
                if news.send(piece).is_err() {
                    return;
                }
            }
            // Nobody listens any more once the demo is over.
            let _ = news.send(News::Lost(kind));
        });
        Ok(Self { kubectl })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended with the API server.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// Reads a log of JSON lines as it grows.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line that is not complete yet.
    line: Vec<u8>,
}

impl Tail {
    /// From the beginning of a file that need not be there yet.
    pub fn of(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            line: Vec::new(),
        }
    }

    /// The lines that have been added.
    pub fn take(&mut self) -> Result<Vec<Value>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(BufReader::new(file)),
                Err(_) => return Ok(Vec::new()),
            },
        };
        let mut lines = Vec::new();
        loop {
            file.read_until(b'\n', &mut self.line)
                .with_context(|| format!("reading {}", self.path.display()))?;
            if self.line.last() != Some(&b'\n') {
                return Ok(lines);
            }
            let line = serde_json::from_slice(&self.line);
            lines.push(line.with_context(|| format!("decoding {}", self.path.display()))?);
            self.line.clear();
        }
    }
}

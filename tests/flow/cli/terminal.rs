//! What differs before a terminal: colours, and that the screen is cleared between two looks.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use pullwarden::control;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::task::JoinHandle;

use crate::support::node::{Agent, Node};

const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// An agent that answers on a control socket.
pub struct Answering {
    pub node: Node,
    _agent: Agent,
    pub socket: PathBuf,
    served: JoinHandle<()>,
}

impl Answering {
    pub async fn start() -> Self {
        let node = Node::observing().await;
        let agent = node.agent();
        let socket = node.path().join("control.sock");
        let listener = control::bind(&socket).await.unwrap();
        let ask = agent.ask.clone();
        let served = tokio::spawn(async move { match control::serve(listener, ask).await {} });
        Self {
            node,
            _agent: agent,
            socket,
            served,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
        command.env_clear().arg("status").args(arguments);
        command.arg("--control-socket").arg(&self.socket);
        command
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// A command that ends with the value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command before a terminal of its own: where what it prints can be read.
fn before_a_terminal(mut command: Command) -> (Running, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let child = command.stdin(Stdio::null()).stdout(theirs).spawn().unwrap();
    (Running(child), ours.into())
}

/// Reads until `count` pieces of what is printed were `part`, or to its end.
pub async fn read(
    mut from: impl std::io::Read + Send + 'static,
    part: &'static str,
    count: usize,
) -> String {
    let all = tokio::task::spawn_blocking(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while String::from_utf8_lossy(&all).matches(part).count() < count {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => all.extend_from_slice(&buffer[..length]),
                // A terminal's other side was closed.
                Err(error) if error.raw_os_error() == Some(5) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
        all
    });
    String::from_utf8(all.await.unwrap()).unwrap()
}

const WHOLE: usize = usize::MAX;

#[tokio::test]
async fn colours_are_for_terminals_and_for_who_wants_them() {
    let answering = Answering::start().await;
    let (_running, screen) = before_a_terminal(answering.command(&[]));
    let text = read(screen, CLEAR, WHOLE).await;
    assert!(
        text.contains("\u{1b}[1mnode node1, mode observe"),
        "{text:?}"
    );
    assert!(!text.contains(CLEAR), "{text:?}");
    for (value, coloured) in [("1", false), ("", true)] {
        let mut command = answering.command(&[]);
        command.env("NO_COLOR", value);
        let (_running, screen) = before_a_terminal(command);
        let text = read(screen, CLEAR, WHOLE).await;
        assert!(text.contains("node node1, mode observe"), "{text:?}");
        assert_eq!(
            text.contains('\u{1b}'),
            coloured,
            "NO_COLOR={value:?}: {text:?}"
        );
    }
    let mut piped = answering
        .command(&[])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = read(piped.stdout.take().unwrap(), CLEAR, WHOLE).await;
    piped.wait().unwrap();
    assert!(
        text.starts_with("node node1") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

#[tokio::test]
async fn watching_shows_it_again_and_clears_only_a_terminal() {
    let answering = Answering::start().await;
    let (_running, screen) = before_a_terminal(answering.command(&["--watch"]));
    let text = read(screen, CLEAR, 2).await;
    assert!(text.starts_with(CLEAR), "{text:?}");
    let mut running = Running(
        answering
            .command(&["-w", "-o", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let text = read(running.0.stdout.take().unwrap(), "\"node\": \"node1\"", 2).await;
    assert!(!text.contains('\u{1b}'), "{text:?}");
    // Nobody reads any more.
    let ended = tokio::task::spawn_blocking(move || running.0.wait().unwrap());
    assert!(ended.await.unwrap().success());
}

#[tokio::test]
async fn watching_goes_on_while_the_agent_is_away() {
    let answering = Answering::start().await;
    let hidden = answering.socket.with_extension("hidden");
    std::fs::rename(&answering.socket, &hidden).unwrap();
    let mut running = Running(
        answering
            .command(&["--watch"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut out = running.0.stdout.take().unwrap();
    let mut first = [0; 1];
    let first = tokio::task::spawn_blocking(move || {
        out.read_exact(&mut first).unwrap();
        out
    });
    let out = first.await.unwrap();
    std::fs::rename(&hidden, &answering.socket).unwrap();
    let text = read(out, "runtime ", 1).await;
    assert!(
        text.contains("is it running?") && text.contains("node node1, mode observe"),
        "{text:?}"
    );
}

#[tokio::test]
async fn who_watches_json_reads_errors_elsewhere() {
    let answering = Answering::start().await;
    std::fs::remove_file(&answering.socket).unwrap();
    let mut command = answering.command(&["--watch", "-o", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let text = read(running.0.stderr.take().unwrap(), "is it running?", 2).await;
    assert!(text.contains("pullwarden: "), "{text}");
    running.0.kill().unwrap();
    let printed = read(running.0.stdout.take().unwrap(), "is it running?", 1).await;
    assert_eq!(printed, "");
}

//! The floor: the least that a program can do that looks at a node's sandboxes every five seconds.
//!
//! One thread, one connection that is kept, `ListPodSandbox` with the agent's filter and the agent's `.proto`, the answer decoded and
//! counted. Nothing else: no log, no state, no judge.
//!
//! Resident memory counts pages that were touched, and a large program has more of them than a small one before it does anything: its
//! relocations, and what the kernel reads around each page. To be fair to the agent this program is therefore linked with all that the
//! agent is linked with, down to the last crate: `--agent` would run the whole agent. The bench never says that, so that none of it runs.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{MissedTickBehavior, interval};
use tonic::transport::Endpoint;

use wire::runtime_service_client::RuntimeServiceClient;
use wire::{ListPodSandboxRequest, PodSandboxFilter, PodSandboxState, PodSandboxStateValue};

mod wire {
    include!(concat!(env!("OUT_DIR"), "/runtime.v1.rs"));
}

/// The agent's own default.
const POLL: Duration = Duration::from_secs(5);
/// The agent's own limit for an answer.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "--agent") {
        return pullwarden::cli::main(arguments);
    }
    match run(arguments.next()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if standard error is closed.
            let _ = writeln!(std::io::stderr(), "floor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(socket: Option<OsString>) -> anyhow::Result<()> {
    let socket = PathBuf::from(socket.context("the argument is the path of the runtime's socket")?);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime")?
        .block_on(look(&socket))
}

/// Looks for ever; says how many sandboxes there are each time that is another number.
async fn look(socket: &Path) -> anyhow::Result<()> {
    let socket = socket.to_owned();
    let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(
        tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }),
    );
    let mut client = RuntimeServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        let state = Some(PodSandboxStateValue {
            state: PodSandboxState::SandboxReady.into(),
        });
        let filter = Some(PodSandboxFilter { state });
        let answer = client.list_pod_sandbox(ListPodSandboxRequest { filter });
        let items = answer
            .await
            .context("listing the sandboxes")?
            .into_inner()
            .items;
        let named = items.iter().filter(|item| item.metadata.is_some()).count();
        if told.replace(named) != Some(named) {
            writeln!(std::io::stdout(), "{named}").context("telling the count")?;
        }
    }
}

//! Ctrl-C, and the other ways to ask a program to end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a program that was interrupted.
pub const CODE: u8 = 130;

/// From its making on, signals are noted instead of ending the program.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Notes the first SIGINT, SIGTERM or SIGHUP; a second one ends the program at once.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.asked);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("making a runtime for signals")?;
        let context = runtime.enter();
        let mut kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ]
        .into_iter()
        .map(signal)
        .collect::<std::io::Result<Vec<_>>>()
        .context("listening to signals")?;
        drop(context);
        std::thread::spawn(move || {
            runtime.block_on(async {
                while any(&mut kinds).await {
                    if asked.swap(true, Ordering::Relaxed) {
                        std::process::exit(CODE.into());
                    }
                }
            });
        });
        Ok(interrupt)
    }

    /// Whether a signal has come.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// How a measurement ends whose node is gone already: whether its goals were reached, unless it was interrupted.
    pub fn conclude(&self, measured: Result<bool>) -> Result<ExitCode> {
        // Ctrl-C in a terminal ends kubectl and the agent as well, perhaps before it is heard here.
        if measured.is_err() && testbed::until(Duration::from_millis(500), || self.asked()) {
            println!("Interrupted. Everything that was started is gone.");
            return Ok(ExitCode::from(CODE));
        }
        Ok(match measured? {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// Waits for any of the signals; false if none can come any more.
async fn any(signals: &mut [tokio::signal::unix::Signal]) -> bool {
    std::future::poll_fn(|context| {
        for signal in &mut *signals {
            if let std::task::Poll::Ready(came) = signal.poll_recv(context) {
                return std::task::Poll::Ready(came.is_some());
            }
        }
        std::task::Poll::Pending
    })
    .await
}

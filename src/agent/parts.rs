//! The agent as a whole, and what it shares with the rest of the process.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::keeper::Keeper;
use super::poller::Poller;
use super::process::Process;
use super::settings::Settings;
use super::sources::Sources;
use super::tally::Tally;
use super::workers::Workers;
use crate::admin::Health;
use crate::clock::Clock;
use crate::config::Given;
use crate::duty::Duty;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::view::Ask;

/// A question that comes over the control socket.
#[derive(Debug)]
pub struct Question {
    /// The question.
    pub ask: Ask,
    /// Sender of the answer, in JSON.
    pub answer: oneshot::Sender<Value>,
}

/// Handles that the agent shares with the rest of the process.
#[derive(Debug)]
pub struct Surroundings {
    /// Source of the time.
    pub clock: Clock,
    /// Source of the configuration.
    pub given: Given,
    /// Metrics.
    pub metrics: Metrics,
    /// Health that `/livez` and `/readyz` report.
    pub health: Health,
    /// The questions of `status` and `explain`.
    pub questions: mpsc::Receiver<Question>,
    /// The request to end.
    pub shutdown: Shutdown,
    /// Sender of the duty, used once no other agent works on this node. The receiver holds the duty
    /// until all has ended.
    pub on_duty: Option<oneshot::Sender<Duty>>,
}

/// The agent: the judge, and what connects it with the outside world.
pub(super) struct Agent {
    pub(super) judge: Judge,
    pub(super) journal: Journal,
    pub(super) keeper: Keeper,
    pub(super) settings: Settings,
    pub(super) poller: Poller,
    pub(super) sources: Sources,
    pub(super) workers: Workers,
    pub(super) tally: Tally,
    pub(super) process: Process,
}

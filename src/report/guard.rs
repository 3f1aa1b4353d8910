//! Proof that the API server holds this agent to its own node: a dry run, before a write. It is made
//! again when it is too old, because somebody may have deleted the policy. A denial alone proves
//! nothing: RBAC, a webhook and other policies deny too. So the policies of deploy/base begin the
//! messages that the agent has to know with a code.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Resource as _};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::Semaphore;

use super::patch::parameters;
use super::pause::{FIRST, LONGEST, share};
use crate::api::{ApiError, Refused, call};
use crate::clock::Clock;
use crate::config::OwnPod;
use crate::evidence::Pod;
use crate::judge::{Ending, Moment, Outcome};

/// Label that the policy denies before all else. The agent tries it on its own Pod with `dryRun`, so
/// that nothing changes if the API server lets it through.
const LABEL: &str = "pullwarden.io/must-be-denied";

/// Code with which the policy that holds agents denies the label of the dry run, and nothing else.
pub const HELD: &str = "pullwarden.io/held";

/// Code with which the kill switch denies a write. It denies everything, so its denial does not show
/// what the other policy would deny. The API server names only one of the policies that deny.
pub const OFF: &str = "pullwarden.io/writes-off";

/// The oldest proof with which a try to write to a Pod may begin.
const RENEWED: Duration = Duration::from_secs(8 * 60);

/// The oldest proof at a write. A try that takes longer than the difference begins anew.
const OLDEST: Duration = Duration::from_secs(10 * 60);

/// The longest pause that a report waits for before its dry run. It would judge by what it saw before.
const SOON: Duration = Duration::from_secs(5);

/// Memory of the proof. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Guard {
    own: Option<OwnPod>,
    clock: Clock,
    proof: Arc<Proof>,
}

/// The last proof.
#[derive(Debug)]
struct Proof {
    /// Moment before the dry run that was denied as it must be; `None` if the last one was not.
    at: Mutex<Option<Moment>>,
    /// The last dry run that was not answered, if there was none since.
    unanswered: Mutex<Option<Unanswered>>,
    /// One report tries it at a time: the others need no dry run of their own.
    turns: Semaphore,
}

/// A dry run that was not answered, or by a busy API server.
#[derive(Clone, Debug)]
struct Unanswered {
    why: Unguarded,
    /// Moment at which it ended.
    at: Moment,
    /// Moment until which the API server asks to be left alone.
    until: Moment,
}

/// Reason why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unguarded {
    /// The API server lets through what it must not.
    Open(String),
    /// All writes of all agents are switched off, in the API server's words.
    Off(String),
    /// It is denied, but not by the policy that holds agents: in the API server's words.
    NotByPolicy(String),
    /// It has not answered, or is busy.
    Unknown {
        /// The API server's words, or the reason why there is no answer.
        why: String,
        /// The pause that the API server asks for.
        asked: Option<Duration>,
    },
}

impl Unguarded {
    /// Result of a report that nothing may be written for.
    pub fn ending(self) -> Ending {
        match self {
            Self::Open(why) | Self::NotByPolicy(why) => Ending::with(Outcome::Unguarded, why),
            Self::Off(why) => Ending::with(Outcome::Off, why),
            Self::Unknown { why, .. } => Ending::with(Outcome::Refused, why),
        }
    }
}

impl Guard {
    /// A guard that tries it on the agent's own Pod. One that runs in none is somebody's own tool, with that person's credentials: nothing
    /// is tried.
    pub fn new(own: Option<OwnPod>, clock: Clock) -> Self {
        let proof = Proof {
            at: Mutex::default(),
            unanswered: Mutex::default(),
            turns: Semaphore::new(1),
        };
        Self {
            own,
            clock,
            proof: Arc::new(proof),
        }
    }

    /// The namespace of the agents. Somebody's own tool shares the fleet budget of those that are
    /// installed as in deploy/base.
    pub fn namespace(&self) -> &str {
        self.own.as_ref().map_or("pullwarden", |own| &own.namespace)
    }

    /// Returns whether the last dry run was the proof; none if there is nothing to prove.
    pub fn is_known(&self) -> Option<bool> {
        self.own.as_ref().map(|_| self.at().is_some())
    }

    /// Makes the proof, unless the last one is at most eight minutes old.
    ///
    /// # Errors
    /// Why nothing may be written.
    pub async fn make_sure(&self, client: &Client) -> Result<(), Unguarded> {
        let Some(own) = self.own.as_ref().filter(|_| !self.is_within(RENEWED)) else {
            return Ok(());
        };
        let came = self.clock.now();
        // Nobody closes it.
        let _turn = self.proof.turns.acquire().await;
        if self.is_within(RENEWED) {
            return Ok(());
        }
        self.rest(came).await?;
        let begun = self.clock.now();
        let tried = try_on(client, own).await;
        self.keep(tried.is_ok().then_some(begun));
        *locked(&self.proof.unanswered) = tried.clone().err().and_then(|why| self.unanswered(why));
        tried
    }

    /// Returns whether the proof is at most ten minutes old, so that a write may be made; true if there
    /// is nothing to prove.
    pub(super) fn holds(&self) -> bool {
        self.is_within(OLDEST)
    }

    /// Drops the proof: a write was denied to all agents.
    pub(super) fn forget(&self) {
        self.keep(None);
    }

    fn is_within(&self, age: Duration) -> bool {
        let recent = |at: Moment| self.clock.now().since(at) <= age;
        self.own.is_none() || self.at().is_some_and(recent)
    }

    /// Waits as long as the API server asks, for a report that came at this moment.
    ///
    /// # Errors
    /// The last dry run's, if that was not answered while the report waited for its turn, or if the pause
    /// is too long to be waited for.
    async fn rest(&self, came: Moment) -> Result<(), Unguarded> {
        let Some(last) = locked(&self.proof.unanswered).clone() else {
            return Ok(());
        };
        let left = last.until.since(self.clock.now());
        if last.at > came || left > SOON {
            return Err(last.why);
        }
        tokio::time::sleep(left).await;
        Ok(())
    }

    fn unanswered(&self, why: Unguarded) -> Option<Unanswered> {
        let Unguarded::Unknown { asked, .. } = &why else {
            return None;
        };
        let at = self.clock.now();
        let pause = asked.map(|asked| asked.min(LONGEST) + FIRST.mul_f64(share()));
        Some(Unanswered {
            until: at.after(pause.unwrap_or_default()),
            why,
            at,
        })
    }

    fn at(&self) -> Option<Moment> {
        *locked(&self.proof.at)
    }

    fn keep(&self, proved: Option<Moment>) {
        *locked(&self.proof.at) = proved;
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns true if the kill switch refused a request.
pub(super) fn is_off(refused: &Refused) -> bool {
    refused.is_denied_with(OFF)
}

async fn try_on(client: &Client, own: &OwnPod) -> Result<(), Unguarded> {
    let OwnPod { namespace, name } = own;
    let pods = Request::new(Pod::url_path(&(), Some(namespace)));
    let parameters = PatchParams {
        dry_run: true,
        ..parameters()
    };
    let patch = Patch::Merge(json!({ "metadata": { "labels": { LABEL: "1" } } }));
    let request = pods.patch(name, &parameters, &patch);
    match call::<IgnoredAny>(client, request).await {
        Ok(_) => Err(Unguarded::Open(format!(
            "nothing holds this agent to its own node: the API server would let it put a label on the Pod {namespace}/{name}. \
             Install the ValidatingAdmissionPolicy of deploy/base, or set mode: observe"
        ))),
        Err(ApiError::Refused(refused)) => read(&refused, own),
        Err(ApiError::NoAnswer(why)) => Err(Unguarded::Unknown { why, asked: None }),
    }
}

/// Reads a refusal of the dry run.
fn read(refused: &Refused, OwnPod { namespace, name }: &OwnPod) -> Result<(), Unguarded> {
    if refused.is_denied_with(HELD) {
        Ok(())
    } else if is_off(refused) {
        Err(Unguarded::Off(refused.message().to_owned()))
    } else if refused.is_not_found() {
        Err(Unguarded::Open(format!(
            "the agent's own Pod {namespace}/{name} does not exist: whether it is held to its own node cannot be tried"
        )))
    } else if refused.passes() || refused.code == 404 {
        // Something before the API server answers 404 while the API server is away.
        Err(Unguarded::Unknown {
            why: refused.to_string(),
            asked: refused.retry_after,
        })
    } else {
        Err(Unguarded::NotByPolicy(format!(
            "whether this agent is held to its own node is not proved: not the policy of deploy/base denied it a label on the Pod \
             {namespace}/{name}, but something else: {refused}"
        )))
    }
}

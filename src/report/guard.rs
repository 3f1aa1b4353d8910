//! Proof that the API server holds this agent to its own node: one dry run, before the first write.
//!
//! A denial alone proves nothing: RBAC, a webhook and other policies deny too. So the policies of
//! deploy/base begin the messages that the agent has to know with a code.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Resource as _};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::api::{ApiError, Refused, call};
use crate::config::OwnPod;
use crate::evidence::Pod;
use crate::judge::{Ending, Outcome};

/// Label that the policy denies before all else. The agent tries it on its own Pod with `dryRun`, so
/// that nothing changes if the API server lets it through.
const LABEL: &str = "pullwarden.io/must-be-denied";

/// Code with which the policy that holds agents denies [`LABEL`], and nothing else.
pub const HELD: &str = "pullwarden.io/held";

/// Code with which the kill switch denies a write. It denies everything, so its denial does not show
/// what the other policy would deny. The API server names only one of the policies that deny.
pub const OFF: &str = "pullwarden.io/writes-off";

/// Memory of the proof. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    own: Option<OwnPod>,
    /// Set once it was denied.
    denied: Arc<OnceCell<()>>,
}

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unguarded {
    /// The API server lets through what it must not.
    Open(String),
    /// All writes of all agents are switched off, in the API server's words.
    Off(String),
    /// It is denied, but not by the policy that holds agents: in the API server's words.
    NotByPolicy(String),
    /// It has not answered.
    Unknown(String),
}

impl Unguarded {
    /// Result of a report that nothing may be written for.
    pub fn ending(self) -> Ending {
        match self {
            Self::Open(why) | Self::Off(why) | Self::NotByPolicy(why) => {
                Ending::with(Outcome::Barred, why)
            }
            Self::Unknown(why) => Ending::with(Outcome::Refused, why),
        }
    }
}

impl Guard {
    /// A guard that tries it on the agent's own Pod. One that runs in none is somebody's own tool, with that person's credentials: nothing
    /// is tried.
    pub fn new(own: Option<OwnPod>) -> Self {
        Self {
            own,
            denied: Arc::default(),
        }
    }

    /// Returns whether the proof was made; none if there is nothing to prove.
    pub fn is_known(&self) -> Option<bool> {
        self.own.as_ref().map(|_| self.denied.initialized())
    }

    /// Tries it, unless it was tried before.
    ///
    /// # Errors
    /// Why nothing may be written.
    pub async fn make_sure(&self, client: &Client) -> Result<(), Unguarded> {
        let Some(own) = &self.own else { return Ok(()) };
        let denied = self.denied.get_or_try_init(|| try_on(client, own));
        denied.await.copied()
    }
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
        field_manager: Some("pullwarden".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "metadata": { "labels": { LABEL: "1" } } }));
    let request = pods.patch(name, &parameters, &patch);
    match call::<IgnoredAny>(client, request).await {
        Ok(_) => Err(Unguarded::Open(format!(
            "nothing holds this agent to its own node: the API server would let it put a label on the Pod {namespace}/{name}. \
             Install the ValidatingAdmissionPolicy of deploy/base, or set mode: observe"
        ))),
        Err(ApiError::Refused(refused)) => read(&refused, own),
        Err(error) => Err(Unguarded::Unknown(error.to_string())),
    }
}

/// Reads a refusal of the dry run.
fn read(refused: &Refused, OwnPod { namespace, name }: &OwnPod) -> Result<(), Unguarded> {
    if refused.is_denied_with(HELD) {
        Ok(())
    } else if is_off(refused) {
        Err(Unguarded::Off(refused.message()))
    } else if refused.code == 404 {
        Err(Unguarded::Open(format!(
            "the agent's own Pod {namespace}/{name} does not exist: whether it is held to its own node cannot be tried"
        )))
    } else if refused.passes() {
        Err(Unguarded::Unknown(refused.to_string()))
    } else {
        Err(Unguarded::NotByPolicy(format!(
            "whether this agent is held to its own node is not proved: not the policy of deploy/base denied it a label on the Pod \
             {namespace}/{name}, but something else: {refused}"
        )))
    }
}

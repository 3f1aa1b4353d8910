//! Whether the API server holds this agent to its own node: tried once, before the first write.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::config::OwnPod;
use crate::evidence::Pod;
use crate::judge::redacted;

/// An answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What no policy that holds agents may let through: a label, on the agent's own Pod. Tried with `dryRun`, so nothing is changed if it does.
const LABEL: &str = "pullwarden.io/must-be-denied";

/// What deploy/base's kill switch says. It denies everything, so it tells nothing of what is let through once it is taken back; and where
/// several policies deny, any of them may have the word.
const OFF: &str = "writes are switched off";

/// Whether it was tried that what must be denied is denied. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    own: Option<OwnPod>,
    /// The words of the denial.
    denied: Arc<OnceCell<String>>,
}

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unguarded {
    /// The API server lets through what it must not.
    Open(String),
    /// All writes of all agents are switched off, in the API server's words.
    Off(String),
    /// It has not answered.
    Unknown(String),
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

    /// Whether there is something to try, and it was.
    pub fn is_known(&self) -> Option<bool> {
        self.own.as_ref().map(|_| self.denied.initialized())
    }

    /// Tries it, unless it was tried before.
    ///
    /// # Errors
    /// Why nothing may be written.
    pub async fn make_sure(&self, client: &Client) -> Result<(), Unguarded> {
        self.denial(client).await.map(drop)
    }

    /// The same, and in which words it was denied; none where there is nothing to try.
    ///
    /// # Errors
    /// Why nothing may be written.
    pub async fn denial(&self, client: &Client) -> Result<&str, Unguarded> {
        let Some(own) = &self.own else { return Ok("") };
        let denied = self.denied.get_or_try_init(|| try_on(client, own));
        denied.await.map(String::as_str)
    }
}

async fn try_on(client: &Client, own: &OwnPod) -> Result<String, Unguarded> {
    let OwnPod { namespace, name } = own;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = PatchParams {
        dry_run: true,
        field_manager: Some("pullwarden".to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "metadata": { "labels": { LABEL: "1" } } }));
    let request = api.patch(name, &parameters, &patch);
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(Ok(_)) => Err(Unguarded::Open(format!(
            "nothing holds this agent to its own node: the API server would let it put a label on the Pod {namespace}/{name}. \
             Install the ValidatingAdmissionPolicy of deploy/base, or set mode: observe"
        ))),
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 403 | 422) => {
            match status.message.contains(OFF) {
                true => Err(Unguarded::Off(status.message)),
                false => Ok(status.message),
            }
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Unguarded::Open(format!(
            "the agent's own Pod {namespace}/{name} does not exist: whether it is held to its own node cannot be tried"
        ))),
        Ok(Err(error)) => {
            let error = error.to_string();
            Err(Unguarded::Unknown(redacted(&error).into_owned()))
        }
        Err(_) => Err(Unguarded::Unknown(format!("no answer within {PATIENCE:?}"))),
    }
}

//! The one door through which a Pod is changed.
//!
//! The kubelet itself must end the Pod, after it has let go of it: a phase written from outside frees the node for the scheduler while
//! the kubelet still counts the Pod, and the next Job's Pod is refused. So: a condition that says why, then a deadline that has passed.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use serde_json::json;

use super::account::{Account, Aftermath, Ending, Step, Trace};
use super::message::message;
use crate::evidence::{Pod, Requests};
use crate::judge::{
    Action, Condemned, Phase, PodView, Policy, Reason, Undone, redacted, still_due,
};

/// The condition on the Pod; a Job's `podFailurePolicy` matches it.
pub const CONDITION: &str = "pullwarden.io/ImagePullFailed";

/// When the Pod was failed, in RFC 3339.
pub const ANNOTATION_FAILED_AT: &str = "pullwarden.io/failed-at";

/// Number of annotations up to which a Pod is given [`ANNOTATION_FAILED_AT`]. The admission policy
/// compares them one by one, in quadratic time; of a Pod with more it lets none be changed.
pub const MOST_ANNOTATIONS: usize = 256;

/// `spec.activeDeadlineSeconds`: the smallest there is, passed since the Pod was started.
pub const DEADLINE: i64 = 1;

/// A Pod that keeps changing between the look and the write is left for its next failure.
const TRIES: usize = 3;

/// The kubelet's socket tells of a failure some 5 to 60 ms before the API server knows of it, on a busy node seconds before. A look that
/// comes too soon is made again after this, and then after twice as long each time.
const LAG: Duration = Duration::from_millis(250);

/// So many looks at most: for some eight seconds.
const LOOKS: usize = 6;

/// An answer of the API server takes milliseconds; one that takes longer than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fails a Pod: last look, condition, deadline.
///
/// Each write is bound to the Pod's UID and to the `resourceVersion` that was judged: a Pod that has moved is looked at again, three times at most.
pub async fn fail(
    client: &Client,
    condemned: &Condemned,
    policy: &Policy,
    at: Timestamp,
) -> Account {
    let mut door = Door::of(client, condemned);
    door.deletes = policy.action == Action::Delete;
    let mut ending = door.fail(policy, at).await;
    if door.marked && !matches!(ending, Ending::Written | Ending::Gone) {
        match door.take_back(at).await {
            Undone::Clear => door.marked = false,
            Undone::Written => ending = Ending::Written,
            Undone::Standing => {}
        }
    }
    door.account(ending)
}

/// Looks at a Pod as [`fail`] would, and writes nothing.
pub async fn look(client: &Client, condemned: &Condemned, policy: &Policy) -> Account {
    let mut door = Door::of(client, condemned);
    let ending = match door.look(policy).await {
        Ok(Looked::Due(_)) => Ending::Due,
        Ok(Looked::Over(ending)) => ending,
        Err(refusal) => refusal.into(),
    };
    Account {
        marked: false,
        ..door.account(ending)
    }
}

/// Looks at what became of a Pod that has left Pending: whether it started after all. The API server may not know yet that it has.
pub async fn aftermath(client: &Client, condemned: &Condemned) -> (Aftermath, Vec<Trace>) {
    let mut door = Door::of(client, condemned);
    let mut aftermath = door.aftermath().await;
    let mut pause = LAG;
    for _ in 1..LOOKS {
        if aftermath != Aftermath::Unknown {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        aftermath = door.aftermath().await;
    }
    (aftermath, door.trace)
}

/// Sets the condition of a Pod to False: the Pod got past its pull before the deadline was written.
pub async fn take_back(
    client: &Client,
    condemned: &Condemned,
    at: Timestamp,
) -> (Undone, Vec<Trace>) {
    let mut door = Door::of(client, condemned);
    let undone = door.take_back(at).await;
    (undone, door.trace)
}

struct Door<'a> {
    api: Api<Pod>,
    condemned: &'a Condemned,
    /// Whether our condition may stand on the Pod.
    marked: bool,
    /// Whether a Pod that is being deleted is so by us.
    deletes: bool,
    /// What the Pod asks for.
    requests: Requests,
    /// Whether the Pod may be given our annotation.
    annotates: bool,
    trace: Vec<Trace>,
}

/// Why a request did not do what it should.
enum Refusal {
    /// 409, or 422 for the UID: the Pod has moved or was replaced.
    Moved(String),
    /// 404.
    Gone,
    /// 403, or 422 for anything else.
    Denied(String),
    /// No answer, or one that may be another next time.
    Failed(String),
}

impl Refusal {
    /// Whether it is certain that nothing was written.
    fn is_definite(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone => Self::Gone,
            Refusal::Denied(why) => Self::Denied(why),
            Refusal::Moved(why) | Refusal::Failed(why) => Self::Failed(why),
        }
    }
}

/// What the last look found.
enum Looked {
    /// The Pod, as it was condemned.
    Due(PodView),
    /// There is nothing to be done (any more).
    Over(Ending),
}

impl<'a> Door<'a> {
    fn of(client: &Client, condemned: &'a Condemned) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &condemned.namespace),
            condemned,
            marked: false,
            deletes: false,
            requests: Requests::default(),
            annotates: true,
            trace: Vec::new(),
        }
    }

    fn account(self, ending: Ending) -> Account {
        Account {
            ending,
            marked: self.marked,
            requests: self.requests,
            trace: self.trace,
        }
    }

    async fn fail(&mut self, policy: &Policy, at: Timestamp) -> Ending {
        let mut last = Ending::Failed(String::new());
        for _ in 0..TRIES {
            match self.try_once(policy, at).await {
                Ok(ending) => return ending,
                Err(Refusal::Gone) => {
                    self.marked = false;
                    return Ending::Gone;
                }
                Err(refusal @ Refusal::Denied(_)) => return refusal.into(),
                Err(refusal) => last = refusal.into(),
            }
        }
        last
    }

    async fn aftermath(&mut self) -> Aftermath {
        let api = self.api.clone();
        let answer = self.ask(Step::Look, api.get(&self.condemned.name)).await;
        match answer.map(|pod| pod.view()) {
            Ok(view) if view.uid != self.condemned.uid => Aftermath::Ended,
            Ok(view) if view.has_started(&self.condemned.image) => Aftermath::Started,
            Ok(view) if view.phase == Phase::Pending && !view.deleting => Aftermath::Unknown,
            Ok(_) | Err(Refusal::Gone) => Aftermath::Ended,
            Err(_) => Aftermath::Unknown,
        }
    }

    async fn look(&mut self, policy: &Policy) -> Result<Looked, Refusal> {
        let mut looked = self.look_once(policy).await?;
        let mut pause = LAG;
        for _ in 1..LOOKS {
            let too_soon = Reason::NoFailureYet {
                image: self.condemned.image.clone(),
            };
            match &looked {
                Looked::Over(Ending::Spared(reason)) if *reason == too_soon => {}
                _ => break,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            looked = self.look_once(policy).await?;
        }
        Ok(looked)
    }

    async fn look_once(&mut self, policy: &Policy) -> Result<Looked, Refusal> {
        let api = self.api.clone();
        let pod = self.ask(Step::Look, api.get(&self.condemned.name)).await?;
        self.requests = pod.requests();
        self.annotates = pod.may_be_annotated();
        let view = pod.view();
        // Whatever was written to a Pod that was replaced went with it.
        self.marked = view.marked && view.uid == self.condemned.uid;
        let deleted = self.deletes && view.deleting && view.marked;
        if (view.ending || deleted) && view.uid == self.condemned.uid {
            // An earlier try was made, though its answer was lost.
            return Ok(Looked::Over(Ending::Written));
        }
        Ok(match still_due(self.condemned, policy, &view) {
            Ok(()) => Looked::Due(view),
            Err(reason) => Looked::Over(Ending::Spared(reason)),
        })
    }

    async fn try_once(&mut self, policy: &Policy, at: Timestamp) -> Result<Ending, Refusal> {
        let mut view = match self.look(policy).await? {
            Looked::Due(view) => view,
            Looked::Over(ending) => return Ok(ending),
        };
        if !view.marked {
            // Even if the answer is lost, the condition may be standing from here on.
            self.marked = true;
            let patch = self.condition("True", at, &view.resource_version);
            let written = self.patch_status(Step::Condition, patch).await;
            let refused = Refusal::is_definite;
            self.marked = !written.as_ref().is_err_and(refused);
            view = written?.view();
            // The answer is the Pod as it is now.
            if let Err(reason) = still_due(self.condemned, policy, &view) {
                return Ok(Ending::Spared(reason));
            }
        }
        if self.deletes {
            return self.delete(&view.resource_version).await;
        }
        let mut patch = json!({
            "metadata": { "uid": self.condemned.uid, "resourceVersion": view.resource_version },
            "spec": { "activeDeadlineSeconds": DEADLINE },
        });
        if self.annotates {
            patch["metadata"]["annotations"] = json!({ ANNOTATION_FAILED_AT: at.to_string() });
        }
        let (api, patch, parameters) = (self.api.clone(), Patch::Merge(patch), parameters());
        let request = api.patch(&self.condemned.name, &parameters, &patch);
        self.ask(Step::Deadline, request).await?;
        Ok(Ending::Written)
    }

    async fn delete(&mut self, version: &str) -> Result<Ending, Refusal> {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(self.condemned.uid.clone()),
                resource_version: Some(version.to_owned()),
            }),
            ..DeleteParams::default()
        };
        let api = self.api.clone();
        let request = api.delete(&self.condemned.name, &parameters);
        self.ask(Step::Delete, request).await?;
        Ok(Ending::Written)
    }

    /// Sets our condition to False, unless it turns out that the deadline was written after all.
    async fn take_back(&mut self, at: Timestamp) -> Undone {
        for _ in 0..TRIES {
            match self.try_take_back(at).await {
                Ok(undone) => return undone,
                Err(Refusal::Moved(_)) => {}
                Err(Refusal::Gone) => return Undone::Clear,
                Err(Refusal::Denied(_) | Refusal::Failed(_)) => return Undone::Standing,
            }
        }
        Undone::Standing
    }

    async fn try_take_back(&mut self, at: Timestamp) -> Result<Undone, Refusal> {
        let api = self.api.clone();
        let view = self
            .ask(Step::Look, api.get(&self.condemned.name))
            .await?
            .view();
        if view.uid != self.condemned.uid || !view.marked {
            return Ok(Undone::Clear);
        }
        if view.ending || (self.deletes && view.deleting) {
            return Ok(Undone::Written);
        }
        let patch = self.condition("False", at, &view.resource_version);
        self.patch_status(Step::TakeBack, patch).await?;
        Ok(Undone::Clear)
    }

    /// A patch of the condition alone; strategic merge keeps everyone else's conditions.
    fn condition(&self, status: &str, at: Timestamp, version: &str) -> serde_json::Value {
        let (reason, message) = match status {
            "True" => (self.condemned.cause.as_str(), message(self.condemned)),
            _ => ("NotFailed", "the Pod was not failed after all".to_owned()),
        };
        json!({
            "metadata": { "uid": self.condemned.uid, "resourceVersion": version },
            "status": { "conditions": [{
                "type": CONDITION,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }]},
        })
    }

    async fn patch_status(&mut self, step: Step, patch: serde_json::Value) -> Result<Pod, Refusal> {
        let api = self.api.clone();
        let (patch, parameters) = (Patch::Strategic(patch), parameters());
        let request = api.patch_status(&self.condemned.name, &parameters, &patch);
        self.ask(step, request).await
    }

    async fn ask<T>(
        &mut self,
        step: Step,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refusal> {
        let answer = match tokio::time::timeout(PATIENCE, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(refusal(error)),
            Err(_) => Err(Refusal::Failed(format!("no answer within {PATIENCE:?}"))),
        };
        let result = match &answer {
            Ok(_) => "ok",
            Err(Refusal::Gone) => "gone",
            Err(Refusal::Moved(why) | Refusal::Denied(why) | Refusal::Failed(why)) => why,
        };
        self.trace.push(Trace {
            step,
            result: result.to_owned(),
        });
        answer
    }
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some("pullwarden".to_owned()),
        ..PatchParams::default()
    }
}

fn refusal(error: kube::Error) -> Refusal {
    let kube::Error::Api(status) = error else {
        return Refusal::Failed(redacted(&error.to_string()).into_owned());
    };
    let text = format!("{} {}", status.code, redacted(&status.message));
    match status.code {
        404 => Refusal::Gone,
        409 => Refusal::Moved(text),
        // A policy's denial is a 422 too; a UID that does not match is told by its field.
        422 if status.message.contains("metadata.uid") => Refusal::Moved(text),
        403 | 422 => Refusal::Denied(text),
        _ => Refusal::Failed(text),
    }
}

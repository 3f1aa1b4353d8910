//! The one door through which a Pod is changed.
//!
//! The kubelet itself must end the Pod, after it has let go of it: a phase written from outside frees the node for the scheduler while
//! the kubelet still counts the Pod, and the next Job's Pod is refused. So: a condition that says why, then a deadline that has passed.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, Preconditions};
use kube::core::{Request, request};
use kube::{Client, Resource as _};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use super::account::{Account, Step, Trace, has_deleted};
use super::conditions::Ours;
use super::in_force::InForce;
use super::looked::Looked;
use super::patch::parameters;
use super::permits::{Permit, Permits};
use super::refusal::Refusal;
use super::retry::Tries;
use crate::api::call;
use crate::evidence::{Pod, Requests};
use crate::judge::{
    Action, Aftermath, Ending, FailRequest, Outcome, PodId, PodView, Reason, Undone, still_due,
};
use crate::pod_fields::{ANNOTATION_FAILED_AT, DEADLINE};

/// A Pod that keeps changing between the look and the write, or whose write keeps failing, is left for its next failure.
const TRIES: usize = 3;

/// The kubelet's socket tells of a failure some 5 to 60 ms before the API server knows of it, on a busy node seconds before. A look that
/// comes too soon is made again after this, and then after twice as long each time.
const LAG: Duration = Duration::from_millis(250);

/// The longest pause while a condition of ours stands: the condition cannot be reverted before the report has ended.
const SOON: Duration = Duration::from_secs(5);

/// Most reads of a Pod while the API server may be behind the kubelet: for some eight seconds.
const LOOKS: usize = 6;

/// Fails a Pod: last look, condition, deadline.
///
/// Before a try the guard is proved, and before the first write the Pod gets a token of the fleet budget. Each write is bound to the Pod's UID and to the `resourceVersion` that was judged: a Pod that has moved is looked at again, three times at most.
pub async fn fail(
    client: &Client,
    request: &FailRequest,
    policy: &InForce,
    permits: &Permits,
    at: Timestamp,
) -> Account {
    let mut door = Door::of(client, &request.pod);
    door.permit = Some(Permit::of(client, permits));
    let mut ending = door.fail(request, policy, at).await;
    door.permit.iter().for_each(|permit| permit.ended(&ending));
    if door.marked == Some(true) && !matches!(ending.outcome, Outcome::Written | Outcome::Gone) {
        match door.take_back(at).await {
            Undone::Clear => door.marked = Some(false),
            Undone::Written => ending = Outcome::Written.into(),
            Undone::Standing => {}
        }
    }
    door.account(ending)
}

/// Looks at a Pod as [`fail`] would, and writes nothing.
pub async fn look(client: &Client, request: &FailRequest, policy: &InForce) -> Account {
    let mut door = Door::of(client, &request.pod);
    let mut tries = Tries::new(TRIES);
    let ending = loop {
        match door.look(request, policy).await {
            Ok(Looked::Due(..)) => break Outcome::Due.into(),
            Ok(Looked::NotDue(reason)) => break Ending::spared(&reason),
            Ok(Looked::Written) => break Outcome::Written.into(),
            Err(refusal) if tries.again(&refusal).await => {}
            // No write was to be made.
            Err(Refusal::Denied { why, .. }) => break Ending::with(Outcome::Refused, why),
            Err(refusal) => break refusal.into(),
        }
    };
    door.account(ending)
}

/// Looks at what became of a Pod that has left Pending: whether it started after all. The API server may not know yet that it has.
pub async fn aftermath(client: &Client, pod: &PodId, image: &str) -> (Aftermath, Vec<Trace>) {
    let mut door = Door::of(client, pod);
    let (mut looks, mut pause, mut tries) = (1, LAG, Tries::new(TRIES));
    let aftermath = loop {
        match door.aftermath(image).await {
            Ok(Aftermath::Unknown) if looks < LOOKS => {
                tokio::time::sleep(pause).await;
                pause *= 2;
                looks += 1;
            }
            Ok(aftermath) => break aftermath,
            Err(refusal) if tries.again(&refusal).await => {}
            Err(_) => break Aftermath::Unknown,
        }
    };
    (aftermath, door.trace)
}

/// Sets our conditions on a Pod to False: the Pod got past its pull before the deadline was written.
pub async fn take_back(
    client: &Client,
    pod: &PodId,
    action: Action,
    at: Timestamp,
) -> (Undone, Vec<Trace>) {
    let mut door = Door::of(client, pod);
    door.deletes = action == Action::Delete;
    let undone = door.take_back(at).await;
    (undone, door.trace)
}

struct Door<'a> {
    client: &'a Client,
    /// The Pods of the namespace.
    pods: Request,
    pod: &'a PodId,
    /// One of our conditions may be True on the Pod; `None` as long as that is not known.
    marked: Option<bool>,
    /// The Pod is to be deleted.
    deletes: bool,
    /// Resources that the Pod requests.
    requests: Requests,
    /// The Pod may be given our annotation.
    annotates: bool,
    /// The permit, if the Pod is to be written to.
    permit: Option<Permit<'a>>,
    /// Owners that may get an Event about the Pod.
    owners: Vec<OwnerReference>,
    trace: Vec<Trace>,
}

impl<'a> Door<'a> {
    fn of(client: &'a Client, pod: &'a PodId) -> Self {
        Self {
            client,
            pods: Request::new(Pod::url_path(&(), Some(&pod.namespace))),
            pod,
            marked: None,
            deletes: false,
            requests: Requests::default(),
            annotates: true,
            permit: None,
            owners: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn account(self, ending: Ending) -> Account {
        let is_gone = ending.outcome == Outcome::Gone;
        Account {
            ending,
            // Whatever was written to a Pod that is gone went with it.
            marked: if is_gone { Some(false) } else { self.marked },
            requests: self.requests,
            owners: self.owners,
            trace: self.trace,
        }
    }

    async fn fail(&mut self, request: &FailRequest, policy: &InForce, at: Timestamp) -> Ending {
        let mut tries = Tries::new(TRIES);
        loop {
            match self.try_once(request, policy, at).await {
                Ok(ending) => return ending,
                Err(Refusal::Gone) => return Outcome::Gone.into(),
                Err(refusal) => {
                    if self.marked == Some(true) {
                        tries = tries.no_longer_than(SOON);
                    }
                    if !tries.again(&refusal).await {
                        return refusal.into();
                    }
                }
            }
        }
    }

    /// Reads the fate of the Pod.
    async fn aftermath(&mut self, image: &str) -> Result<Aftermath, Refusal> {
        match self.get().await {
            Ok(pod) => Ok(Aftermath::of(&pod.view(), &self.pod.uid, image)),
            Err(Refusal::Gone) => Ok(Aftermath::Ended),
            Err(refusal) => Err(refusal),
        }
    }

    async fn look(&mut self, request: &FailRequest, policy: &InForce) -> Result<Looked, Refusal> {
        let mut looked = self.look_once(request, policy).await?;
        let mut pause = LAG;
        for _ in 1..LOOKS {
            let too_soon = Reason::NoFailureYet {
                image: request.image.clone(),
            };
            match &looked {
                Looked::NotDue(reason) if *reason == too_soon => {}
                _ => break,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            looked = self.look_once(request, policy).await?;
        }
        Ok(looked)
    }

    async fn look_once(
        &mut self,
        request: &FailRequest,
        policy: &InForce,
    ) -> Result<Looked, Refusal> {
        let pod = self.get().await?;
        self.requests = Requests::of_pod(&pod);
        self.annotates = pod.may_be_annotated();
        self.owners = pod.owners();
        let view = pod.view();
        self.marked = Some(view.marked && view.uid == self.pod.uid);
        let deleted = (self.deletes || has_deleted(&self.trace)) && view.deleting && view.marked;
        if (view.ending || deleted) && view.uid == self.pod.uid {
            return Ok(Looked::Written);
        }
        Ok(match still_due(request, &policy.now(), &view) {
            Ok(()) => Looked::Due(Box::new(view), Ours::on(&pod)),
            Err(reason) => Looked::NotDue(reason),
        })
    }

    async fn try_once(
        &mut self,
        request: &FailRequest,
        policy: &InForce,
        at: Timestamp,
    ) -> Result<Ending, Refusal> {
        self.deletes = policy.now().action == Action::Delete;
        if let Some(permit) = &self.permit
            && let Err(ending) = permit.prove().await
        {
            return Ok(ending);
        }
        let (mut view, ours) = match self.look(request, policy).await? {
            Looked::Due(view, ours) => (*view, ours),
            Looked::NotDue(reason) => return Ok(Ending::spared(&reason)),
            Looked::Written => return Ok(Outcome::Written.into()),
        };
        let wanted = Ours::wanted(request, &policy.now());
        let is_first = ours != wanted;
        if is_first && request.asks.second_write {
            self.end(Step::DryRun, at, &view).await?;
        }
        if let Some(permit) = &mut self.permit {
            let policy = policy.now();
            let entered = permit.enter(request, &policy, &view, &mut self.trace);
            if let Err(ending) = entered.await {
                return Ok(ending);
            }
        }
        self.still_proved()?;
        if let Some(ending) = policy.stops(request, &view, self.deletes, wanted)? {
            return Ok(ending);
        }
        if is_first {
            // Even if the answer is lost, a condition may be standing from here on.
            self.marked = Some(true);
            let conditions = ours.failed(wanted, request, at);
            let written = self.patch_status(Step::Condition, conditions, &view.resource_version);
            let written = written.await;
            let refused = written.as_ref().is_err_and(Refusal::is_definite);
            self.marked = Some(view.marked || !refused);
            view = written?.view();
            if let Some(ending) = policy.stops(request, &view, self.deletes, wanted)? {
                return Ok(ending);
            }
        }
        self.still_proved()?;
        let step = match self.deletes {
            true => Step::Delete,
            false => Step::Deadline,
        };
        self.end(step, at, &view).await?;
        Ok(Outcome::Written.into())
    }

    /// Begins the try anew, with a new proof, where its proof has become too old for a write.
    fn still_proved(&self) -> Result<(), Refusal> {
        let is_proved = self.permit.as_ref().is_none_or(Permit::holds);
        let why = || Refusal::Moved("the guard's proof has become too old".to_owned());
        is_proved.then_some(()).ok_or_else(why)
    }

    /// Makes the write that ends the Pod, or tries it as a dry run.
    async fn end(&mut self, step: Step, at: Timestamp, view: &PodView) -> Result<(), Refusal> {
        let (dry_run, name) = (step == Step::DryRun, &self.pod.name);
        let request = if self.deletes {
            let parameters = DeleteParams {
                dry_run,
                preconditions: Some(Preconditions {
                    uid: Some(self.pod.uid.clone()),
                    resource_version: Some(view.resource_version.clone()),
                }),
                ..DeleteParams::default()
            };
            self.pods.delete(name, &parameters)
        } else {
            let parameters = PatchParams {
                dry_run,
                ..parameters()
            };
            let patch = Patch::Merge(self.deadline(at, view));
            self.pods.patch(name, &parameters, &patch)
        };
        self.ask::<IgnoredAny>(step, request).await?;
        Ok(())
    }

    /// Sets our conditions to False, unless it turns out that the deadline was written after all.
    async fn take_back(&mut self, at: Timestamp) -> Undone {
        let mut tries = Tries::new(TRIES).no_longer_than(SOON);
        loop {
            match self.try_take_back(at).await {
                Ok(undone) => return undone,
                Err(Refusal::Gone) => return Undone::Clear,
                Err(refusal) if tries.again(&refusal).await => {}
                Err(_) => return Undone::Standing,
            }
        }
    }

    async fn try_take_back(&mut self, at: Timestamp) -> Result<Undone, Refusal> {
        let pod = self.get().await?;
        let view = pod.view();
        if view.uid != self.pod.uid || !view.marked {
            return Ok(Undone::Clear);
        }
        if view.ending || ((self.deletes || has_deleted(&self.trace)) && view.deleting) {
            return Ok(Undone::Written);
        }
        let conditions = Ours::on(&pod).reverted(at);
        self.patch_status(Step::TakeBack, conditions, &view.resource_version)
            .await?;
        Ok(Undone::Clear)
    }

    /// A patch of the deadline, and of the annotation, whatever the Pod's author has set it to. The policy lets nobody add one to very many.
    fn deadline(&self, at: Timestamp, view: &PodView) -> serde_json::Value {
        let mut patch = json!({
            "metadata": {
                "uid": self.pod.uid,
                "resourceVersion": view.resource_version,
            },
            "spec": { "activeDeadlineSeconds": DEADLINE },
        });
        if self.annotates {
            patch["metadata"]["annotations"] = json!({ ANNOTATION_FAILED_AT: at.to_string() });
        }
        patch
    }

    async fn get(&mut self) -> Result<Pod, Refusal> {
        let request = self.pods.get(&self.pod.name, &GetParams::default());
        let read = self.ask(Step::Look, request).await;
        read.map_err(Refusal::of_a_read)
    }

    /// Writes these conditions. A strategic merge keeps the conditions of other types.
    async fn patch_status(
        &mut self,
        step: Step,
        conditions: Vec<serde_json::Value>,
        version: &str,
    ) -> Result<Pod, Refusal> {
        let patch = Patch::Strategic(json!({
            "metadata": { "uid": self.pod.uid, "resourceVersion": version },
            "status": { "conditions": conditions },
        }));
        let parameters = parameters();
        let name = &self.pod.name;
        let request = self
            .pods
            .patch_subresource("status", name, &parameters, &patch);
        self.ask(step, request).await
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        step: Step,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<T, Refusal> {
        let answer = call(self.client, request).await.map_err(Refusal::from);
        self.trace.push(Refusal::trace(step, answer.as_ref().err()));
        answer
    }
}

//! Events on a Pod, for its author.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::core::Request;
use kube::core::request::Error as Unsendable;
use kube::{Client, Resource as _};
use serde::de::IgnoredAny;

use super::message::message;
use super::refusal::Refusal;
use super::retry::Tries;
use crate::api::call;
use crate::judge::{Complaint, FailRequest, PodId};

/// Number of tries of an Event. It may be all that the Pod's author gets to read.
const TRIES: usize = 4;

/// Content of an Event on a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The Pod was failed.
    Failed(Box<FailRequest>),
    /// The Pod was deleted.
    Deleted(Box<FailRequest>),
    /// Observing: the Pod would have been failed.
    WouldFail(Box<FailRequest>),
    /// Annotations of the Pod cannot be read and are ignored.
    InvalidAnnotations(Vec<Complaint>),
}

impl Event {
    /// The Event's reason, the end of its name, and its message.
    fn text(&self) -> (&'static str, &'static str, String) {
        match self {
            Self::Failed(request) => (
                "ImagePullFailed",
                "failed",
                format!("Failed the Pod: {}", message(request)),
            ),
            Self::Deleted(request) => (
                "ImagePullFailed",
                "failed",
                format!("Deleted the Pod: {}", message(request)),
            ),
            Self::WouldFail(request) => (
                "ImagePullWouldFail",
                "would-fail",
                format!("Would fail the Pod (observing only): {}", message(request)),
            ),
            Self::InvalidAnnotations(complaints) => {
                let texts: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
                (
                    "InvalidAnnotation",
                    "invalid-annotation",
                    format!("Ignored: {}", texts.join("; ")),
                )
            }
        }
    }
}

/// Writes an Event on a Pod, once: its name is made of the Pod's UID and what it says. Tried again after a pause unless the answer is final.
///
/// # Errors
/// The API server's answer.
pub async fn announce(
    client: &Client,
    pod: &PodId,
    node: &str,
    event: &Event,
    at: Timestamp,
) -> Result<(), String> {
    let (reason, suffix, message) = event.text();
    let PodId {
        uid,
        namespace,
        name,
    } = pod;
    let time = Time(at);
    let event = CoreEvent {
        metadata: ObjectMeta {
            name: Some(format!("pullwarden.{uid}.{suffix}")),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        },
        reason: Some(reason.to_owned()),
        message: Some(message),
        type_: Some("Warning".to_owned()),
        source: Some(EventSource {
            component: Some("pullwarden".to_owned()),
            host: Some(node.to_owned()),
        }),
        reporting_component: Some("pullwarden".to_owned()),
        reporting_instance: Some(node.to_owned()),
        first_timestamp: Some(time.clone()),
        last_timestamp: Some(time),
        count: Some(1),
        ..CoreEvent::default()
    };
    let events = Request::new(CoreEvent::url_path(&(), Some(namespace)));
    let mut tries = Tries::new(TRIES);
    loop {
        let body = serde_json::to_vec(&event).map_err(Unsendable::SerializeBody);
        let request = body.and_then(|body| events.create(&PostParams::default(), body));
        match call::<IgnoredAny>(client, request)
            .await
            .map_err(Refusal::from)
        {
            Ok(_) => return Ok(()),
            // It was written before: its answer was lost, or the agent did not live to know.
            Err(Refusal::Moved(_)) => return Ok(()),
            Err(refusal) if tries.again(&refusal).await => {}
            Err(refusal) => return Err(refusal.text().to_owned()),
        }
    }
}

//! Events on a Pod and its owners, for their author.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::api::PostParams;
use kube::core::Request;
use kube::core::request::Error as Unsendable;
use kube::{Client, Resource as _};
use serde::de::IgnoredAny;

use super::message::{ignored, message};
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

/// The object that an Event is about.
#[derive(Clone, Debug)]
pub enum About {
    /// The Pod.
    Pod,
    /// An owner of the Pod.
    Owner(OwnerReference),
}

impl About {
    /// Name of the Event: the same for whatever is to be said once. An owner gets one an hour for
    /// an image, whichever of its Pods on whichever node was failed for it. A new build of the agent may choose another name.
    pub fn event_name(&self, pod: &PodId, event: &Event, at: Timestamp) -> String {
        match self {
            Self::Pod => format!("pullwarden.{}.{}", pod.uid, event.suffix()),
            Self::Owner(owner) => {
                let mut image = DefaultHasher::new();
                event.image().hash(&mut image);
                let hour = at.as_second().div_euclid(3600);
                format!("pullwarden.{}.{:016x}.{hour}", owner.uid, image.finish())
            }
        }
    }

    fn reference(&self, pod: &PodId) -> ObjectReference {
        match self {
            Self::Pod => reference_to(pod),
            Self::Owner(owner) => ObjectReference {
                api_version: Some(owner.api_version.clone()),
                kind: Some(owner.kind.clone()),
                name: Some(owner.name.clone()),
                uid: Some(owner.uid.clone()),
                ..reference_to(pod)
            },
        }
    }
}

fn reference_to(pod: &PodId) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(pod.namespace.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

/// Reasons of all our Events: a failed Pod, one that would be failed, an annotation with a fault.
pub const EVENT_REASONS: [&str; 3] = ["ImagePullFailed", "ImagePullWouldFail", "InvalidAnnotation"];

impl Event {
    const fn reason(&self) -> &'static str {
        let [failed, would_fail, invalid] = EVENT_REASONS;
        match self {
            Self::Failed(_) | Self::Deleted(_) => failed,
            Self::WouldFail(_) => would_fail,
            Self::InvalidAnnotations(_) => invalid,
        }
    }

    /// End of the name of the Event on the Pod.
    const fn suffix(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Deleted(_) => "failed",
            Self::WouldFail(_) => "would-fail",
            Self::InvalidAnnotations(_) => "invalid-annotation",
        }
    }

    /// Image of the Pod that the Event is about, if it is about one.
    fn image(&self) -> Option<&str> {
        match self {
            Self::Failed(request) | Self::Deleted(request) | Self::WouldFail(request) => {
                Some(&request.image)
            }
            Self::InvalidAnnotations(_) => None,
        }
    }

    /// Text of the Event, which calls the Pod by these words.
    fn text(&self, pod: &str) -> String {
        match self {
            Self::Failed(request) => format!("Failed {pod}: {}", message(request)),
            Self::Deleted(request) => format!("Deleted {pod}: {}", message(request)),
            Self::WouldFail(request) => {
                format!("Would fail {pod} (observing only): {}", message(request))
            }
            Self::InvalidAnnotations(complaints) => ignored(complaints),
        }
    }
}

/// Writes an Event about a Pod, on it or on an owner, once: see [`About::event_name`]. Tried again after a pause unless the answer is final.
///
/// # Errors
/// The API server's answer.
pub async fn announce(
    client: &Client,
    (pod, about): (&PodId, &About),
    node: &str,
    event: &Event,
    at: Timestamp,
) -> Result<(), String> {
    let (related, words) = match about {
        About::Pod => (None, "the Pod".to_owned()),
        About::Owner(_) => (Some(reference_to(pod)), format!("the Pod {}", pod.name)),
    };
    let namespace = &pod.namespace;
    let time = Time(at);
    let event = CoreEvent {
        metadata: ObjectMeta {
            name: Some(about.event_name(pod, event, at)),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: about.reference(pod),
        related,
        reason: Some(event.reason().to_owned()),
        message: Some(event.text(&words)),
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

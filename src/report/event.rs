use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as CoreEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client};

use super::message::message;
use crate::judge::Condemned;

/// An answer takes milliseconds; an Event is not worth waiting longer for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an Event on a Pod says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The Pod was failed.
    Failed,
    /// Observing: the Pod would have been failed.
    WouldFail,
}

/// Writes an Event on the Pod that a verdict is about, once: its name is made of the Pod's UID and what it says.
///
/// # Errors
/// What the API server answered.
pub async fn announce(
    client: &Client,
    condemned: &Condemned,
    node: &str,
    event: Event,
    at: Timestamp,
) -> Result<(), String> {
    let message = message(condemned);
    let (reason, suffix, message) = match event {
        Event::Failed => (
            "ImagePullFailed",
            "failed",
            format!("Failed the Pod: {message}"),
        ),
        Event::WouldFail => (
            "ImagePullWouldFail",
            "would-fail",
            format!("Would fail the Pod (observing only): {message}"),
        ),
    };
    let time = Time(at);
    let event = CoreEvent {
        metadata: ObjectMeta {
            name: Some(format!("pullwarden.{}.{suffix}", condemned.uid)),
            namespace: Some(condemned.namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(condemned.name.clone()),
            namespace: Some(condemned.namespace.clone()),
            uid: Some(condemned.uid.clone()),
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
    let api: Api<CoreEvent> = Api::namespaced(client.clone(), &condemned.namespace);
    let parameters = PostParams::default();
    match tokio::time::timeout(PATIENCE, api.create(&parameters, &event)).await {
        Ok(Ok(_)) => Ok(()),
        // It was written before, by an agent that did not live to know.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

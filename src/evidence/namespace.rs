//! A namespace's labels and annotations, for the rules that use them.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::GetParams;
use kube::core::{ObjectMeta, PartialObjectMeta, Request};
use kube::{Client, Resource as _};

use super::Lost;
use super::container::SHORT;
use crate::api::{ApiError, call};
use crate::judge::{NamespaceView, Wishes};
use crate::text::cut;

/// Most annotations of a namespace that are kept.
const ANNOTATIONS: usize = 64;

/// Most bytes of a namespace's labels. Each line of the journal about a namespace has those of all that are known.
const LABELS: usize = 16 * 1024;

/// The labels of a namespace, and the annotations that the judge reads; of one that is gone, none.
/// Verdicts on the namespace's Pods wait for them.
///
/// # Errors
/// The API server's answer, if it is not the namespace; or that its labels take more than 16 KiB. A part of them would
/// not do: the missing one may exempt the namespace.
pub async fn namespace(client: &Client, name: &str) -> Result<NamespaceView, Lost> {
    let namespaces = Request::new(Namespace::url_path(&(), None));
    let request = namespaces.get_metadata(name, &GetParams::default());
    match call::<PartialObjectMeta<Namespace>>(client, request).await {
        Ok(found) => Ok(view(found.metadata)?),
        Err(ApiError::Refused(refused)) if refused.is_not_found() => Ok(NamespaceView::default()),
        Err(error) => Err(error.into()),
    }
}

fn view(metadata: ObjectMeta) -> Result<NamespaceView, String> {
    let labels = metadata.labels.unwrap_or_default();
    let bytes: usize = labels
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > LABELS {
        return Err(format!(
            "its labels take {bytes} bytes, and the agent keeps {LABELS} at most"
        ));
    }
    let annotations = metadata.annotations.unwrap_or_default().into_iter();
    let read = annotations.filter(|(name, _)| Wishes::container_of(name).is_some());
    let kept = read.take(ANNOTATIONS);
    Ok(NamespaceView {
        labels,
        annotations: kept
            .map(|(name, value)| (name, cut(&value, SHORT)))
            .collect(),
    })
}

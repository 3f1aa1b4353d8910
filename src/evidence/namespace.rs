//! A namespace's labels, for the rules that select namespaces by label.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::GetParams;
use kube::core::{PartialObjectMeta, Request};
use kube::{Client, Resource as _};

use crate::api::{ApiError, call};

/// The labels of a namespace; of one that is gone, none. Verdicts on the namespace's Pods wait for them.
///
/// # Errors
/// The API server's answer, if it is not the namespace.
pub async fn labels(client: &Client, name: &str) -> Result<BTreeMap<String, String>, String> {
    let namespaces = Request::new(Namespace::url_path(&(), None));
    let request = namespaces.get_metadata(name, &GetParams::default());
    match call::<PartialObjectMeta<Namespace>>(client, request).await {
        Ok(found) => Ok(found.metadata.labels.unwrap_or_default()),
        Err(ApiError::Refused(refused)) if refused.code == 404 => Ok(BTreeMap::new()),
        Err(error) => Err(error.to_string()),
    }
}

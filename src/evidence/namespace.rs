use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use crate::judge::redacted;

/// An answer takes milliseconds; verdicts on the namespace's Pods wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The labels of a namespace; of one that is gone, none.
///
/// # Errors
/// What the API server answered, if it is not the namespace.
pub async fn labels(client: &Client, name: &str) -> Result<BTreeMap<String, String>, String> {
    let api: Api<Namespace> = Api::all(client.clone());
    match tokio::time::timeout(PATIENCE, api.get_metadata_opt(name)).await {
        Ok(Ok(found)) => Ok(found.and_then(|n| n.metadata.labels).unwrap_or_default()),
        Ok(Err(error)) => Err(redacted(&error.to_string()).into_owned()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

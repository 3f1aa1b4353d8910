//! What the testbed asks of its registries. The calling thread must be in the node's network.

use anyhow::{Context, Result, bail};

use crate::faults::{Rule, Seen};
use crate::http::send;
use crate::image::{Blob, Image, MANIFEST};

const BYTES: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// Pushes an image: what is there already is not sent again.
pub fn push(address: &str, repository: &str, tag: &str, image: &Image) -> Result<()> {
    for blob in &image.blobs {
        push_blob(address, repository, blob)?;
    }
    let path = format!("/v2/{repository}/manifests/{tag}");
    send(
        address,
        "PUT",
        &path,
        MANIFEST,
        image.manifest.bytes.clone(),
    )?
    .successful()
    .context("pushing the manifest")?;
    Ok(())
}

fn push_blob(address: &str, repository: &str, blob: &Blob) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    if send(address, "HEAD", &path, BYTES, Vec::new())?
        .status
        .is_success()
    {
        return Ok(());
    }
    let path = format!("/v2/{repository}/blobs/uploads/");
    let begun = send(address, "POST", &path, BYTES, Vec::new())?.successful()?;
    let location = begun
        .location
        .context("the registry gives no place for an upload")?;
    // Absolute or not, it is on the same server.
    let path = match location
        .split_once("://")
        .map(|(_, rest)| rest.find('/').map(|i| &rest[i..]))
    {
        Some(Some(path)) => path.to_owned(),
        Some(None) => bail!("an upload's place has no path: {location}"),
        None => location,
    };
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}digest={}", blob.digest);
    send(address, "PUT", &path, BYTES, blob.bytes.clone())?
        .successful()
        .with_context(|| format!("pushing {}", blob.digest))?;
    Ok(())
}

/// Takes a blob out of a repository; manifests go on naming it.
pub fn remove_blob(address: &str, repository: &str, digest: &str) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/{digest}");
    send(address, "DELETE", &path, BYTES, Vec::new())?.successful()?;
    Ok(())
}

/// Gives a repository of the fault registry a fault; without one, the whole registry.
pub fn set_fault(address: &str, repository: Option<&str>, rule: &Rule) -> Result<()> {
    let path = control(repository);
    send(address, "PUT", &path, JSON, serde_json::to_vec(rule)?)?.successful()?;
    Ok(())
}

/// Takes a repository's fault away; without one, that of the whole registry.
pub fn heal(address: &str, repository: Option<&str>) -> Result<()> {
    let path = control(repository);
    send(address, "DELETE", &path, JSON, Vec::new())?.successful()?;
    Ok(())
}

fn control(repository: Option<&str>) -> String {
    match repository {
        Some(repository) => format!("/_control/faults/{repository}"),
        None => "/_control/faults".to_owned(),
    }
}

/// What the fault registry was asked.
pub fn log(address: &str) -> Result<Vec<Seen>> {
    let answer = send(address, "GET", "/_control/log", JSON, Vec::new())?.successful()?;
    serde_json::from_slice(&answer.body).context("decoding the log")
}

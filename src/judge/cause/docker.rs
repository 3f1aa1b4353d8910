//! The words of Docker's daemon, behind cri-dockerd and old kubelets.

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

/// Frame of the daemon's answers.
pub(super) const DAEMON: &str = "Error response from daemon: ";
/// Beginning of such an answer in JSON.
pub(super) const JSON: &str = r#"{"message":""#;
/// Beginning of phrases in which old versions have commas where later ones have colons.
pub(super) const COMMAS: &str = "Error pulling image (";

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[DAEMON, "error pulling image configuration: "];

rows! {
    "Cannot connect to the Docker daemon" => Of(RuntimeUnreachable);
    "error during connect" => Of(RuntimeUnreachable);
    "failed to register layer" => DockerStep;
    // Of a storage driver.
    "Driver " => LocalStep;
    "Thin Pool has " => LocalStep;
    "Network timed out while trying to connect" => Of(Timeout);
    "unable to ping registry endpoint" => Pinging;
    "Could not reach any registry endpoint" => NoAnswer;
    "received unexpected HTTP status" => Status;
    "failed with status" => Status;
    "error parsing HTTP " => Status;
    "error parsing HTTP " => NotJson;
    "Status " => Status;
    "error pulling image configuration" => FromStorage;
    "download failed after attempts=" => FromStorage;
    "no basic auth credentials" => Of(Denied);
    "does not exist or no pull access" => Of(Denied);
    Named("image ", " not found") => Of(Denied);
    "no matching manifest for " => Of(NoMatchingPlatform);
    "image operating system " => Of(NoMatchingPlatform);
    "cannot download image with operating system " => Of(NoMatchingPlatform);
    "image with reference " => Of(NoMatchingPlatform);
    "a Windows version " => Of(NoMatchingPlatform);
    "unsupported media type" => Of(UnsupportedManifest);
    "unsupported manifest format" => Of(UnsupportedManifest);
    "mediaType in manifest should be " => Of(UnsupportedManifest);
    "Encountered remote " => Of(UnsupportedManifest);
    "invalid rootfs in image configuration" => Of(UnsupportedManifest);
    "[DEPRECATION NOTICE] Docker Image Format" => Of(UnsupportedManifest);
    "invalid reference format" => Of(InvalidImageName);
    Named("manifest for ", " not found") => Of(ImageNotFound);
}

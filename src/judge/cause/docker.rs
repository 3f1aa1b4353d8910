//! The words of Docker's daemon, behind cri-dockerd and old kubelets.

use super::kind::Cause::*;
use super::sign::{Row, Sign::*, Wording::*};

/// Frame of the daemon's answers.
pub(super) const DAEMON: &str = "Error response from daemon: ";
/// Beginning of such an answer in JSON.
pub(super) const JSON: &str = r#"{"message":""#;
/// Beginning of phrases in which old versions have commas where later ones have colons.
pub(super) const COMMAS: &str = "Error pulling image (";

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[DAEMON, "error pulling image configuration: "];

pub(super) const ROWS: &[Row] = &[
    (
        Begins("Cannot connect to the Docker daemon"),
        Of(RuntimeUnreachable),
    ),
    (Begins("error during connect"), Of(RuntimeUnreachable)),
    (Begins("failed to register layer"), DockerStep),
    // Of a storage driver.
    (Begins("Driver "), LocalStep),
    (Begins("Thin Pool has "), LocalStep),
    (
        Begins("Network timed out while trying to connect"),
        Of(Timeout),
    ),
    (Begins("unable to ping registry endpoint"), Pinging),
    (Begins("Could not reach any registry endpoint"), NoAnswer),
    (Begins("received unexpected HTTP status"), Status),
    (Begins("failed with status"), Status),
    (Begins("error parsing HTTP "), Status),
    (Begins("error parsing HTTP "), NotJson),
    (Begins("Status "), Status),
    (Begins("error pulling image configuration"), FromStorage),
    (Begins("download failed after attempts="), FromStorage),
    (Begins("no basic auth credentials"), Of(Denied)),
    (Begins("does not exist or no pull access"), Of(Denied)),
    (Named("image ", " not found"), Of(Denied)),
    (Begins("no matching manifest for "), Of(NoMatchingPlatform)),
    (Begins("image operating system "), Of(NoMatchingPlatform)),
    (
        Begins("cannot download image with operating system "),
        Of(NoMatchingPlatform),
    ),
    (Begins("image with reference "), Of(NoMatchingPlatform)),
    (Begins("a Windows version "), Of(NoMatchingPlatform)),
    (Begins("unsupported media type"), Of(UnsupportedManifest)),
    (
        Begins("unsupported manifest format"),
        Of(UnsupportedManifest),
    ),
    (
        Begins("mediaType in manifest should be "),
        Of(UnsupportedManifest),
    ),
    (Begins("Encountered remote "), Of(UnsupportedManifest)),
    (
        Begins("invalid rootfs in image configuration"),
        Of(UnsupportedManifest),
    ),
    (
        Begins("[DEPRECATION NOTICE] Docker Image Format"),
        Of(UnsupportedManifest),
    ),
    (Begins("invalid reference format"), Of(InvalidImageName)),
    (Named("manifest for ", " not found"), Of(ImageNotFound)),
];

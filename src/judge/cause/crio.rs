//! CRI-O's words, and those of the libraries that it pulls and stores images with
//! (containers/image, containers/storage).

use super::kind::Cause::*;
use super::sign::{Row, Sign::*, Wording::*};

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[
    "unable to pull image",
    "initializing source ",
    "Error initializing source ",
    "Error reading manifest ",
    "reading manifest ",
    "error pinging docker registry ",
    "unable to retrieve auth token: ",
];

/// Frame of 1.33 and later, which try the reference as an artifact too.
pub(super) const IMAGE_OR_ARTIFACT: &str = "unable to pull image or OCI artifact: pull image err: ";
/// Mark behind which the artifact's error stands.
pub(super) const ARTIFACT: &str = "; artifact err: ";

pub(super) const ROWS: &[Row] = &[
    // Of its own policy file.
    (Begins("invalid policy in "), LocalStep),
    (Begins("adding layer with blob"), Place(RuntimeTrouble)),
    (Begins("storing blob to file"), Place(RuntimeTrouble)),
    (Begins("storing layer "), Place(RuntimeTrouble)),
    (Begins("creating layer "), Place(RuntimeTrouble)),
    (Begins("creating read-write layer"), Place(RuntimeTrouble)),
    (
        Begins("committing the finished image"),
        Place(RuntimeTrouble),
    ),
    (Begins("locating image "), Place(RuntimeTrouble)),
    (Begins("layer not known"), Place(RuntimeTrouble)),
    (Begins("image not known"), Place(RuntimeTrouble)),
    (Begins("pinging container registry "), Pinging),
    (Begins("error pinging docker registry "), Pinging),
    (Begins("unable to retrieve auth token"), Authorising),
    (Begins("requesting bearer token"), Authorising),
    (Begins("Requesting bearer token"), Authorising),
    // As containers/image spells it.
    (Begins("Requesting bear token"), Authorising),
    (Begins("invalid username/password"), Of(BadCredentials)),
    (Begins("invalid status code from registry "), Status),
    (Begins("unexpected HTTP status code "), Status),
    (Begins("StatusCode"), Status),
    (Begins("reading blob "), FromStorage),
    (Begins("fetching blob"), FromStorage),
    // The registry's refusal without its code, which is left out of a single one.
    (
        Begins("requested access to the resource is denied"),
        Of(Denied),
    ),
    (Begins("too many requests"), Of(TooManyRequests)),
    (Begins("Source image rejected"), Of(SignatureRefused)),
    (Begins("A signature was required"), Of(SignatureRefused)),
    (
        Begins("no image found in image index for architecture"),
        Of(NoMatchingPlatform),
    ),
    (
        Begins("no image found in manifest list for architecture"),
        Of(NoMatchingPlatform),
    ),
    (
        Begins("unsupported schema version"),
        Of(UnsupportedManifest),
    ),
    (
        Begins("unsupported manifest media type"),
        Of(UnsupportedManifest),
    ),
    (Begins("unsupported MIME type"), Of(UnsupportedManifest)),
    (
        Begins("unsupported image-specific operation on artifact"),
        Of(UnsupportedManifest),
    ),
    (Begins("copying system image from manifest list"), OfIndex),
    (Begins("reading blob "), Of(MissingContent)),
    (Begins("fetching blob"), Of(MissingContent)),
    (Begins("fetching target platform image"), Of(MissingContent)),
];

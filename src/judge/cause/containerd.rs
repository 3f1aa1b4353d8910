//! containerd's words.

use super::kind::Cause::*;
use super::sign::{Row, Sign::*, Wording::*};

/// Beginnings of messages that go on with the image's name in quotes.
pub(super) const BEFORE_IMAGE: &[&str] = &[
    "failed to pull and unpack image ",
    "failed to resolve reference ",
    "failed to parse image reference ",
];

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[
    "failed to pull ",
    "failed to resolve ",
    "get image config descriptor",
];

/// Marks behind which the registry's own text stands.
pub(super) const SERVER_MESSAGE: &[&str] = &[" - Server message: ", "server message: "];

/// Beginning of an image verifier's phrases, and the part that tells its refusals from its failures.
const VERIFIER: &str = "image verifier ";
const BLOCKED: &str = " blocked pull of ";

pub(super) const ROWS: &[Row] = &[
    (Begins("failed to pull "), Pulling),
    (Begins("failed to resolve "), Pulling),
    // A verifier that was killed, or cannot run, has not judged the image.
    (Without(VERIFIER, BLOCKED), Of(RuntimeTrouble)),
    (With(VERIFIER, BLOCKED), Of(SignatureRefused)),
    // Manifest and configuration came as they were published, and do not agree.
    (
        Begins("mismatched image rootfs and manifest layers"),
        Of(InvalidLayer),
    ),
    (Begins("no processor for media-type"), OddLayer),
    (Begins("failed to extract layer"), LocalStep),
    (Begins("failed to prepare extraction snapshot"), LocalStep),
    (Begins("failed to create snapshot"), LocalStep),
    (Begins("failed to stat snapshot"), LocalStep),
    (Begins("failed to mount"), LocalStep),
    (Begins("mount callback failed"), LocalStep),
    (Begins("apply layer error"), LocalStep),
    (Begins("failed to get reader from content store"), LocalStep),
    (Begins("unable to initialize unpacker"), LocalStep),
    (Begins("failed to commit snapshot"), LocalStep),
    (Begins("unable to prepare extraction snapshot"), LocalStep),
    (Begins("failed to open writer"), LocalStep),
    (Begins("failed to send write"), LocalStep),
    (
        Begins("failed to unpack image on snapshotter "),
        Place(RuntimeTrouble),
    ),
    (Begins("failed commit on ref"), Place(RuntimeTrouble)),
    (Begins("content digest "), Place(RuntimeTrouble)),
    (Begins("snapshotter "), Place(RuntimeTrouble)),
    (Begins("failed to do request"), NoAnswer),
    (Begins("failed to authorize"), Authorising),
    (Begins("failed to fetch anonymous token"), Authorising),
    (Begins("failed to fetch oauth token"), SendingCredentials),
    (Begins("unable to decode token response"), Authorising),
    (Begins("unexpected status from "), Status),
    (Begins("unexpected status code "), Status),
    (Begins("unexpected status"), Status),
    (Begins("failed with status code ["), Status),
    (Begins("failed to copy"), FromStorage),
    (Begins("httpReadSeeker"), FromStorage),
    (Begins("httpReaderSeeker"), FromStorage),
    (Begins("pull access denied"), Of(Denied)),
    (Begins("no match for platform"), Of(NoMatchingPlatform)),
    (
        Begins("Pulling Schema 1 images have been deprecated"),
        Of(UnsupportedManifest),
    ),
    (
        Begins("schema 1 image manifests are no longer supported"),
        Of(UnsupportedManifest),
    ),
    (Begins("media type"), Of(UnsupportedManifest)),
    (
        Named("application/vnd.", " not supported"),
        Of(UnsupportedManifest),
    ),
    // A page for people where a manifest should be: a proxy's, or a registry's under repair.
    (Contains("media type text/html"), Body(RegistryUnavailable)),
    (
        Begins("unexpected media type application/vnd."),
        Of(UnsupportedManifest),
    ),
    (Begins("unexpected media type "), OtherMediaType),
    (Begins("content at "), Of(MissingContent)),
    (
        Begins("could not fetch content descriptor"),
        Of(MissingContent),
    ),
    (
        Begins("failed to parse image reference"),
        Of(InvalidImageName),
    ),
];

//! containerd's words.

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

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
    "failed to create image reference ",
    "failed to update image store ",
    "failed to create OCI registry",
    "failed to get image ",
];

/// Marks behind which the registry's own text stands.
pub(super) const SERVER_MESSAGE: &[&str] = &[" - Server message: ", "server message: "];

/// Beginning of an image verifier's phrases, and the part that tells its refusals from its failures.
const VERIFIER: &str = "image verifier ";
const BLOCKED: &str = " blocked pull of ";

rows! {
    "failed to pull " => Pulling;
    "failed to resolve " => Pulling;
    // A verifier that was killed, or cannot run, has not judged the image.
    Without(VERIFIER, BLOCKED) => Of(RuntimeTrouble);
    With(VERIFIER, BLOCKED) => Of(SignatureRefused);
    // A shell's words for a program that it cannot run, or does not find.
    Contains("rejected image (exit code 126)") => LocalStep;
    Contains("rejected image (exit code 127)") => LocalStep;
    // Manifest and configuration came as they were published, and do not agree.
    "mismatched image rootfs and manifest layers" => Of(InvalidLayer);
    "no processor for media-type" => OddLayer;
    "failed to extract layer" => LocalStep;
    "failed to prepare extraction snapshot" => LocalStep;
    "failed to create snapshot" => LocalStep;
    "failed to stat snapshot" => LocalStep;
    "failed to mount" => LocalStep;
    "mount callback failed" => LocalStep;
    "apply layer error" => LocalStep;
    "failed to get reader from content store" => LocalStep;
    "unable to initialize unpacker" => LocalStep;
    "failed to commit snapshot" => LocalStep;
    "unable to prepare extraction snapshot" => LocalStep;
    "failed to open writer" => LocalStep;
    "failed to send write" => LocalStep;
    "failed to create image reference " => Place(RuntimeTrouble);
    "failed to update image store " => Place(RuntimeTrouble);
    "failed to create OCI registry" => Place(RuntimeTrouble);
    "failed to get image " => Place(RuntimeTrouble);
    "failed to unpack image on snapshotter " => Place(RuntimeTrouble);
    "failed commit on ref" => Place(RuntimeTrouble);
    "content digest " => Place(RuntimeTrouble);
    "snapshotter " => Place(RuntimeTrouble);
    // Another pull of this node writes the same content.
    With("ref ", " locked") => Place(RuntimeTrouble);
    With("unpack destination ", " already exists") => Place(RuntimeTrouble);
    "failed to do request" => NoAnswer;
    "failed to authorize" => Authorising;
    "failed to fetch anonymous token" => Authorising;
    "failed to fetch oauth token" => SendingCredentials;
    "unable to decode token response" => Authorising;
    "invalid token auth challenge realm" => Of(RegistryUnavailable);
    "unexpected status from " => Status;
    "unexpected status code " => Status;
    "unexpected status" => Status;
    "failed with status code [" => Status;
    "failed to copy" => FromStorage;
    "httpReadSeeker" => FromStorage;
    "httpReaderSeeker" => FromStorage;
    "pull access denied" => Of(Denied);
    "no match for platform" => Of(NoMatchingPlatform);
    "Pulling Schema 1 images have been deprecated" => Of(UnsupportedManifest);
    "schema 1 image manifests are no longer supported" => Of(UnsupportedManifest);
    "media type" => Of(UnsupportedManifest);
    Named("application/vnd.", " not supported") => Of(UnsupportedManifest);
    // A page for people where a manifest should be: a proxy's, or a registry's under repair.
    Contains("media type text/html") => Body(RegistryUnavailable);
    "unexpected media type application/vnd." => Of(UnsupportedManifest);
    "unexpected media type " => OtherMediaType;
    "content at " => Of(MissingContent);
    "could not fetch content descriptor" => Of(MissingContent);
    "failed to parse image reference" => Of(InvalidImageName);
}

//! CRI-O's words, and those of the libraries that it pulls and stores images with
//! (containers/image, containers/storage).

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

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

rows! {
    // Of its own policy file.
    "invalid policy in " => LocalStep;
    "adding layer with blob" => Place(RuntimeTrouble);
    "storing blob to file" => Place(RuntimeTrouble);
    "storing layer " => Place(RuntimeTrouble);
    "creating layer " => Place(RuntimeTrouble);
    "creating read-write layer" => Place(RuntimeTrouble);
    "committing the finished image" => Place(RuntimeTrouble);
    "locating image " => Place(RuntimeTrouble);
    "layer not known" => Place(RuntimeTrouble);
    "image not known" => Place(RuntimeTrouble);
    "pinging container registry " => Pinging;
    "error pinging docker registry " => Pinging;
    "unable to retrieve auth token" => Authorising;
    "requesting bearer token" => Authorising;
    "Requesting bearer token" => Authorising;
    // As containers/image spells it.
    "Requesting bear token" => Authorising;
    "invalid username/password" => Of(BadCredentials);
    "invalid status code from registry " => Status;
    "unexpected HTTP status code " => Status;
    "StatusCode" => Status;
    "reading blob " => FromStorage;
    "fetching blob" => FromStorage;
    // The registry's refusal without its code, which is left out of a single one.
    "requested access to the resource is denied" => Of(Denied);
    "too many requests" => Of(TooManyRequests);
    "Source image rejected" => Of(SignatureRefused);
    "A signature was required" => Of(SignatureRefused);
    "no image found in image index for architecture" => Of(NoMatchingPlatform);
    "no image found in manifest list for architecture" => Of(NoMatchingPlatform);
    "unsupported schema version" => Of(UnsupportedManifest);
    "unsupported manifest media type" => Of(UnsupportedManifest);
    "unsupported MIME type" => Of(UnsupportedManifest);
    "unsupported image-specific operation on artifact" => Of(UnsupportedManifest);
    "copying system image from manifest list" => OfIndex;
    "reading blob " => Of(MissingContent);
    "fetching blob" => Of(MissingContent);
    "fetching target platform image" => Of(MissingContent);
}

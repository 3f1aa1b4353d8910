//! CRI-O's words, and those of the libraries that it pulls and stores images with
//! (containers/image, containers/storage).

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

/// Beginnings of errors in a list of several credentials' errors.
pub(super) const BEGINNINGS: &[&str] = &[
    "unable to pull image",
    ARTIFACT_FIRST,
    "initializing image from source ",
    "determining manifest MIME type for ",
    "parsing image configuration: ",
    "partial pull of blob ",
    "committing the finished image",
    "copying system image ",
    "choosing an image ",
    "Source image rejected: ",
    "writing blob: ",
    "reading blob ",
    "initializing source ",
    "Error initializing source ",
    "Error reading manifest ",
    "reading manifest ",
    "error pinging docker registry ",
    "unable to retrieve auth token: ",
];

/// Frame of 1.36, which tries the reference as an artifact too.
pub(super) const IMAGE_OR_ARTIFACT: &str = "unable to pull image or OCI artifact: pull image err: ";
/// Frame of 1.34, which first looks whether the reference is an artifact. It names no image.
pub(super) const ARTIFACT_FIRST: &str = "unable to try pulling possible OCI artifact: ";
/// Mark behind which the artifact's error stands.
pub(super) const ARTIFACT: &str = "; artifact err: ";

/// Mark behind which the error of a real artifact stands. It is pulled as an image first, which always fails.
pub(super) const PULLED_ARTIFACT: &str = "; artifact err: pull artifact: ";
/// The image's error of what may be a real artifact. CRI-O then asks for its manifest once more.
pub(super) const NO_IMAGE: &str = "unsupported image-specific operation on artifact with type ";

/// Beginning and end of the errors of mirrors. The error of the origin, which was asked last, follows.
pub(super) const MIRRORS: (&str, &str) = ("(Mirrors also failed: [", "]): ");
/// Mark between the errors of two mirrors.
pub(super) const NEXT_MIRROR: &str = "]\n[";
/// Mark of an origin that may not be asked, by `registries.conf`.
pub(super) const BLOCKED: &str = " is blocked in ";

/// Mark of an image that is asked for at a registry.
const SOURCE: &str = " docker://";

/// Texts of CRI-O alone that may name no image.
const UNNAMED: [&str; 7] = [
    SOURCE,
    ARTIFACT_FIRST,
    "unable to pull image",
    "writing blob: ",
    "reading blob ",
    "parsing image configuration: ",
    REJECTED,
];

/// Returns true if CRI-O may have searched several registries for an image with a short name.
pub(super) fn may_be_searched(message: &str) -> bool {
    UNNAMED.iter().any(|part| message.contains(part))
}

/// Frames before the image that a text is about.
const BEFORE_SOURCE: &[&str] = &[
    "RegistryUnavailable: ",
    IMAGE_OR_ARTIFACT,
    "unable to pull image: ",
];

/// Returns the image that a text is about, if the text begins with the step that opens it.
pub(super) fn named_image(mut text: &str) -> Option<&str> {
    for frame in BEFORE_SOURCE {
        text = text.strip_prefix(frame).unwrap_or(text);
    }
    let rest = text.strip_prefix("initializing source docker://")?;
    rest.split_once(": ").map(|(name, _)| name)
}

/// Phrase before the reason for which a policy refuses an image, or cannot judge it.
pub(super) const REJECTED: &str = "Source image rejected";

/// A document that is no image, and names no type of artifact either.
pub(super) const UNTYPED: &str = "unsupported image-specific operation on artifact with type \"\"";

/// Frame of an unpacking program's output in old versions; the output follows in the same phrase.
pub(super) const UNPACKING: &str = "processing tar file(";

rows! {
    // The node's own files: policy, credentials, certificates, registries.
    "invalid policy in " => LocalStep;
    "no policy.json file found " => LocalStep;
    "get context for namespace" => LocalStep;
    "prepare temp auth file" => LocalStep;
    "getting username and password" => LocalStep;
    "unmarshaling JSON at " => LocalStep;
    "missing client certificate " => LocalStep;
    With("missing key ", " for client certificate ") => LocalStep;
    "loading registries" => LocalStep;
    "loading registries configuration" => LocalStep;
    "Invalid signature storage URL " => LocalStep;
    // Of a location or a prefix in registries.conf.
    "rewriting reference" => LocalStep;
    With("invalid prefix '", " for reference ") => LocalStep;
    // CRI-O's own program for pulls.
    "--separate-pull-cgroup is supported" => LocalStep;
    "pullImage was aborted by a Go panic" => LocalStep;
    "pull child finished successfully" => LocalStep;
    "exit status " => Place(RuntimeTrouble);
    "signal" => Place(RuntimeTrouble);
    // The keys of the policy itself, and what reads them.
    Contains("Invalid crypto engine") => LocalStep;
    Contains("No public keys imported") => LocalStep;
    Contains("error loading Fulcio CA ") => LocalStep;
    Contains("error loading PKI CA ") => LocalStep;
    Contains("parsing public key ") => LocalStep;
    Contains("parsing Rekor public key ") => LocalStep;
    With("Rekor public key ", " is not using ECDSA") => LocalStep;
    "parsing /" => LocalStep;
    "Error parsing signature storage configuration" => LocalStep;
    With("registry ", BLOCKED) => Of(SignatureRefused);
    With("short-name ", "did not resolve to an alias") => Of(UnresolvedShortName);
    "short name mode is enforcing, but image name " => Of(UnresolvedShortName);
    "short-name resolution enforced but cannot prompt " => Of(UnresolvedShortName);
    "no registries configured while trying to pull an unqualified image" => Of(UnresolvedShortName);
    // The content is there and its digest is right, so that what follows was done on the node.
    "unpacking failed (error" => LocalStep;
    "processing tar file" => LocalStep;
    "Error processing tar file(" => LocalStep;
    // Only a node with the key can.
    "decrypting layer " => LocalStep;
    "adding layer with blob" => Place(RuntimeTrouble);
    "storing blob to file" => Place(RuntimeTrouble);
    "storing layer " => Place(RuntimeTrouble);
    "trying to reuse blob " => Place(RuntimeTrouble);
    "creating layer " => Place(RuntimeTrouble);
    "creating read-write layer" => Place(RuntimeTrouble);
    "creating read-only layer" => Place(RuntimeTrouble);
    "committing the finished image" => Place(RuntimeTrouble);
    "locating image " => Place(RuntimeTrouble);
    "resolve pulled image " => Place(RuntimeTrouble);
    "partial pull of blob " => Place(RegistryUnavailable);
    "layer not known" => Place(RuntimeTrouble);
    "image not known" => Place(RuntimeTrouble);
    With("reference ", " does not resolve to an image ID") => Place(RuntimeTrouble);
    "pinging container registry " => Pinging;
    "error pinging docker registry " => Pinging;
    "unable to retrieve auth token" => Authorising;
    "requesting bearer token" => Authorising;
    "Requesting bearer token" => Authorising;
    // As containers/image spells it.
    "Requesting bear token" => Authorising;
    "Trying to obtain access token" => Authorising;
    "decoding bearer token " => Authorising;
    "missing realm in bearer auth challenge" => Authorising;
    "invalid username/password" => Of(BadCredentials);
    "invalid status code from registry " => Status;
    "unexpected HTTP status code " => Status;
    // An answer in the registry's own form shows its words and no status.
    "StatusCode" => Status;
    "StatusCode" => NotJson;
    "reading blob " => FromStorage;
    "fetching blob" => FromStorage;
    "fetching partial blob" => FromStorage;
    "error fetching external blob from " => FromStorage;
    "Source image rejected" => Of(SignatureRefused);
    // A page or nothing in place of a signature. A dash begins one that was published in another format.
    Without("unrecognized signature format, starting with binary ", "0x2d") => Body(RegistryUnavailable);
    "empty signature blob" => Body(RegistryUnavailable);
    "unexpected MIME type for sigstore attachment manifest" => Body(RegistryUnavailable);
    "A signature was required" => Of(SignatureRefused);
    "no image found in image index for architecture" => Of(NoMatchingPlatform);
    "no image found in manifest list for architecture" => Of(NoMatchingPlatform);
    // An endless page.
    "exceeded maximum allowed size of " => Body(RegistryUnavailable);
    // A document without a version is no manifest.
    "unsupported schema version 0" => Body(RegistryUnavailable);
    // A manifest of today, under a media type that is no manifest's: whatever serves it is at fault.
    "unsupported schema version 2" => Body(RegistryUnavailable);
    // The digest of the answer is not shown, and the answer may be a page.
    "Manifest does not match provided manifest digest " => Body(RegistryUnavailable);
    "unsupported schema version" => Of(UnsupportedManifest);
    "unsupported manifest media type" => Of(UnsupportedManifest);
    "unsupported MIME type" => Of(UnsupportedManifest);
    "unsupported image-specific operation on artifact" => Of(UnsupportedManifest);
    "Unimplemented manifest MIME type " => Of(UnsupportedManifest);
    "Unimplemented manifest list MIME type " => Of(UnsupportedManifest);
    "Unexpectedly received a manifest list instead of a manifest" => Of(UnsupportedManifest);
    "rejecting ambiguous manifest" => Of(InvalidManifest);
    "unsupported docker v2s2 media type" => Of(InvalidManifest);
    With("image ID ", " is invalid") => Of(InvalidManifest);
    "invalid checksum digest format" => Of(InvalidManifest);
    "no FSLayers in manifest" => Of(InvalidManifest);
    // It does not say whether more or less came.
    "blob size mismatch" => Of(ConnectionBroken);
    "copying system image from manifest list" => OfIndex;
    "reading blob " => Of(MissingContent);
    "fetching blob" => Of(MissingContent);
    "fetching partial blob" => Of(MissingContent);
    "fetching target platform image" => Of(MissingContent);
}

//! The words of registries: error codes and messages that the runtimes pass on.

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

rows! {
    "unauthorized" => Of(Denied);
    "denied" => Of(Denied);
    "authentication required" => Of(Denied);
    "toomanyrequests" => Of(TooManyRequests);
    "Too Many Requests" => Of(TooManyRequests);
    "You have reached your pull rate limit" => Of(TooManyRequests);
    // A code is left out where its usual message says the same.
    "requested access to the resource is denied" => Of(Denied);
    "too many requests" => Of(TooManyRequests);
    Contains(" rate limit") => Of(TooManyRequests);
    "service unavailable" => Of(RegistryUnavailable);
    "unknown error" => Of(RegistryUnavailable);
    "database is locked" => Of(RegistryUnavailable);
    // Artifactory's.
    "This request is blocked due to recurrent login failures" => Of(TooManyRequests);
    "Remote Auto Blocked" => Of(RegistryUnavailable);
    "The operation is unsupported" => Of(RegistryUnavailable);
    "unsupported" => Of(RegistryUnavailable);
    "blob unknown" => Of(MissingContent);
    "unknown blob" => Of(MissingContent);
    "manifest unknown" => Of(ImageNotFound);
    "name unknown" => Of(ImageNotFound);
    "repository name not known to registry" => Of(ImageNotFound);
    // Harbor's.
    Named("repository ", " not found") => Of(ImageNotFound);
    Named("artifact ", " not found") => Of(ImageNotFound);
    Named("project ", " not found") => Of(ImageNotFound);
    With("repo ", " not found") => Of(ImageNotFound);
    "The image is not signed" => Of(SignatureRefused);
    "The severity of vulnerability of the image" => Of(SignatureRefused);
    "PROJECT_POLICY_VIOLATION" => Of(SignatureRefused);
    "PROJECTPOLICYVIOLATION" => Of(SignatureRefused);
    With("current image with", "cannot be pulled due to configured policy") => Of(SignatureRefused);
    "invalid repository name" => Of(InvalidImageName);
    "The named manifest is not known to the registry" => Of(ImageNotFound);
    // Quay's.
    With("Tag ", " was deleted or has expired") => Of(ImageNotFound);
    // An old registry's of Docker.
    With("Tag ", " not found in repository ") => Of(ImageNotFound);
}

/// Words beside a refusal that make it one of rate, not of rights; in small letters. Each has a
/// character that no image name has, so that no image can pass for one.
pub(super) const RATE_LIMITED: &[&str] = &[
    "rate limit",
    "rate exceeded",
    "quota exceeded",
    // Of a proxy's own storage (Quay).
    "quota has been exceeded",
    "pull traffic quota",
    "\ntoomanyrequests:",
    "message: toomanyrequests:",
];

/// Words of a proxying organisation of Quay, for any failure of its upstream; in small letters. What went
/// wrong there follows in brackets.
pub(super) const UPSTREAM: &str =
    "in the upstream registry, or the configured quay organization credentials";

/// Text that follows them if the upstream has no such image.
pub(super) const UPSTREAM_HAS_NONE: &str = "insufficient rights to access it (404)";

/// Words of a registry that refuses the token which its token server has just issued; in small letters.
/// A token without the rights is worded otherwise.
pub(super) const TOKEN_REFUSED: &[&str] = &["server message: invalid_token"];

/// Words of Harbor and of Artifactory's Xray for an image that is not scanned yet; in small letters.
pub(super) const NOT_SCANNED: &[&str] = &[
    "without vulnerability scanning cannot be pulled",
    "status of vulnerability scanning cannot be pulled",
    "cannot get the image severity",
    "being scanned, please retry",
    "xray is unavailable",
];

//! From the signs in one error to its cause.

use super::kind::Cause;
use super::phrases::Phrases;
use super::registry::{NOT_SCANNED, RATE_LIMITED, TOKEN_REFUSED, UPSTREAM, UPSTREAM_HAS_NONE};
use super::sign::Sign::{self, *};
use super::sign::begins;
use super::{crio, kubelet, mismatch, status};

/// Question to an error. The first that has an answer decides.
enum Question {
    /// A cause whose sign is enough.
    Plain(Cause),
    /// A cause for which another sign is enough.
    When(Sign, Cause),
    /// A cause that depends on more than one sign.
    Ask(fn(&Phrases<'_>) -> Option<Cause>),
}

use Question::{Ask, Plain, When};

/// The questions in their order. A cause that needs more patience comes first: a token server that
/// is down is worded as a refusal as well.
///
/// A plain cause that is not in the list is found by `other`.
const ORDER: &[Question] = &[
    // The Pod's own secret.
    Ask(unreadable_secret),
    // The node.
    Ask(runtime_unreachable),
    Plain(Cause::DiskFull),
    Plain(Cause::ReadOnlyStore),
    Ask(cancelled),
    Plain(Cause::RuntimeTrouble),
    // The content.
    Ask(|error| mismatch::cause(&error.phrases)),
    Plain(Cause::InvalidLayer),
    Ask(odd_layer),
    Ask(local_step),
    // The network.
    Plain(Cause::TlsFailure),
    Plain(Cause::HostNotFound),
    Plain(Cause::ConnectionRefused),
    Plain(Cause::Timeout),
    Plain(Cause::ConnectionBroken),
    Ask(unreachable),
    // The registry's answer.
    Ask(status::cause),
    Plain(Cause::TooManyRequests),
    Plain(Cause::BadCredentials),
    Ask(denied),
    Ask(registry_unavailable),
    // A signature has a manifest of its own, so that the registry's answer may be about that one.
    Ask(signature_refused),
    // The manifest.
    Plain(Cause::NoMatchingPlatform),
    When(Body(Cause::RegistryUnavailable), Cause::RegistryUnavailable),
    Ask(untyped),
    Plain(Cause::UnsupportedManifest),
    // No registry has this under the name of an image, so that something else has answered.
    When(OtherMediaType, Cause::RegistryUnavailable),
    Plain(Cause::MissingContent),
    When(Body(Cause::RuntimeTrouble), Cause::RuntimeTrouble),
    When(Body(Cause::ConnectionBroken), Cause::ConnectionBroken),
    Plain(Cause::InvalidManifest),
    Plain(Cause::InvalidImageName),
    Ask(image_not_found),
    Ask(other),
    // The place, if nothing says what went wrong there.
    Ask(place),
];

/// Returns the cause of one error.
pub(super) fn cause(error: &Phrases<'_>) -> Cause {
    let mut whole = kubelet::WHOLE.iter();
    if let Some((_, cause)) = whole.find(|(text, _)| error.phrases == [*text]) {
        return *cause;
    }
    let mut answers = ORDER.iter().filter_map(|question| match question {
        Plain(cause) => error.has(Of(*cause)).then_some(*cause),
        When(sign, cause) => error.has(*sign).then_some(*cause),
        Ask(ask) => ask(error),
    });
    answers.next().unwrap_or(Cause::Unrecognised)
}

/// A pull secret that cannot be read says nothing of the image.
fn unreadable_secret(error: &Phrases<'_>) -> Option<Cause> {
    let first = error.phrases.first()?;
    let mut heads = kubelet::OF_SECRET.iter();
    heads
        .any(|head| begins(first, head))
        .then_some(Cause::Unrecognised)
}

fn runtime_unreachable(error: &Phrases<'_>) -> Option<Cause> {
    let is_away = error.code == "Unavailable" && !error.has(Pulling);
    let told = is_away || error.has(Of(Cause::RuntimeUnreachable));
    told.then_some(Cause::RuntimeUnreachable)
}

fn cancelled(error: &Phrases<'_>) -> Option<Cause> {
    let is_given_up = error.has(Interrupted) && !error.has(Of(Cause::Timeout));
    let told = error.code == "Canceled" || error.has(Of(Cause::Cancelled)) || is_given_up;
    told.then_some(Cause::Cancelled)
}

/// An encrypted layer needs a decoder on the node. Other media types are no layers to this runtime.
fn odd_layer(error: &Phrases<'_>) -> Option<Cause> {
    let mut phrases = error.phrases.iter();
    let is_encrypted = phrases.any(|phrase| phrase.ends_with("+encrypted"));
    error.has(OddLayer).then_some(match is_encrypted {
        true => Cause::RuntimeTrouble,
        false => Cause::UnsupportedManifest,
    })
}

fn local_step(error: &Phrases<'_>) -> Option<Cause> {
    let is_docker = error.has(DockerStep);
    let is_bad = error.has(BadLayer) && !is_docker;
    (error.has(LocalStep) || is_docker).then_some(match is_bad {
        true => Cause::InvalidLayer,
        false => Cause::RuntimeTrouble,
    })
}

fn unreachable(error: &Phrases<'_>) -> Option<Cause> {
    let has_answer = status::status(error).is_some();
    let is_unanswered = error.is_unanswered() || status::is_a_proxys(error);
    (is_unanswered && !has_answer).then_some(Cause::Unreachable)
}

fn signature_refused(error: &Phrases<'_>) -> Option<Cause> {
    let told = error.has(Of(Cause::SignatureRefused));
    told.then(|| {
        if error.says(NOT_SCANNED) {
            Cause::RegistryUnavailable
        } else if error.is_about_a_file() {
            // The key of the policy, for example.
            Cause::RuntimeTrouble
        } else {
            unread_signature(error).unwrap_or(Cause::SignatureRefused)
        }
    })
}

/// Returns why CRI-O could not read a signature, if that is why it refuses the image.
fn unread_signature(error: &Phrases<'_>) -> Option<Cause> {
    if !error.phrases.contains(&crio::REJECTED) {
        return None;
    }
    let told = [
        (Body(Cause::RegistryUnavailable), Cause::RegistryUnavailable),
        (Body(Cause::ConnectionBroken), Cause::ConnectionBroken),
        (Of(Cause::MissingContent), Cause::MissingContent),
    ];
    let told = told.into_iter().find(|(sign, _)| error.has(*sign));
    told.map(|(_, cause)| cause).or(unanswered_request(error))
}

/// Returns the cause of a request that had no answer, if nothing else is known of it.
fn unanswered_request(error: &Phrases<'_>) -> Option<Cause> {
    let mut pairs = error.phrases.windows(2);
    pairs
        .any(|pair| status::is_request(pair[0]) && pair[1] != "unknown")
        .then_some(Cause::Unreachable)
}

fn denied(error: &Phrases<'_>) -> Option<Cause> {
    let told = error.has(Of(Cause::Denied));
    told.then(|| {
        if error.says(RATE_LIMITED) {
            Cause::TooManyRequests
        } else if error.says(NOT_SCANNED) || error.says(TOKEN_REFUSED) {
            Cause::RegistryUnavailable
        } else {
            Cause::Denied
        }
    })
}

fn registry_unavailable(error: &Phrases<'_>) -> Option<Cause> {
    let told = error.has(Of(Cause::RegistryUnavailable)) || error.is_authorising();
    told.then_some(Cause::RegistryUnavailable)
}

/// Returns the cause of a document without a type: something else has answered in place of the registry. The
/// type is a quoted text, which gives no sign.
fn untyped(error: &Phrases<'_>) -> Option<Cause> {
    let line = error.text.lines().next().unwrap_or_default();
    let told = line.contains(crio::UNTYPED);
    told.then_some(Cause::RegistryUnavailable)
}

fn image_not_found(error: &Phrases<'_>) -> Option<Cause> {
    let told = error.has(Of(Cause::ImageNotFound));
    if told && error.says(&[UPSTREAM]) && !error.says(&[UPSTREAM_HAS_NONE]) {
        return Some(Cause::RegistryUnavailable);
    }
    if told && (is_of_index(error) || is_of_harbors_index(error)) {
        return Some(Cause::MissingContent);
    }
    (told || is_missing_manifest(error)).then_some(Cause::ImageNotFound)
}

/// Returns whether containerd could not resolve the reference itself, and says nothing else.
/// `NotFound` alone is also said of missing blobs and platforms.
fn is_missing_manifest(error: &Phrases<'_>) -> bool {
    let resolving = |phrase: &&str| {
        phrase.starts_with("failed to resolve reference ") || *phrase == "failed to resolve image"
    };
    let at = error.phrases.iter().position(resolving);
    let rest = at.map(|at| &error.phrases[at + 1..]);
    matches!(rest, Some([reference, "not found"]) if !reference.contains(' '))
}

/// Returns whether CRI-O read a manifest that an index names, not the one that the image names.
fn is_of_index(error: &Phrases<'_>) -> bool {
    if error.has(OfIndex) {
        return true;
    }
    let mut names = error.phrases.iter().filter(|p| p.contains("docker://"));
    let Some(name) = names.next() else {
        return false;
    };
    error.phrases.iter().any(|phrase| {
        let read = phrase.trim_start_matches("Error ");
        let read = read.strip_prefix("reading manifest ");
        let digest = read.and_then(|read| read.split(' ').next());
        digest.is_some_and(|digest| digest.starts_with("sha") && digest.contains(':'))
            && !digest.is_some_and(|digest| name.contains(&format!("@{digest}")))
    })
}

/// Returns whether Harbor misses a digest, and the text shows no image that names it. A proxy project
/// of Harbor hands an index on before it has the manifests that the index names.
fn is_of_harbors_index(error: &Phrases<'_>) -> bool {
    error.phrases.iter().any(|phrase| {
        let artifact = phrase.strip_prefix("artifact ");
        let digest = artifact.and_then(|name| name.strip_suffix(" not found")?.split_once('@'));
        digest.is_some_and(|(_, digest)| error.text.matches(&format!("@{digest}")).count() == 1)
    })
}

/// A plain cause that has no place in the order.
fn other(error: &Phrases<'_>) -> Option<Cause> {
    error.signs.iter().find_map(|sign| match sign {
        Of(cause) => Some(*cause),
        _ => None,
    })
}

fn place(error: &Phrases<'_>) -> Option<Cause> {
    let place = error.signs.iter().find_map(|sign| match sign {
        Place(cause) => Some(*cause),
        _ => None,
    });
    if place.is_some() {
        return place;
    }
    if error.is_about_a_file() {
        return Some(Cause::RuntimeTrouble);
    }
    if error.code == "DeadlineExceeded" {
        return Some(Cause::Timeout);
    }
    unanswered_request(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_cause_without_a_place_in_the_order_is_found() {
        let with = |more: &[Sign]| Phrases {
            code: "",
            phrases: Vec::new(),
            text: "",
            signs: BTreeSet::from_iter(more.iter().copied()),
        };
        let new = Of(Cause::ImageInspect);
        let place = Place(Cause::RuntimeTrouble);
        assert_eq!(cause(&with(&[new, place])), Cause::ImageInspect);
        let denied = Of(Cause::Denied);
        assert_eq!(cause(&with(&[new, denied])), Cause::Denied);
        assert_eq!(cause(&with(&[place])), Cause::RuntimeTrouble);
    }
}

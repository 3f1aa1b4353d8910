use super::status::{self, says};
use super::wordings::{
    AUTHORISING, BAD_LAYER, BLOCKED, BROKEN, BROKEN_STORE, DENIED, FILE_CALLS, FULL, LEFT_ON_NODE,
    LOCAL_STEPS, MISSING_PART, NO_PLATFORM, NO_RUNTIME, NO_WAY, NOT_SCANNED, RATE_LIMITED,
    REFUSED_IMAGE, TIMEOUT, TLS, TOO_MANY, UNPARSABLE, UNSUPPORTED, VERIFIER,
};
use super::{Cause, mismatch};

/// One error of a runtime: its gRPC code, if it is shown, and its phrases.
pub(super) struct Phrases<'a> {
    /// `NotFound`, …; empty where none is shown: the kubelet takes `Unknown` off.
    pub(super) code: &'a str,
    /// What stood between the `: `, the outermost first.
    pub(super) phrases: Vec<&'a str>,
    /// The whole error, with what others chose: it is only asked for what makes a refusal pass.
    pub(super) text: &'a str,
}

/// Whether a phrase begins so. A single word must be the whole phrase: a registry may be named `json.example`.
pub(super) fn begins(phrase: &str, beginning: &str) -> bool {
    match beginning.contains(' ') {
        true => phrase.starts_with(beginning),
        false => phrase == beginning,
    }
}

/// Whether a phrase is of one name between fixed words.
fn names(phrase: &str, head: &str, tail: &str) -> bool {
    let name = phrase.strip_prefix(head).and_then(|p| p.strip_suffix(tail));
    name.is_some_and(|name| !name.is_empty() && !name.contains(' '))
}

impl Phrases<'_> {
    /// What they say went wrong.
    pub(super) fn cause(&self) -> Cause {
        if self.phrases == ["pull QPS exceeded"] {
            return Cause::PullQpsExceeded;
        }
        // What is more patient is looked for first: a token server that is down is worded as a refusal as well.
        self.of_node()
            .or_else(|| self.of_content())
            .or_else(|| self.of_network())
            .or_else(|| status::cause(self))
            .or_else(|| self.of_refusal())
            .or_else(|| self.of_manifest())
            .or_else(|| self.of_place())
            .unwrap_or(Cause::Unrecognised)
    }

    /// Whether a phrase begins with one of these.
    pub(super) fn any(&self, beginnings: &[&str]) -> bool {
        let of = |phrase: &str| beginnings.iter().any(|b| begins(phrase, b));
        self.phrases.iter().any(|phrase| of(phrase))
    }

    fn of_node(&self) -> Option<Cause> {
        let pulling = self.any(&["failed to pull ", "failed to resolve "]);
        if self.code == "Unavailable" && !pulling || self.any(NO_RUNTIME) {
            return Some(Cause::RuntimeUnreachable);
        }
        if self.any(FULL) {
            return Some(Cause::DiskFull);
        }
        if self.any(&["read-only file system"]) {
            return Some(Cause::ReadOnlyStore);
        }
        let timed_out = self.any(TIMEOUT);
        if self.code == "Canceled"
            || self.any(&["context canceled"])
            || self.any(&["operation was canceled", "request canceled"]) && !timed_out
        {
            return Some(Cause::Cancelled);
        }
        // A verifier that was killed, or cannot be run, has not judged the image.
        let failed = |phrase: &&str| phrase.starts_with(VERIFIER) && !phrase.contains(BLOCKED);
        let no_judgement = self.phrases.iter().any(failed);
        (no_judgement || self.any(BROKEN_STORE)).then_some(Cause::RuntimeTrouble)
    }

    fn of_content(&self) -> Option<Cause> {
        if let Some(cause) = mismatch::cause(&self.phrases) {
            return Some(cause);
        }
        // Manifest and configuration have come as they were published, and do not agree.
        if self.any(&["mismatched image rootfs and manifest layers"]) {
            return Some(Cause::InvalidLayer);
        }
        if self.any(&["no processor for media-type"]) {
            // An encrypted image needs a decoder on the node; other kinds of layers are no layers to this runtime.
            let encrypted = self.phrases.iter().any(|p| p.ends_with("+encrypted"));
            return Some(match encrypted {
                true => Cause::RuntimeTrouble,
                false => Cause::UnsupportedManifest,
            });
        }
        // Docker has nothing that tells a published fault from its own store's.
        let bad = self.any(BAD_LAYER) && !self.any(&["failed to register layer"]);
        self.any(LOCAL_STEPS).then_some(match bad {
            true => Cause::InvalidLayer,
            false => Cause::RuntimeTrouble,
        })
    }

    fn of_network(&self) -> Option<Cause> {
        if self.any(TLS) {
            return Some(Cause::TlsFailure);
        }
        if self.any(&["lookup ", "no such host"]) {
            return Some(Cause::HostNotFound);
        }
        if self.any(&["connection refused"]) {
            return Some(Cause::ConnectionRefused);
        }
        if self.any(TIMEOUT) {
            return Some(Cause::Timeout);
        }
        if self.any(BROKEN) {
            return Some(Cause::ConnectionBroken);
        }
        // Whatever went wrong with a request that has no answer, it went wrong on the way.
        let answered = status::status(self).is_some();
        (self.any(NO_WAY) && !answered).then_some(Cause::Unreachable)
    }

    fn of_refusal(&self) -> Option<Cause> {
        let policy = |phrase: &&str| {
            phrase.starts_with("current image with")
                && phrase.contains("cannot be pulled due to configured policy")
                || phrase.starts_with(VERIFIER) && phrase.contains(BLOCKED)
        };
        if self.any(REFUSED_IMAGE) || self.phrases.iter().any(policy) {
            return Some(match says(self, NOT_SCANNED) {
                true => Cause::RegistryUnavailable,
                false => Cause::SignatureRefused,
            });
        }
        if self.any(TOO_MANY) {
            return Some(Cause::TooManyRequests);
        }
        if self.any(&["invalid username/password"]) {
            return Some(Cause::BadCredentials);
        }
        let not_found = |phrase: &&str| names(phrase, "image ", " not found");
        if self.any(DENIED) || self.phrases.iter().any(not_found) {
            return Some(match says(self, RATE_LIMITED) {
                true => Cause::TooManyRequests,
                false => Cause::Denied,
            });
        }
        if self.any(&["RegistryUnavailable", "service unavailable"]) || self.any(AUTHORISING) {
            return Some(Cause::RegistryUnavailable);
        }
        None
    }

    fn of_manifest(&self) -> Option<Cause> {
        if self.any(NO_PLATFORM) {
            return Some(Cause::NoMatchingPlatform);
        }
        // A page for people where a manifest should be: a proxy's, or a registry's that is being repaired.
        let is_page = self
            .phrases
            .iter()
            .any(|p| p.contains("media type text/html"));
        if is_page || self.any(&["invalid character '<'"]) {
            return Some(Cause::RegistryUnavailable);
        }
        let unsupported = |phrase: &&str| names(phrase, "application/vnd.", " not supported");
        if self.any(&["unexpected media type application/vnd."])
            || self.any(UNSUPPORTED)
            || self.phrases.iter().any(unsupported)
        {
            return Some(Cause::UnsupportedManifest);
        }
        if self.any(&["unexpected media type "]) {
            return Some(Cause::RegistryUnavailable);
        }
        if self.any(MISSING_PART) {
            return Some(Cause::MissingContent);
        }
        // A file of zeros, after the node has lost power.
        if self.any(&["invalid character '\\x00'"]) {
            return Some(Cause::RuntimeTrouble);
        }
        if self.any(&["unexpected end of JSON input"]) {
            return Some(Cause::ConnectionBroken);
        }
        if self.any(UNPARSABLE) {
            return Some(Cause::InvalidManifest);
        }
        if self.any(&[
            "failed to parse image reference",
            "invalid reference format",
        ]) {
            return Some(Cause::InvalidImageName);
        }
        let known_to_nobody = self.any(&["manifest unknown", "name unknown"])
            || self.phrases.iter().any(|phrase| {
                let things = ["manifest for ", "repository ", "artifact "];
                things
                    .iter()
                    .any(|thing| names(phrase, thing, " not found"))
                    || phrase.starts_with("Tag ") && phrase.contains(" not found in repository ")
            });
        if known_to_nobody && self.is_of_child() {
            return Some(Cause::MissingContent);
        }
        (known_to_nobody || self.is_missing_manifest()).then_some(Cause::ImageNotFound)
    }

    /// `NotFound` is said of missing blobs and platforms too. Only where the reference itself could not be resolved, and nothing else is said, is it the image.
    fn is_missing_manifest(&self) -> bool {
        let resolving = |phrase: &&str| {
            phrase.starts_with("failed to resolve reference ")
                || *phrase == "failed to resolve image"
        };
        let at = self.phrases.iter().position(resolving);
        let rest = at.map(|at| &self.phrases[at + 1..]);
        matches!(rest, Some([reference, "not found"]) if !reference.contains(' '))
    }

    /// Whether CRI-O read a manifest that an index names, not the one that the image's name does.
    fn is_of_child(&self) -> bool {
        if self.any(&["copying system image from manifest list"]) {
            return true;
        }
        let mut names = self.phrases.iter().filter(|p| p.contains("docker://"));
        let Some(name) = names.next() else {
            return false;
        };
        self.phrases.iter().any(|phrase| {
            let read = phrase.trim_start_matches("Error ");
            let read = read.strip_prefix("reading manifest ");
            let digest = read.and_then(|read| read.split(' ').next());
            digest.is_some_and(|digest| digest.starts_with("sha") && digest.contains(':'))
                && !digest.is_some_and(|digest| name.contains(&format!("@{digest}")))
        })
    }

    /// Where it went wrong, if nothing says what.
    fn of_place(&self) -> Option<Cause> {
        let of_file = |phrase: &&str| {
            let call = phrase.split_once(' ');
            call.is_some_and(|(call, path)| {
                let absolute = path.starts_with('/') || path.get(1..3) == Some(":\\");
                FILE_CALLS.contains(&call) && absolute
            })
        };
        if self.any(LEFT_ON_NODE) || self.phrases.iter().any(of_file) {
            return Some(Cause::RuntimeTrouble);
        }
        if self.code == "DeadlineExceeded" {
            return Some(Cause::Timeout);
        }
        let mut pairs = self.phrases.windows(2);
        pairs
            .any(|pair| status::is_request(pair[0]) && pair[1] != "unknown")
            .then_some(Cause::Unreachable)
    }
}

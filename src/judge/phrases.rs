use super::{Cause, mismatch};

/// One error of a runtime: its gRPC code, if it is shown, and its phrases.
pub(super) struct Phrases<'a> {
    /// `NotFound`, …; empty where none is shown: the kubelet takes `Unknown` off.
    pub(super) code: &'a str,
    /// What stood between the `: `, the outermost first.
    pub(super) phrases: Vec<&'a str>,
}

/// The runtime's store has no room.
const FULL: [&str; 2] = ["no space left on device", "disk quota exceeded"];

/// The system's word for other trouble with the store.
const BROKEN_STORE: [&str; 6] = [
    "input/output error",
    "too many open files",
    "cannot allocate memory",
    "structure needs cleaning",
    "stale file handle",
    "no such file or directory",
];

/// Steps on the node, after all has come from the registry.
const LOCAL_STEPS: [&str; 9] = [
    "failed to extract layer",
    "failed to prepare extraction snapshot",
    "failed to create snapshot",
    "failed to stat snapshot",
    "failed to mount",
    "mount callback failed",
    "apply layer error",
    "failed to get reader from content store",
    "unable to initialize unpacker",
];

const BAD_LAYER: [&str; 7] = [
    "archive/tar",
    "gzip",
    "flate",
    "zstd",
    "unexpected EOF",
    "magic number mismatch",
    "mismatched image rootfs and manifest layers",
];

const TLS: [&str; 5] = [
    "tls",
    "x509",
    "remote error",
    "local error",
    "server gave HTTP response to HTTPS client",
];

const TIMEOUT: [&str; 7] = [
    "i/o timeout",
    "context deadline exceeded",
    "TLS handshake timeout",
    "timeout awaiting response headers",
    "connection timed out",
    "request canceled (Client.Timeout",
    "request canceled while waiting for connection (Client.Timeout",
];

const BROKEN: [&str; 9] = [
    "EOF",
    "connection reset by peer",
    "broken pipe",
    "unexpected EOF",
    "use of closed network connection",
    "server closed idle connection",
    "stream error",
    "HTTP/1.x transport connection broken",
    "http2",
];

const NO_WAY: [&str; 7] = [
    "dial ",
    "proxyconnect ",
    "no route to host",
    "network is unreachable",
    "host is down",
    "failed to do request",
    "pinging container registry ",
];

const AUTHORISING: [&str; 6] = [
    "failed to authorize",
    "failed to fetch anonymous token",
    "failed to fetch oauth token",
    "unable to decode token response",
    "unable to retrieve auth token",
    "requesting bearer token",
];

/// After these comes an HTTP status.
const STATUS: [&str; 8] = [
    "unexpected status from ",
    "unexpected status code ",
    "unexpected status",
    "failed with status code [",
    "received unexpected HTTP status",
    "invalid status code from registry ",
    "unexpected HTTP status code ",
    "StatusCode",
];

const UNPARSABLE: [&str; 5] = [
    "invalid character ",
    "unexpected end of JSON input",
    "json",
    "failed to unmarshal",
    "cannot unmarshal",
];

const UNSUPPORTED: [&str; 6] = [
    "Pulling Schema 1 images have been deprecated",
    "schema 1 image manifests are no longer supported",
    "unsupported schema version",
    "unsupported manifest media type",
    "media type",
    "unsupported MIME type",
];

const NO_PLATFORM: [&str; 3] = [
    "no match for platform",
    "no image found in image index for architecture",
    "no image found in manifest list for architecture",
];

const MISSING_PART: [&str; 6] = [
    "content at ",
    "could not fetch content descriptor",
    "blob unknown",
    "fetching blob",
    "reading blob ",
    "fetching target platform image",
];

const DENIED: [&str; 5] = [
    "pull access denied",
    // CRI-O, of a single refusal: without the code.
    "requested access to the resource is denied",
    "no basic auth credentials",
    "unauthorized",
    "denied",
];

const REFUSED_IMAGE: [&str; 3] = [
    "SignatureValidationFailed",
    "Source image rejected",
    "A signature was required",
];

/// How containerd speaks of an image verifier, and of one that has refused.
const VERIFIER: &str = "image verifier ";
const BLOCKED: &str = " blocked pull of ";

/// Whether a phrase begins so. A single word must be the whole phrase: a registry may be named `json.example`.
fn begins(phrase: &str, beginning: &str) -> bool {
    match beginning.contains(' ') {
        true => phrase.starts_with(beginning),
        false => phrase == beginning,
    }
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
            .or_else(|| self.of_status())
            .or_else(|| self.of_refusal())
            .or_else(|| self.of_manifest())
            .unwrap_or(Cause::Unrecognised)
    }

    /// Whether a phrase begins with one of these.
    fn any(&self, beginnings: &[&str]) -> bool {
        let of = |phrase: &str| beginnings.iter().any(|b| begins(phrase, b));
        self.phrases.iter().any(|phrase| of(phrase))
    }

    fn ends(&self, phrases: &[&str]) -> bool {
        self.phrases
            .last()
            .is_some_and(|last| phrases.contains(last))
    }

    fn of_node(&self) -> Option<Cause> {
        let pulling = self.any(&["failed to pull ", "failed to resolve "]);
        if self.code == "Unavailable" && !pulling || self.any(&["dial unix ", "unknown service "]) {
            return Some(Cause::RuntimeUnreachable);
        }
        if self.ends(&FULL) {
            return Some(Cause::DiskFull);
        }
        if self.ends(&["read-only file system"]) {
            return Some(Cause::ReadOnlyStore);
        }
        let timed_out = self.any(&TIMEOUT);
        if self.code == "Canceled"
            || self.ends(&["context canceled"])
            || self.any(&["operation was canceled", "request canceled"]) && !timed_out
        {
            return Some(Cause::Cancelled);
        }
        // A verifier that was killed, or cannot be run, has not judged the image.
        let failed = |phrase: &&str| phrase.starts_with(VERIFIER) && !phrase.contains(BLOCKED);
        let no_judgement = self.phrases.iter().any(failed);
        (no_judgement || self.ends(&BROKEN_STORE)).then_some(Cause::RuntimeTrouble)
    }

    fn of_content(&self) -> Option<Cause> {
        if let Some(cause) = mismatch::cause(&self.phrases) {
            return Some(cause);
        }
        if self.any(&LOCAL_STEPS) {
            return Some(match self.any(&BAD_LAYER) {
                true => Cause::InvalidLayer,
                false => Cause::RuntimeTrouble,
            });
        }
        None
    }

    fn of_network(&self) -> Option<Cause> {
        if self.any(&TLS) {
            return Some(Cause::TlsFailure);
        }
        if self.any(&["lookup ", "no such host"]) {
            return Some(Cause::HostNotFound);
        }
        if self.any(&["connection refused"]) {
            return Some(Cause::ConnectionRefused);
        }
        if self.any(&TIMEOUT) {
            return Some(Cause::Timeout);
        }
        if self.any(&BROKEN) {
            return Some(Cause::ConnectionBroken);
        }
        // Whatever went wrong with a request that has no answer, it went wrong on the way.
        let answered = self.status().is_some();
        (self.any(&NO_WAY) && !answered).then_some(Cause::Unreachable)
    }

    /// The HTTP status that a registry or its token server answered: a number, and only after a fixed phrase.
    fn status(&self) -> Option<u16> {
        let number = |text: &str| {
            let digits = text.get(..3)?;
            let ended = text[3..]
                .chars()
                .next()
                .is_none_or(|c| !c.is_alphanumeric());
            let code = digits.parse().ok()?;
            (ended && (300..600).contains(&code)).then_some(code)
        };
        self.phrases.iter().enumerate().find_map(|(at, phrase)| {
            let beginning = STATUS.iter().find(|b| begins(phrase, b))?;
            let next = self.phrases.get(at + 1).copied().unwrap_or_default();
            number(&phrase[beginning.len()..]).or_else(|| number(next))
        })
    }

    fn of_status(&self) -> Option<Cause> {
        let status = self.status()?;
        let authorising = self.any(&AUTHORISING);
        Some(match status {
            408 => Cause::Timeout,
            429 => Cause::TooManyRequests,
            500.. | 407 => Cause::RegistryUnavailable,
            401 if self.any(&["failed to fetch oauth token"]) => Cause::BadCredentials,
            401 | 403 => Cause::Denied,
            // The token server's, or the registry's front door's: says nothing of the image.
            _ if authorising || self.any(&["pinging container registry "]) => {
                Cause::RegistryUnavailable
            }
            // A missing manifest is worded otherwise, so it is something else that is missing.
            404 => Cause::MissingContent,
            _ => Cause::Unrecognised,
        })
    }

    fn of_refusal(&self) -> Option<Cause> {
        let blocked = |phrase: &&str| phrase.starts_with(VERIFIER) && phrase.contains(BLOCKED);
        if self.any(&REFUSED_IMAGE) || self.phrases.iter().any(blocked) {
            return Some(Cause::SignatureRefused);
        }
        if self.any(&["too many requests to registry", "toomanyrequests"]) {
            return Some(Cause::TooManyRequests);
        }
        if self.any(&["invalid username/password"]) {
            return Some(Cause::BadCredentials);
        }
        if self.any(&DENIED) {
            return Some(Cause::Denied);
        }
        if self.any(&["RegistryUnavailable"]) || self.any(&AUTHORISING) {
            return Some(Cause::RegistryUnavailable);
        }
        None
    }

    fn of_manifest(&self) -> Option<Cause> {
        if self.any(&NO_PLATFORM) {
            return Some(Cause::NoMatchingPlatform);
        }
        if self.any(&["unexpected media type application/vnd."]) || self.any(&UNSUPPORTED) {
            return Some(Cause::UnsupportedManifest);
        }
        // A page for people where a manifest should be: a proxy's, or a registry's that is being repaired.
        if self.any(&["unexpected media type "]) {
            return Some(Cause::RegistryUnavailable);
        }
        if self.any(&MISSING_PART) {
            return Some(Cause::MissingContent);
        }
        if self.any(&UNPARSABLE) {
            return Some(Cause::InvalidManifest);
        }
        if self.any(&[
            "failed to parse image reference",
            "invalid reference format",
        ]) {
            return Some(Cause::InvalidImageName);
        }
        let known_to_nobody = ["manifest unknown", "name unknown"];
        if self.is_missing_manifest() || self.any(&known_to_nobody) {
            return Some(Cause::ImageNotFound);
        }
        None
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
}

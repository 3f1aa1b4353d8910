//! The table of wordings: how the phrases of each kind of trouble begin. A single word is a whole phrase.

/// The runtime's store has no room.
pub(super) const FULL: &[&str] = &[
    "no space left on device",
    "disk quota exceeded",
    "There is not enough space on the disk",
];

/// The system's word for other trouble with the store.
pub(super) const BROKEN_STORE: &[&str] = &[
    "input/output error",
    "too many open files",
    "cannot allocate memory",
    "structure needs cleaning",
    "stale file handle",
    "no such file or directory",
];

/// Steps on the node, after all has come from the registry.
pub(super) const LOCAL_STEPS: &[&str] = &[
    "failed to extract layer",
    "failed to prepare extraction snapshot",
    "failed to create snapshot",
    "failed to stat snapshot",
    "failed to mount",
    "mount callback failed",
    "apply layer error",
    "failed to get reader from content store",
    "unable to initialize unpacker",
    "failed to commit snapshot",
    "unable to prepare extraction snapshot",
    "failed to open writer",
    "failed to send write",
    "failed to register layer",
    // Docker's, of a storage driver.
    "Driver ",
    "Thin Pool has ",
    // containers/image's, of its own policy file.
    "invalid policy in ",
];

/// After no other trouble is told: these name a step or a thing of the node.
pub(super) const LEFT_ON_NODE: &[&str] = &[
    "failed to unpack image on snapshotter ",
    "failed commit on ref",
    "content digest ",
    "snapshotter ",
    "adding layer with blob",
    "storing blob to file",
    "storing layer ",
    "creating layer ",
    "creating read-write layer",
    "committing the finished image",
    "locating image ",
    "layer not known",
    "image not known",
];

/// How the system's call begins that failed on a file.
pub(super) const FILE_CALLS: &[&str] = &[
    "open",
    "stat",
    "lstat",
    "read",
    "write",
    "sync",
    "mkdir",
    "mkdirat",
    "rename",
    "link",
    "symlink",
    "unlink",
    "remove",
    "unlinkat",
    "readlink",
    "chmod",
    "chown",
    "lchown",
    "truncate",
    "fallocate",
    "mount",
    "unmount",
    "fork/exec",
];

/// The runtime itself, or what stands between it and the kubelet.
pub(super) const NO_RUNTIME: &[&str] = &[
    "dial unix ",
    "unknown service ",
    "Cannot connect to the Docker daemon",
    "error during connect",
];

/// Content that no runtime can read, though its digest is right: it was published so. A stream that breaks off or fails its checksum is not among these: what
/// came was whole, and has been damaged on the node since.
pub(super) const BAD_LAYER: &[&str] = &["archive/tar", "invalid header", "magic number mismatch"];

pub(super) const TLS: &[&str] = &[
    "tls",
    "x509",
    "remote error",
    "local error",
    "server gave HTTP response to HTTPS client",
];

pub(super) const TIMEOUT: &[&str] = &[
    "i/o timeout",
    "context deadline exceeded",
    "TLS handshake timeout",
    "timeout awaiting response headers",
    "connection timed out",
    "request canceled (Client.Timeout",
    "request canceled while waiting for connection (Client.Timeout",
    "Network timed out while trying to connect",
];

pub(super) const BROKEN: &[&str] = &[
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

pub(super) const NO_WAY: &[&str] = &[
    "dial ",
    "proxyconnect ",
    "no route to host",
    "network is unreachable",
    "host is down",
    "failed to do request",
    "pinging container registry ",
    "error pinging docker registry ",
    "unable to ping registry endpoint",
    "Could not reach any registry endpoint",
];

/// The first request to a registry, before any image is asked for.
pub(super) const PINGING: &[&str] = &[
    "pinging container registry ",
    "error pinging docker registry ",
    "unable to ping registry endpoint",
];

pub(super) const AUTHORISING: &[&str] = &[
    "failed to authorize",
    "failed to fetch anonymous token",
    "failed to fetch oauth token",
    "unable to decode token response",
    "unable to retrieve auth token",
    "requesting bearer token",
    "Requesting bearer token",
    // As containers/image spells it.
    "Requesting bear token",
];

/// After these comes an HTTP status.
pub(super) const STATUS: &[&str] = &[
    "unexpected status from ",
    "unexpected status code ",
    "unexpected status",
    "failed with status code [",
    "received unexpected HTTP status",
    "invalid status code from registry ",
    "unexpected HTTP status code ",
    "StatusCode",
    "failed with status",
    // Docker's: the answer was not JSON, so that only its status is known.
    "error parsing HTTP ",
    "Status ",
];

/// A status that is told by its words only.
pub(super) const STATUS_WORDS: &[(&str, u16)] = &[
    ("Bad Request", 400),
    ("Unauthorized", 401),
    ("Forbidden", 403),
    ("Not Found", 404),
    ("Proxy Authentication Required", 407),
    ("Request Timeout", 408),
    ("Too Many Requests", 429),
    ("Internal Server Error", 500),
    ("Bad Gateway", 502),
    ("Service Unavailable", 503),
    ("Gateway Timeout", 504),
];

/// Steps in which a registry sends its reader on to its storage.
pub(super) const STORED: &[&str] = &[
    "failed to copy",
    "httpReadSeeker",
    "httpReaderSeeker",
    "error pulling image configuration",
    "download failed after attempts=",
    "reading blob ",
    "fetching blob",
];

pub(super) const UNPARSABLE: &[&str] = &[
    "invalid character ",
    "json",
    "failed to unmarshal",
    "cannot unmarshal",
];

pub(super) const UNSUPPORTED: &[&str] = &[
    "Pulling Schema 1 images have been deprecated",
    "schema 1 image manifests are no longer supported",
    "unsupported schema version",
    "unsupported manifest media type",
    "media type",
    "unsupported MIME type",
    "unsupported media type",
    "unsupported manifest format",
    "unsupported image-specific operation on artifact",
    "mediaType in manifest should be ",
    "Encountered remote ",
    "invalid rootfs in image configuration",
    "[DEPRECATION NOTICE] Docker Image Format",
];

pub(super) const NO_PLATFORM: &[&str] = &[
    "no match for platform",
    "no image found in image index for architecture",
    "no image found in manifest list for architecture",
    "no matching manifest for ",
    "image operating system ",
    "cannot download image with operating system ",
    "image with reference ",
    "a Windows version ",
];

pub(super) const MISSING_PART: &[&str] = &[
    "content at ",
    "could not fetch content descriptor",
    "blob unknown",
    "fetching blob",
    "reading blob ",
    "fetching target platform image",
    "unknown blob",
];

pub(super) const DENIED: &[&str] = &[
    "pull access denied",
    // CRI-O, of a single refusal: without the code.
    "requested access to the resource is denied",
    "no basic auth credentials",
    "unauthorized",
    "denied",
    "does not exist or no pull access",
    "authentication required",
];

pub(super) const REFUSED_IMAGE: &[&str] = &[
    "SignatureValidationFailed",
    "Source image rejected",
    "A signature was required",
    // Harbor's.
    "The image is not signed",
    "The severity of vulnerability of the image",
    "PROJECT_POLICY_VIOLATION",
    "PROJECTPOLICYVIOLATION",
];

/// How containerd speaks of an image verifier, and of one that has refused.
pub(super) const VERIFIER: &str = "image verifier ";
pub(super) const BLOCKED: &str = " blocked pull of ";

pub(super) const TOO_MANY: &[&str] = &[
    "toomanyrequests",
    "too many requests",
    "Too Many Requests",
    "You have reached your pull rate limit",
];

/// What a registry may add to a refusal that then is none of this reader's rights, in small letters. Each has a character that no image's name has.
pub(super) const RATE_LIMITED: &[&str] = &[
    "rate limit",
    "rate exceeded",
    "quota exceeded",
    "\ntoomanyrequests:",
    "message: toomanyrequests:",
];

/// The same of an image that Harbor has not looked at yet.
pub(super) const NOT_SCANNED: &[&str] = &[
    "without vulnerability scanning cannot be pulled",
    "status of vulnerability scanning cannot be pulled",
    "cannot get the image severity",
];

//! Pull errors of every class, as runtimes word them, of whatever image is pulled.

use pullwarden::judge::Reference;

/// The text of a fault with what it says of the image filled in.
pub fn of(image: &str, text: &str) -> String {
    let Reference {
        registry,
        repository,
        ..
    } = Reference::of(image);
    let tag = image.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    text.replace("{image}", image)
        .replace("{registry}", registry)
        .replace("{repository}", repository)
        .replace("{tag}", tag)
}

macro_rules! resolving {
    ($text:literal) => {
        concat!(
            r#"failed to pull and unpack image "{image}": failed to resolve image: "#,
            $text
        )
    };
}
macro_rules! requesting {
    ($text:literal) => {
        concat!(
            resolving!(
                r#"failed to do request: Head "https://{registry}/v2/{repository}/manifests/{tag}": "#
            ),
            $text
        )
    };
}
macro_rules! status {
    ($text:literal) => {
        concat!(
            resolving!(
                "unexpected status from HEAD request to https://{registry}/v2/{repository}/manifests/{tag}: "
            ),
            $text
        )
    };
}

/// There is no such image, as containerd from 2.1 on says it.
pub const MISSING: &str = r#"rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve image: {image}: not found"#;
/// … and as those before do.
pub const MISSING_1: &str = r#"rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found"#;
/// None for this platform.
pub const NO_PLATFORM: &str = "rpc error: code = NotFound desc = get image config descriptor: no match for platform in manifest sha256:0: not found";
/// A manifest of a kind that is not taken any more.
pub const SCHEMA_1: &str = r#"rpc error: code = InvalidArgument desc = failed to pull and unpack image "{image}": schema 1 image manifests are no longer supported: invalid argument"#;

/// 401 without more.
pub const UNAUTHORIZED: &str = status!("401 Unauthorized");
/// 403.
pub const FORBIDDEN: &str = status!("403 Forbidden\ndenied");
/// A repository that does not exist, or needs a login.
pub const NO_SCOPE: &str = resolving!(
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
);
/// A wrong password.
pub const WRONG_PASSWORD: &str = resolving!(
    "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://{registry}/token?scope=x: 401 Unauthorized"
);
/// A signature that is not accepted.
pub const SIGNATURE: &str = "SignatureValidationFailed: Source image rejected: A signature was required, but no signature exists";

/// What came has not the digest that it should have.
pub const WRONG_DIGEST: &str = r#"rpc error: code = FailedPrecondition desc = failed to pull and unpack image "{image}": failed commit on ref "layer-sha256:0": unexpected commit digest sha256:1, expected sha256:0: failed precondition"#;
/// No manifest at all.
pub const GARBAGE: &str = r#"failed to pull and unpack image "{image}": children: invalid desc sha256:0: invalid character 'h' in literal true (expecting 'r')"#;

/// The registry's name cannot be resolved.
pub const NO_HOST: &str = requesting!("dial tcp: lookup {registry}: no such host");
/// Nothing listens there.
pub const REFUSED: &str = requesting!("dial tcp 10.0.0.1:443: connect: connection refused");
/// No answer.
pub const TIMEOUT: &str = requesting!("dial tcp 10.0.0.1:443: i/o timeout");
/// 429.
pub const TOO_MANY: &str = status!("429 Too Many Requests");
/// 503.
pub const UNAVAILABLE: &str = status!("503 Service Unavailable");
/// In words that nobody knows.
pub const STRANGE: &str = resolving!("the registry is in a funny mood");

/// The node's disk is full.
pub const DISK_FULL: &str = r#"failed to pull and unpack image "{image}": failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/0/data: no space left on device"#;
/// The runtime's store cannot be written to.
pub const READ_ONLY: &str = r#"failed to pull and unpack image "{image}": failed to prepare extraction snapshot "x": mkdir /var/lib/containerd/x: read-only file system"#;
/// The runtime ends under a pull.
pub const CANCELLED: &str = r#"rpc error: code = Canceled desc = failed to pull and unpack image "{image}": context canceled"#;
/// The runtime is away.
pub const RUNTIME_AWAY: &str = r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused""#;

/// Faults of class permanent.
pub const PERMANENT: [&str; 4] = [MISSING, MISSING_1, NO_PLATFORM, SCHEMA_1];
/// … denied.
pub const DENIED: [&str; 5] = [UNAUTHORIZED, FORBIDDEN, NO_SCOPE, WRONG_PASSWORD, SIGNATURE];
/// … corrupt.
pub const CORRUPT: [&str; 2] = [WRONG_DIGEST, GARBAGE];
/// … transient, and one that is not known.
pub const PASSING: [&str; 6] = [NO_HOST, REFUSED, TIMEOUT, TOO_MANY, UNAVAILABLE, STRANGE];

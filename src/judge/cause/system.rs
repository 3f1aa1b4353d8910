//! Words that all runtimes share: the operating system's, and those of Go's libraries.

use super::kind::Cause::*;
use super::sign::{Row, Sign::*, Wording::*};

pub(super) const ROWS: &[Row] = &[
    (Begins("no space left on device"), Of(DiskFull)),
    (Begins("disk quota exceeded"), Of(DiskFull)),
    (
        Begins("There is not enough space on the disk"),
        Of(DiskFull),
    ),
    (Begins("read-only file system"), Of(ReadOnlyStore)),
    (Begins("context canceled"), Of(Cancelled)),
    (Begins("operation was canceled"), Interrupted),
    (Begins("request canceled"), Interrupted),
    (Begins("input/output error"), Of(RuntimeTrouble)),
    (Begins("too many open files"), Of(RuntimeTrouble)),
    (Begins("cannot allocate memory"), Of(RuntimeTrouble)),
    (Begins("structure needs cleaning"), Of(RuntimeTrouble)),
    (Begins("stale file handle"), Of(RuntimeTrouble)),
    (Begins("no such file or directory"), Of(RuntimeTrouble)),
    // A stream that breaks off or fails its checksum is no bad layer: what came was whole, and has
    // been damaged on the node since.
    (Begins("archive/tar"), BadLayer),
    (Begins("invalid header"), BadLayer),
    (Begins("magic number mismatch"), BadLayer),
    (Begins("tls"), Of(TlsFailure)),
    (Begins("x509"), Of(TlsFailure)),
    (Begins("remote error"), Of(TlsFailure)),
    (Begins("local error"), Of(TlsFailure)),
    (
        Begins("server gave HTTP response to HTTPS client"),
        Of(TlsFailure),
    ),
    (Begins("lookup "), Of(HostNotFound)),
    (Begins("no such host"), Of(HostNotFound)),
    (Begins("connection refused"), Of(ConnectionRefused)),
    (Begins("i/o timeout"), Of(Timeout)),
    (Begins("context deadline exceeded"), Of(Timeout)),
    (Begins("TLS handshake timeout"), Of(Timeout)),
    (Begins("timeout awaiting response headers"), Of(Timeout)),
    (Begins("connection timed out"), Of(Timeout)),
    (Begins("request canceled (Client.Timeout"), Of(Timeout)),
    (
        Begins("request canceled while waiting for connection (Client.Timeout"),
        Of(Timeout),
    ),
    (Begins("EOF"), Of(ConnectionBroken)),
    (Begins("unexpected EOF"), Of(ConnectionBroken)),
    (Begins("connection reset by peer"), Of(ConnectionBroken)),
    (Begins("broken pipe"), Of(ConnectionBroken)),
    (
        Begins("use of closed network connection"),
        Of(ConnectionBroken),
    ),
    (
        Begins("server closed idle connection"),
        Of(ConnectionBroken),
    ),
    (Begins("stream error"), Of(ConnectionBroken)),
    (
        Begins("HTTP/1.x transport connection broken"),
        Of(ConnectionBroken),
    ),
    (Begins("http2"), Of(ConnectionBroken)),
    (Begins("dial "), NoAnswer),
    (Begins("proxyconnect "), NoAnswer),
    (Begins("no route to host"), NoAnswer),
    (Begins("network is unreachable"), NoAnswer),
    (Begins("host is down"), NoAnswer),
    // A page for people.
    (Begins("invalid character '<'"), Body(RegistryUnavailable)),
    // A file of zeros, after the node has lost power.
    (Begins("invalid character '\\x00'"), Body(RuntimeTrouble)),
    (
        Begins("unexpected end of JSON input"),
        Body(ConnectionBroken),
    ),
    (Begins("invalid character "), Of(InvalidManifest)),
    (Begins("json"), Of(InvalidManifest)),
    (Begins("failed to unmarshal"), Of(InvalidManifest)),
    (Begins("cannot unmarshal"), Of(InvalidManifest)),
];

/// Names of the system's calls on files, as an error on a file begins.
const FILE_CALLS: &[&str] = &[
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

/// Returns whether a phrase is about a system call on a file of the node.
pub(super) fn is_file_call(phrase: &str) -> bool {
    phrase.split_once(' ').is_some_and(|(call, path)| {
        let is_absolute = path.starts_with('/') || path.get(1..3) == Some(":\\");
        FILE_CALLS.contains(&call) && is_absolute
    })
}

//! Words that all runtimes share: the operating system's, and those of Go's libraries.

use super::kind::Cause::*;
use super::sign::Sign::*;
use super::sign::rows;

rows! {
    "no space left on device" => Of(DiskFull);
    "disk quota exceeded" => Of(DiskFull);
    "There is not enough space on the disk" => Of(DiskFull);
    "read-only file system" => Of(ReadOnlyStore);
    "context canceled" => Of(Cancelled);
    "operation was canceled" => Interrupted;
    "request canceled" => Interrupted;
    "input/output error" => Of(RuntimeTrouble);
    "too many open files" => Of(RuntimeTrouble);
    "cannot allocate memory" => Of(RuntimeTrouble);
    "structure needs cleaning" => Of(RuntimeTrouble);
    "stale file handle" => Of(RuntimeTrouble);
    "no such file or directory" => Of(RuntimeTrouble);
    "too many levels of symbolic links" => Of(RuntimeTrouble);
    // The node's own certificates.
    "failed to find any PEM data in " => Of(RuntimeTrouble);
    "private key does not match public key" => Of(RuntimeTrouble);
    // A stream that breaks off or fails its checksum is no bad layer: what came was whole, and has
    // been damaged on the node since.
    "archive/tar" => BadLayer;
    "invalid header" => BadLayer;
    "magic number mismatch" => BadLayer;
    "tls" => Of(TlsFailure);
    "x509" => Of(TlsFailure);
    "remote error" => Of(TlsFailure);
    "local error" => Of(TlsFailure);
    "server gave HTTP response to HTTPS client" => Of(TlsFailure);
    "lookup " => Of(HostNotFound);
    "no such host" => Of(HostNotFound);
    "connection refused" => Of(ConnectionRefused);
    "i/o timeout" => Of(Timeout);
    "context deadline exceeded" => Of(Timeout);
    "TLS handshake timeout" => Of(Timeout);
    "timeout awaiting response headers" => Of(Timeout);
    "connection timed out" => Of(Timeout);
    "request canceled (Client.Timeout" => Of(Timeout);
    "request canceled while waiting for connection (Client.Timeout" => Of(Timeout);
    "EOF" => Of(ConnectionBroken);
    "unexpected EOF" => Of(ConnectionBroken);
    "connection reset by peer" => Of(ConnectionBroken);
    "broken pipe" => Of(ConnectionBroken);
    "use of closed network connection" => Of(ConnectionBroken);
    "server closed idle connection" => Of(ConnectionBroken);
    "stream error" => Of(ConnectionBroken);
    "HTTP/1.x transport connection broken" => Of(ConnectionBroken);
    "http2" => Of(ConnectionBroken);
    "stopped after " => Of(RegistryUnavailable);
    // An answer that leads nowhere.
    "missing protocol scheme" => Of(RegistryUnavailable);
    "unsupported protocol scheme " => Of(RegistryUnavailable);
    "no Host in request URL" => Of(RegistryUnavailable);
    "failed to parse Location header " => Of(RegistryUnavailable);
    "in header not a valid digest" => Body(RegistryUnavailable);
    "dial " => NoAnswer;
    "proxyconnect " => NoAnswer;
    "no route to host" => NoAnswer;
    "network is unreachable" => NoAnswer;
    "host is down" => NoAnswer;
    // A page for people, which may begin with the mark of its encoding.
    "invalid character '<'" => Body(RegistryUnavailable);
    "invalid character 'ï'" => Body(RegistryUnavailable);
    // A file of zeros, after the node has lost power.
    "invalid character '\\x00'" => Body(RuntimeTrouble);
    "unexpected end of JSON input" => Body(ConnectionBroken);
    "invalid character " => Of(InvalidManifest);
    "json" => Of(InvalidManifest);
    "failed to unmarshal" => Of(InvalidManifest);
    "cannot unmarshal" => Of(InvalidManifest);
}

/// Names of the system's calls on files, as an error on a file begins.
const FILE_CALLS: &str = "open stat lstat read write sync mkdir mkdirat rename link symlink unlink \
    remove unlinkat readlink chmod chown lchown truncate fallocate mount unmount fork/exec";

/// Returns whether a phrase is about a system call on a file of the node.
pub(super) fn is_file_call(phrase: &str) -> bool {
    phrase.split_once(' ').is_some_and(|(call, path)| {
        let is_absolute = path.starts_with('/') || path.get(1..3) == Some(":\\");
        is_absolute && FILE_CALLS.split(' ').any(|known| known == call)
    })
}

//! Sockets, and the container runtime behind its own.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use tokio::net::UnixStream;

use super::Finding;
use crate::cri::Runtime;

const WHAT: &str = "runtime";

/// The runtimes that the agent supports, as they call themselves, each from this version on (major, minor).
const SUPPORTED: [(&str, (u32, u32)); 2] = [("containerd", (1, 7)), ("cri-o", (1, 34))];

/// Reason why a socket cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// There is nothing of this name.
    Absent,
    /// It is something else.
    NoSocket,
    /// It cannot be opened.
    Closed(io::Error),
}

/// Opens the socket at `path`, and closes it again.
///
/// # Errors
/// Why it cannot be used.
pub(super) async fn try_open(path: &Path) -> Result<(), Unusable> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Unusable::Absent),
        Err(error) => return Err(Unusable::Closed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(Unusable::NoSocket);
    }
    let opened = UnixStream::connect(path).await;
    opened.map(drop).map_err(Unusable::Closed)
}

impl Unusable {
    /// More rights would help.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Closed(error) if error.kind() == ErrorKind::PermissionDenied)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is not there"),
            Self::NoSocket => f.write_str("is not a socket"),
            Self::Closed(error) => write!(f, "cannot be opened: {error}"),
        }
    }
}

/// Finds out which container runtime answers.
pub(super) async fn runtime(path: &Path) -> Finding {
    let shown = path.display();
    if let Err(unusable) = try_open(path).await {
        let remedy = match &unusable {
            Unusable::Absent | Unusable::NoSocket => {
                "set criSocket to the runtime's socket and, in a Pod, mount its folder; deploy/README.md says where the distributions have it"
            }
            denied if denied.is_denied() => {
                "run as root, or as the group that the socket belongs to"
            }
            Unusable::Closed(_) => {
                "start the container runtime; in a Pod, mount the socket's folder, not the socket: a restarted runtime makes it anew"
            }
        };
        return Finding::fault(WHAT, &format!("{shown} {unusable}"), remedy);
    }
    match Runtime::at(path).version().await {
        Err(status) => Finding::fault(
            WHAT,
            &format!(
                "{shown} does not answer as a container runtime: {:?}: {}",
                status.code(),
                status.message()
            ),
            "see that it is the runtime's socket, and that the runtime's CRI plugin is switched on",
        ),
        Ok(version) if !is_supported(&version) => Finding::warning(
            WHAT,
            &format!(
                "{version} answers at {shown}; the agent supports {}",
                supported()
            ),
            "watch its causes in mode observe before you let it enforce: other runtimes and versions may report failed pulls in other words",
        ),
        Ok(version) => Finding::ok(WHAT, &format!("{version} answers at {shown}")),
    }
}

/// True if the agent supports a runtime of this name and version.
fn is_supported(answer: &str) -> bool {
    let (name, version) = answer.split_once(' ').unwrap_or((answer, ""));
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    SUPPORTED
        .iter()
        .any(|(known, first)| *known == name && (major, minor) >= *first)
}

/// The list of supported runtimes, for people.
fn supported() -> String {
    SUPPORTED
        .map(|(name, (major, minor))| format!("{name} from {major}.{minor} on"))
        .join(" and ")
}

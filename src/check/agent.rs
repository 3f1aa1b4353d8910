//! Checks whether an agent runs here already, and whether another one could.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::Finding;
use crate::config::Config;
use crate::control;
use crate::deadline::within;
use crate::view::{Ask, Status};

const CONTROL: &str = "control socket";
const ADMIN: &str = "admin address";

/// An answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the control socket and the admin address.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let (control, runs) = control(&config.startup.control_socket).await;
    vec![control, admin(config.startup.admin_address.0, runs).await]
}

/// Checks that an agent answers on its control socket, or could make one.
async fn control(path: &Path) -> (Finding, bool) {
    let shown = path.display();
    if UnixStream::connect(path).await.is_ok() {
        let found = match control::ask::<Status>(path, &Ask::Status).await {
            Ok(status) => format!(
                "an agent answers at {shown}: {}, mode {}",
                status.version,
                status.mode.as_str()
            ),
            Err(error) => {
                let found = format!(
                    "somebody listens at {shown}, who is no agent of this version: {error:#}"
                );
                let remedy = "end the old agent before the new one starts, or set controlSocket to another place";
                return (Finding::warning(CONTROL, &found, remedy), true);
            }
        };
        return (Finding::ok(CONTROL, &found), true);
    }
    // The folder is made where it is not there.
    let above = path.ancestors().skip(1).find(|folder| folder.exists());
    let folder = above.unwrap_or(Path::new("/"));
    let finding = match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(CONTROL, &format!("no agent answers at {shown}")),
        Err(error) => Finding::fault(
            CONTROL,
            &format!(
                "{shown} cannot be made: {}: {}",
                folder.display(),
                io::Error::from(error)
            ),
            "set controlSocket to a folder that can be written to; in a Pod, mount an emptyDir there",
        ),
    };
    (finding, false)
}

/// Checks that the admin address is free, or an agent's already.
async fn admin(address: SocketAddr, runs: bool) -> Finding {
    let error = match TcpListener::bind(address).await {
        Ok(_) => return Finding::ok(ADMIN, &format!("{address} is free")),
        Err(error) => error,
    };
    if error.kind() != ErrorKind::AddrInUse {
        return Finding::fault(
            ADMIN,
            &format!("{address} cannot be listened on: {error}"),
            "set adminAddress to an address of this host, 127.0.0.1:9797 say",
        );
    }
    let livez = within(PATIENCE, livez(address)).await;
    match livez {
        Ok(Ok(true)) => Finding::ok(ADMIN, &format!("an agent answers at {address}")),
        _ if runs => Finding::ok(
            ADMIN,
            &format!("{address} is in use, by the agent that runs"),
        ),
        _ => Finding::fault(
            ADMIN,
            &format!("{address} is in use, and not by an agent"),
            "set adminAddress to a free port",
        ),
    }
}

/// Returns whether the listener answers as an agent does.
async fn livez(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.ends_with("\r\n\r\nok\n") || answer.ends_with("the agent is stuck\n"))
}

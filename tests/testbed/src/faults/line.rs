//! The connection that a request came on, for the faults that are of the connection itself.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Another handle of a connection's socket. The connection is closed when this is gone too.
#[derive(Debug)]
pub struct Line(OwnedFd);

impl Line {
    /// A handle beside the one that is read and written.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        socket.as_fd().try_clone_to_owned().map(Self)
    }

    /// From now on the connection's end is a reset: what was not sent yet is lost.
    pub fn reset_at_the_end(&self) -> Result<()> {
        rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO))
            .context("having a connection reset")
    }
}

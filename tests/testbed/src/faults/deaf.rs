//! A port where connections are neither taken nor refused, as behind a firewall that drops them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// The queue of connections that wait to be taken is as short as can be.
const QUEUE: u32 = 0;
/// A connection that is not made by then will not be made.
const PATIENCE: Duration = Duration::from_millis(300);

/// A listener that takes nobody, with connections of its own that fill its queue.
#[derive(Debug)]
pub struct Deaf {
    listener: TcpListener,
    queue: Vec<TcpStream>,
}

impl Deaf {
    /// Listens, and fills the queue: from then on the kernel drops whoever wants to connect.
    pub async fn at(address: SocketAddr) -> Result<Self> {
        let listen = || {
            let socket = TcpSocket::new_v4()?;
            socket.bind(address)?;
            socket.listen(QUEUE)
        };
        let listener = listen().with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr().context("asking for an address")?;
        let mut queue = Vec::new();
        while let Ok(made) = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            queue.push(made.context("filling a queue of connections")?);
        }
        Ok(Self { listener, queue })
    }

    /// Stays for ever.
    pub async fn stay(self) -> Result<()> {
        let _kept = (self.listener, self.queue);
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_neither_taken_nor_refused() {
        let deaf = Deaf::at(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let address = deaf.listener.local_addr().unwrap();
        let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect(address));
        assert!(connecting.await.is_err());
    }
}

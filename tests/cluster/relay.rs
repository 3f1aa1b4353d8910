//! Another way to the kubelet's socket, that can be hidden while the kubelet goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

/// A socket whose connections lead to another. Ends with the value.
pub struct Relay {
    socket: PathBuf,
    connections: Arc<Mutex<JoinSet<()>>>,
    listening: JoinHandle<()>,
}

impl Relay {
    /// From `socket`, which is made, to `far`.
    pub fn new(socket: &Path, far: PathBuf) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let all = Arc::clone(&connections);
        let listening = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let far = far.clone();
                all.lock().unwrap().spawn(async move {
                    let mut far = UnixStream::connect(far).await.unwrap();
                    // However it ends, it is over for both sides.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self {
            socket: socket.to_owned(),
            connections,
            listening,
        }
    }

    fn hidden(&self) -> PathBuf {
        self.socket.with_extension("hidden")
    }

    /// Moves the socket away and breaks the connections off.
    pub fn hide(&self) {
        std::fs::rename(&self.socket, self.hidden()).unwrap();
        self.connections.lock().unwrap().abort_all();
    }

    /// Moves the socket back.
    pub fn show(&self) {
        std::fs::rename(self.hidden(), &self.socket).unwrap();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

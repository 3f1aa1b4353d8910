//! The open connections of the admin address: few, short, and none that a stranger can hold against the probes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, JoinSet};

/// The most connections that are open at a time.
const MOST: usize = 16;

/// The open connections, the oldest first. They end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    peer: IpAddr,
    request: Request,
    task: AbortHandle,
}

/// Set once a connection has sent its request. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Request(Arc<AtomicBool>);

impl Request {
    /// Notes that the request has come.
    pub(super) fn has_come(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// Serves one more connection, from `peer`. Where there are too many, another one is dropped for it.
    pub(super) async fn add(
        &mut self,
        peer: IpAddr,
        request: Request,
        served: impl Future<Output = ()> + Send + 'static,
    ) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        if self.tasks.len() >= MOST {
            self.drop_one();
            self.tasks.join_next().await;
        }
        let task = self.tasks.spawn(served);
        self.open.push(Open {
            peer,
            request,
            task,
        });
    }

    /// Drops the oldest idle connection of the address that has the most; an idle one has not sent its request. A crowd from one address
    /// thus drops its own connections, and not the kubelet's probe.
    fn drop_one(&mut self) {
        let of_peer = |peer: IpAddr| self.open.iter().filter(|open| open.peer == peer).count();
        // Of equals the last one is taken. That is the oldest: the list is read from its end.
        let newest_first = self.open.iter().rev();
        let dropped = newest_first.max_by_key(|open| (of_peer(open.peer), !open.request.is_here()));
        if let Some(dropped) = dropped {
            dropped.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::{self, Receiver};

    use super::*;

    const CROWD: [u8; 4] = [10, 0, 0, 1];
    const KUBELET: [u8; 4] = [10, 0, 0, 2];

    /// Adds a connection that lasts until it is dropped; the receiver then has an error.
    async fn add(connections: &mut Connections, peer: [u8; 4], request: Request) -> Receiver<()> {
        let (sender, dropped) = oneshot::channel::<()>();
        let served = async move {
            std::future::pending::<()>().await;
            drop(sender);
        };
        connections.add(peer.into(), request, served).await;
        dropped
    }

    async fn fill(connections: &mut Connections) -> Vec<Receiver<()>> {
        let mut open = Vec::new();
        for _ in 0..MOST {
            open.push(add(connections, CROWD, Request::default()).await);
        }
        open
    }

    fn is_open(receiver: &mut Receiver<()>) -> bool {
        matches!(
            receiver.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        )
    }

    fn open_of(receivers: &mut [Receiver<()>]) -> Vec<bool> {
        receivers.iter_mut().map(is_open).collect()
    }

    #[tokio::test]
    async fn a_crowd_drops_its_own_oldest_connections() {
        let mut connections = Connections::default();
        let mut kubelet = add(&mut connections, KUBELET, Request::default()).await;
        let mut crowd = fill(&mut connections).await;
        crowd.extend(fill(&mut connections).await);
        assert!(is_open(&mut kubelet));
        let (gone, kept) = (MOST + 1, MOST - 1);
        assert_eq!(
            open_of(&mut crowd),
            [vec![false; gone], vec![true; kept]].concat()
        );
    }

    #[tokio::test]
    async fn a_connection_with_a_request_outlives_idle_ones() {
        let mut connections = Connections::default();
        let request = Request::default();
        let mut answered = add(&mut connections, CROWD, request.clone()).await;
        request.has_come();
        let mut idle = fill(&mut connections).await;
        assert!(is_open(&mut answered));
        assert!(!is_open(&mut idle[0]));
        assert!(is_open(&mut idle[1]));
    }

    #[tokio::test]
    async fn what_has_ended_makes_room_by_itself() {
        let mut connections = Connections::default();
        for _ in 0..3 * MOST {
            let request = Request::default();
            connections.add(CROWD.into(), request, async {}).await;
            tokio::task::yield_now().await;
        }
        let mut open = fill(&mut connections).await;
        assert_eq!(open_of(&mut open), [true; MOST]);
    }
}

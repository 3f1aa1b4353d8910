//! The kubelet's own Pod service: live status over a root-only unix socket, from Kubernetes 1.37 on.
//!
//! A watch, never a poll: the kubelet logs each call. It drops a reader that falls behind; the stream ends then, and is opened anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, stream};
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tracing::warn;

use self::wire::pods_client::PodsClient;
use self::wire::{EventType, WatchPodsEvent, WatchPodsRequest};
use super::Sighting;
use super::protobuf::{pod_from_protobuf, wire::PodOutline};
use crate::judge::{PodView, Source};
use crate::socket::{LARGEST_ANSWER, answered, channel};
use crate::text::redacted;

mod wire {
    include!(concat!(env!("OUT_DIR"), "/v1alpha1.rs"));
}

/// The first message takes milliseconds, even of a node without Pods.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest silence until all Pods have been named. A socket that stops before that is lost: the agent would wait for the
/// rest for ever, and ask nobody else.
const SILENT: Duration = Duration::from_secs(10);

/// Watches the Pods of the kubelet behind `socket`. Ends with the first [`Sighting::Lost`].
pub fn watch(socket: &Path) -> impl Stream<Item = Sighting> + Send + use<> {
    let client = PodsClient::new(channel(socket));
    let watch = Watch {
        stage: Stage::ToOpen(client.max_decoding_message_size(LARGEST_ANSWER)),
        reader: Reader::default(),
    };
    stream::unfold(watch, async |mut watch| {
        let sighting = watch.next().await?;
        Some((sighting, watch))
    })
}

enum Stage {
    ToOpen(PodsClient<Channel>),
    Open(Streaming<WatchPodsEvent>),
    Ended,
}

struct Watch {
    stage: Stage,
    reader: Reader,
}

impl Watch {
    /// The next thing that is worth telling.
    async fn next(&mut self) -> Option<Sighting> {
        loop {
            let event = match &mut self.stage {
                Stage::ToOpen(client) => match answered(PATIENCE, open(client)).await {
                    Ok((stream, event)) => {
                        self.stage = Stage::Open(stream);
                        Ok(event)
                    }
                    Err(status) => Err(status),
                },
                Stage::Open(stream) if self.reader.is_complete => {
                    stream.message().await.and_then(or_ended)
                }
                Stage::Open(stream) => {
                    let next = answered(SILENT, stream.message()).await;
                    next.and_then(or_ended)
                }
                Stage::Ended => return None,
            };
            match event {
                Ok(event) => {
                    if let Some(sighting) = self.reader.read(&event) {
                        return Some(sighting);
                    }
                }
                Err(status) => {
                    self.stage = Stage::Ended;
                    let text = format!("{:?}: {}", status.code(), redacted(status.message()));
                    return Some(Sighting::Lost(text.into()));
                }
            }
        }
    }
}

/// Opens the stream and waits for its first message: a kubelet that only accepts connections is of no use.
async fn open(
    client: &mut PodsClient<Channel>,
) -> Result<(Streaming<WatchPodsEvent>, WatchPodsEvent), Status> {
    let request = Request::new(WatchPodsRequest {});
    let mut stream = client.watch_pods(request).await?.into_inner();
    let event = stream.message().await.and_then(or_ended)?;
    Ok((stream, event))
}

fn or_ended(event: Option<WatchPodsEvent>) -> Result<WatchPodsEvent, Status> {
    event.ok_or_else(|| Status::unavailable("the stream has ended"))
}

/// Makes sightings of events.
#[derive(Debug, Default)]
struct Reader {
    /// The UIDs of the Pods that were last told of as Pending.
    pending: BTreeSet<String>,
    /// All Pods were named.
    is_complete: bool,
    /// It was said that a Pod cannot be read.
    has_complained: bool,
}

impl Reader {
    /// Returns the observation in an event; mostly none, because most Pods are not Pending.
    fn read(&mut self, event: &WatchPodsEvent) -> Option<Sighting> {
        let kind = event.r#type();
        match kind {
            EventType::Unspecified => None,
            EventType::InitialSyncComplete => {
                self.is_complete = true;
                Some(Sighting::Complete(self.pending.clone()))
            }
            EventType::Added | EventType::Modified | EventType::Deleted => {
                let read = self.read_pod(kind, &event.pod);
                read.unwrap_or_else(|error| {
                    if !std::mem::replace(&mut self.has_complained, true) {
                        warn!(%error, "the kubelet's socket told of a Pod that cannot be read, skipped; further ones are not reported");
                    }
                    None
                })
            }
        }
    }

    fn read_pod(&mut self, kind: EventType, pod: &[u8]) -> anyhow::Result<Option<Sighting>> {
        let outline = PodOutline::decode(pod)?;
        let uid = outline.metadata.unwrap_or_default().uid;
        anyhow::ensure!(!uid.is_empty(), "it has no UID");
        let phase = outline.status.unwrap_or_default().phase;
        if kind == EventType::Deleted || phase != "Pending" {
            if !self.pending.remove(&uid) {
                return Ok(None);
            }
            // Of a Pod that is gone only its name is told.
            let now = (kind != EventType::Deleted).then(|| pod_from_protobuf(pod));
            let now = now.and_then(Result::ok).map(|pod| Box::new(pod.view()));
            return Ok(Some(Sighting::Left(uid, now)));
        }
        let view = pod_from_protobuf(pod)?.view();
        let is_new = self.pending.insert(uid);
        Ok(Some(Sighting::Seen(Box::new(PodView {
            source: Source::Kubelet,
            first: is_new || !self.is_complete,
            ..view
        }))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::wire::{ObjectMeta, Pod, PodStatus};
    use super::*;
    use crate::judge::Phase;

    fn event(kind: EventType, uid: &str, phase: &str) -> WatchPodsEvent {
        let pod = Pod {
            metadata: Some(ObjectMeta {
                uid: uid.to_owned(),
                ..ObjectMeta::default()
            }),
            status: Some(PodStatus {
                phase: phase.to_owned(),
                ..PodStatus::default()
            }),
            ..Pod::default()
        };
        WatchPodsEvent {
            r#type: kind.into(),
            pod: pod.encode_to_vec().into(),
        }
    }

    fn first_of(sighting: Option<Sighting>) -> bool {
        let Some(Sighting::Seen(view)) = sighting else {
            panic!("not seen: {sighting:?}");
        };
        assert_eq!(view.source, Source::Kubelet);
        view.first
    }

    #[test]
    fn the_first_word_of_each_pod_is_marked_before_and_after_the_sync() {
        let mut reader = Reader::default();
        let pending = |uid| event(EventType::Added, uid, "Pending");
        assert!(first_of(reader.read(&pending("a"))));
        let complete = reader.read(&event(EventType::InitialSyncComplete, "", ""));
        assert!(matches!(complete, Some(Sighting::Complete(named)) if named.contains("a")));
        assert!(!first_of(reader.read(&event(
            EventType::Modified,
            "a",
            "Pending"
        ))));
        assert!(first_of(reader.read(&pending("b"))));
        assert!(!first_of(reader.read(&pending("b"))));
    }

    #[test]
    fn only_who_was_pending_leaves_and_only_once() {
        let mut reader = Reader::default();
        assert!(
            reader
                .read(&event(EventType::Added, "a", "Running"))
                .is_none()
        );
        reader.read(&event(EventType::Added, "b", "Pending"));
        let left = reader.read(&event(EventType::Modified, "b", "Running"));
        assert!(
            matches!(left, Some(Sighting::Left(uid, Some(now))) if uid == "b" && now.phase == Phase::Started)
        );
        assert!(reader.read(&event(EventType::Deleted, "b", "")).is_none());
        reader.read(&event(EventType::Added, "c", "Pending"));
        let left = reader.read(&event(EventType::Deleted, "c", ""));
        assert!(matches!(left, Some(Sighting::Left(uid, None)) if uid == "c"));
    }

    #[test]
    fn what_cannot_be_read_is_skipped() {
        let mut reader = Reader::default();
        for bytes in [&b"\xff\xff"[..], b"", b"\x0a\x7f", b"\x0a\x03\x2a\x01\xff"] {
            let garbage = WatchPodsEvent {
                r#type: EventType::Added.into(),
                pod: bytes.to_vec().into(),
            };
            assert!(reader.read(&garbage).is_none(), "{bytes:?}");
        }
        assert!(reader.has_complained);
        let unknown = WatchPodsEvent {
            r#type: 77,
            ..event(EventType::Added, "a", "Pending")
        };
        assert!(reader.read(&unknown).is_none());
        assert!(first_of(reader.read(&event(
            EventType::Added,
            "a",
            "Pending"
        ))));
    }
}

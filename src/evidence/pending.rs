//! This node's Pending Pods as the API server has them: one LIST from its cache, then one WATCH, both served from an index.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures_util::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use futures_util::{Stream, TryStreamExt as _, stream};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{Request, request::Error as Unsendable};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use super::apiserver::ApiServer;
use super::core_v1::Pod;
use super::list::{LONGEST, List};
use super::{Lost, Sighting};
use crate::api::{PATIENCE_OF_LISTS as PATIENCE, call_in_pieces, chain};
use crate::deadline::within;
use crate::text::redacted;

/// The API server ends a watch after this, and it is taken up where it ended. In seconds.
const WATCH: u32 = 290;

/// The API server says at least once a minute how far it is. A watch that says nothing for longer than two such words has lost its other end.
const SILENT: Duration = Duration::from_secs(150);

/// The whole list comes within this time. An API server that sends a piece now and then would otherwise be waited for without end.
const ALL: Duration = Duration::from_secs(120);

/// Watches the Pending Pods of `node`. Ends with the first [`Sighting::Lost`].
pub fn watch(api: ApiServer, node: &str) -> impl Stream<Item = Sighting> + Send + use<> {
    let watch = Watch {
        api,
        fields: format!("spec.nodeName={node},status.phase=Pending"),
        stage: Stage::ToList,
        told: VecDeque::new(),
        has_complained: false,
    };
    stream::unfold(watch, async |mut watch| {
        let sighting = watch.next().await?;
        Some((sighting, watch))
    })
}

struct Watch {
    api: ApiServer,
    fields: String,
    stage: Stage,
    /// Observations to be given next.
    told: VecDeque<Sighting>,
    /// It was said that a Pod cannot be read.
    has_complained: bool,
}

enum Stage {
    ToList,
    Listing(Listing),
    /// From this `resourceVersion` on.
    ToWatch(String),
    Watching(Watching),
    Ended,
}

/// Request to the API server.
type Asked = http::Request<Vec<u8>>;

/// Answer of the API server, as it comes.
type Body = Pin<Box<dyn AsyncBufRead + Send>>;

/// A watch that is open.
struct Watching {
    body: Body,
    /// `resourceVersion` from which the next watch goes on when this one ends.
    version: String,
    /// It has said something.
    has_spoken: bool,
}

/// A list that is coming.
struct Listing {
    body: Body,
    /// The time when it was asked for.
    begun: Instant,
    list: List,
    named: BTreeSet<String>,
}

/// Fields of a list besides its elements.
#[derive(Deserialize)]
struct Rest {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

impl Watch {
    const PODS: &str = "/api/v1/pods";

    async fn next(&mut self) -> Option<Sighting> {
        loop {
            if let Some(sighting) = self.told.pop_front() {
                return Some(sighting);
            }
            let stage = std::mem::replace(&mut self.stage, Stage::Ended);
            let next = match stage {
                Stage::ToList => self.list().await,
                Stage::Listing(listing) => self.read(listing).await,
                Stage::ToWatch(version) => self.watch(version).await,
                Stage::Watching(watching) => self.follow(watching).await,
                Stage::Ended => return None,
            };
            match next {
                Ok(stage) => self.stage = stage,
                Err(lost) => return Some(Sighting::Lost(lost)),
            }
        }
    }

    /// Asks for the list. With `resourceVersion=0`: without it the list costs the API server three orders of magnitude more.
    async fn list(&mut self) -> Result<Stage, Lost> {
        let parameters = ListParams::default().fields(&self.fields).match_any();
        let request = Request::new(Self::PODS).list(&parameters);
        let begun = Instant::now();
        let body = ask(self.api.client().await?, request).await?;
        Ok(Stage::Listing(Listing {
            body,
            begun,
            list: List::default(),
            named: BTreeSet::new(),
        }))
    }

    /// Reads what has come of the list: one Pod is in memory at a time.
    async fn read(&mut self, mut listing: Listing) -> Result<Stage, Lost> {
        let left = ALL.saturating_sub(listing.begun.elapsed());
        let bytes = in_time(left.min(PATIENCE), listing.body.fill_buf()).await?;
        let bytes = bytes.map_err(|error| chain(&error))?;
        let length = bytes.len();
        if length == 0 {
            let rest = serde_json::from_slice::<Rest>(&listing.list.rest());
            let rest = rest.map_err(|error| format!("the list cannot be read: {error}"))?;
            self.told.push_back(Sighting::Complete(listing.named));
            return Ok(Stage::ToWatch(rest.metadata.resource_version));
        }
        let mut pods = Vec::new();
        let taken = listing.list.take(bytes, |element| {
            pods.push(serde_json::from_slice::<Pod>(element));
        });
        taken.map_err(|error| error.to_string())?;
        listing.body.consume_unpin(length);
        for pod in pods {
            match pod {
                Ok(pod) => {
                    let mut view = pod.view();
                    view.first = true;
                    listing.named.insert(view.uid.clone());
                    self.told.push_back(Sighting::Seen(Box::new(view)));
                }
                Err(error) => self.complain(&error),
            }
        }
        Ok(Stage::Listing(listing))
    }

    async fn watch(&mut self, version: String) -> Result<Stage, Lost> {
        let parameters = WatchParams::default().fields(&self.fields).timeout(WATCH);
        let request = Request::new(Self::PODS).watch(&parameters, &version);
        Ok(Stage::Watching(Watching {
            body: ask(self.api.client().await?, request).await?,
            version,
            has_spoken: false,
        }))
    }

    async fn follow(&mut self, mut watching: Watching) -> Result<Stage, Lost> {
        let line = in_time(SILENT, line(&mut watching.body)).await?;
        let line = match line.map_err(|error| chain(&error))? {
            Some(line) => line,
            None if watching.has_spoken => return Ok(Stage::ToWatch(watching.version)),
            // While it stands it is told at least once a minute how far the API server is.
            None => return Err("the watch has ended without a word".to_owned().into()),
        };
        watching.has_spoken = true;
        match serde_json::from_slice::<WatchEvent<Pod>>(&line) {
            Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod)) => {
                let view = pod.view();
                watching.version.clone_from(&view.resource_version);
                self.told.push_back(Sighting::Seen(Box::new(view)));
            }
            Ok(WatchEvent::Deleted(pod)) => {
                let view = pod.view();
                watching.version = view.resource_version;
                self.told.push_back(Sighting::Left(view.uid, None));
            }
            Ok(WatchEvent::Bookmark(bookmark)) => {
                watching.version = bookmark.metadata.resource_version;
                self.told.push_back(Sighting::Alive);
            }
            Ok(WatchEvent::Error(status)) => {
                let asked = status
                    .details
                    .map_or(0, |details| details.retry_after_seconds);
                return Err(Lost {
                    why: redacted(&status.message).into_owned(),
                    asked: Some(Duration::from_secs(asked.into())),
                });
            }
            Err(error) => self.complain(&error),
        }
        Ok(Stage::Watching(watching))
    }

    fn complain(&mut self, error: &serde_json::Error) {
        if !std::mem::replace(&mut self.has_complained, true) {
            warn!(%error, "the API server told of a Pod that cannot be read, skipped; further ones are not reported");
        }
    }
}

async fn ask(client: &Client, request: Result<Asked, Unsendable>) -> Result<Body, Lost> {
    let answer = in_time(PATIENCE, call_in_pieces(client, request)).await?;
    let pieces = answer?.into_data_stream().map_err(io::Error::other);
    Ok(Box::pin(pieces.into_async_read()))
}

/// Returns the next whole line; none at the end, whatever had begun.
async fn line(body: &mut Body) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut bounded = body.take(LONGEST as u64);
    bounded.read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        _ if bounded.limit() == 0 => Err(io::Error::other("an event is too long")),
        _ => Ok(None),
    }
}

async fn in_time<T>(patience: Duration, what: impl Future<Output = T>) -> Result<T, String> {
    within(patience, what)
        .await
        .map_err(|late| late.to_string())
}

//! Pods of the whole cluster or of a namespace, by a list in pages. One piece of a page is in memory
//! at a time.

use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::ListParams;
use kube::client::Body;
use kube::core::Request;
use serde::Deserialize;

use super::core_v1::Pod;
use super::list::List;
use crate::api::{ApiError, PATIENCE_OF_LISTS, call_in_pieces, no_answer};
use crate::deadline::within;

/// Pods of one page. The API server reads no more of them at once.
const PAGE: u32 = 500;

/// A list of Pods that is read in pages.
pub(crate) struct Paged<'a> {
    client: &'a Client,
    path: String,
    parameters: ListParams,
    stage: Stage,
    /// Pages that were asked for.
    pub(crate) pages: u64,
    /// Pods that could not be read.
    pub(crate) unreadable: u64,
}

enum Stage {
    /// The next page is to be asked for.
    Ask,
    /// A page is coming.
    Read(Body, List),
    Ended,
}

/// Fields of a page besides its Pods.
#[derive(Deserialize)]
struct Rest {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    /// Token for the next page; empty or absent on the last.
    #[serde(default)]
    r#continue: String,
}

impl<'a> Paged<'a> {
    /// Returns the list of the Pods in this phase, in one namespace or in all.
    pub(crate) fn of_phase(client: &'a Client, namespace: Option<&str>, phase: &str) -> Self {
        let path = match namespace {
            Some(name) => format!("/api/v1/namespaces/{name}/pods"),
            None => "/api/v1/pods".to_owned(),
        };
        Self {
            client,
            path,
            parameters: ListParams::default()
                .fields(&format!("status.phase={phase}"))
                .limit(PAGE),
            stage: Stage::Ask,
            pages: 0,
            unreadable: 0,
        }
    }

    /// Returns the Pods that came next, perhaps none; `None` at the end of the last page.
    ///
    /// # Errors
    /// The API server's refusal (410 if the list has become too old to go on with), or the reason
    /// why there is no answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Pod>>, ApiError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Ask => {
                    let body = self.ask().await?;
                    self.stage = Stage::Read(body, List::default());
                }
                Stage::Read(body, list) => {
                    if let Some(pods) = self.read(body, list).await? {
                        return Ok(Some(pods));
                    }
                }
                Stage::Ended => return Ok(None),
            }
        }
    }

    async fn ask(&mut self) -> Result<Body, ApiError> {
        self.pages += 1;
        let request = Request::new(&self.path).list(&self.parameters);
        in_time(call_in_pieces(self.client, request)).await?
    }

    /// Reads the next piece of a page. `None` if it was the end.
    async fn read(&mut self, mut body: Body, mut list: List) -> Result<Option<Vec<Pod>>, ApiError> {
        let Some(frame) = in_time(body.frame()).await? else {
            let rest = serde_json::from_slice::<Rest>(&list.rest());
            let token = rest.map_err(|error| no_answer(&error))?.metadata.r#continue;
            if !token.is_empty() {
                self.parameters.continue_token = Some(token);
                self.stage = Stage::Ask;
            }
            return Ok(None);
        };
        let mut pods = Vec::new();
        let frame = frame.map_err(|error| no_answer(&error))?;
        if let Ok(bytes) = frame.into_data() {
            let taken = list.take(&bytes, |element| {
                match serde_json::from_slice::<Pod>(element) {
                    Ok(pod) => pods.push(pod),
                    Err(_) => self.unreadable += 1,
                }
            });
            taken.map_err(|error| no_answer(&error))?;
        }
        self.stage = Stage::Read(body, list);
        Ok(Some(pods))
    }
}

async fn in_time<T>(what: impl Future<Output = T>) -> Result<T, ApiError> {
    let ended = within(PATIENCE_OF_LISTS, what).await;
    ended.map_err(|late| ApiError::NoAnswer(late.to_string()))
}

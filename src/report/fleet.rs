//! The token that an agent enters into the shared object before it writes to a Pod.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{GetParams, Patch};
use kube::core::{Request, request};
use kube::{Client, Resource as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::account::{Step, Trace};
use super::guard::is_off;
use super::patch::parameters;
use super::pause::share;
use crate::api::{ApiError, Dated, call_dated};
use crate::fleet::{Answer, Book, Closed, Limits, Token};
use crate::judge::{Ending, FailRequest, Outcome, PodView, Policy, about};

/// Name of the ConfigMap that all agents share, in their own namespace.
pub const FLEET: &str = "pullwarden-fleet";

/// Time for which the agent does not ask again after it could not use the object.
const PAUSE: u64 = 60;

/// The longest such time that the API server may ask for.
const LONGEST: u64 = 600;

/// The longest pause after a conflict, before the object is read again.
const JITTER: Duration = Duration::from_millis(250);

/// The ConfigMap, as far as it is read.
#[derive(Debug, Default, Deserialize)]
struct Object {
    metadata: ObjectMeta,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

/// The tokens of the object.
struct Read {
    book: Book,
    /// Seconds since the epoch by the API server's clock.
    now: u64,
    /// `metadata.resourceVersion`.
    version: String,
}

/// Reason why a request about the object did not do what it should.
enum Fault {
    /// Another agent has written to the object since it was read.
    Conflict,
    /// The object cannot be used, and the time in seconds until it is tried again.
    Unusable(String, u64),
    /// The kill switch denies the token.
    Off(String),
}

/// Answer about one Pod.
enum Place {
    /// The Pod may be failed.
    Taken,
    /// These limits are reached.
    Closed(Vec<Closed>),
    /// Other agents were quicker, twice.
    Contended,
}

/// The object that all agents share, for the reports of one agent.
#[derive(Debug)]
pub struct FleetObject {
    /// Namespace of the object.
    namespace: String,
    /// One report enters its token at a time: those of one agent do not outrun each other.
    turns: Semaphore,
}

impl FleetObject {
    /// The object in this namespace.
    pub fn in_namespace(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            turns: Semaphore::new(1),
        }
    }
}

/// Share of one report in the object.
///
/// The agent reads the object and adds its token by a patch of the version that it has read. So no
/// token is entered beside one that was not counted. A conflict costs the API server little. A patch
/// without a version would never conflict, but the API server itself would repeat it: six hundred at
/// once kept a real one busy for minutes.
pub(super) struct Fleet<'a> {
    client: &'a Client,
    object: &'a FleetObject,
    /// The report has its token, or needs none.
    is_entered: bool,
    trace: Vec<Trace>,
}

impl<'a> Fleet<'a> {
    /// Nothing was done yet.
    pub(super) const fn of(client: &'a Client, object: &'a FleetObject) -> Self {
        Self {
            client,
            object,
            is_entered: false,
            trace: Vec::new(),
        }
    }

    /// The requests that were made since this was last asked.
    pub(super) fn trace(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.trace)
    }

    /// Enters the token of a Pod, once for each report. With `fleetBudget.enabled: off` there is none.
    ///
    /// # Errors
    /// The end of the report, if there is no place for the Pod.
    pub(super) async fn enter(
        &mut self,
        request: &FailRequest,
        policy: &Policy,
        view: &PodView,
    ) -> Result<(), Ending> {
        let limits = policy.fleet.as_ref().filter(|_| !self.is_entered);
        let Some(limits) = limits else { return Ok(()) };
        let mut wanted = Token::new(0, &policy.node, &view.uid, about(view, &request.image));
        // A limit of 0 needs no question.
        let closed = limits.reached(&[], &wanted);
        let place = match closed.is_empty() {
            true => {
                // Nobody closes it.
                let _turn = self.object.turns.acquire().await;
                self.ask(&mut wanted, request.known_bad, limits).await
            }
            false => Ok(Place::Closed(closed)),
        };
        match place {
            Ok(Place::Taken) => {
                self.is_entered = true;
                Ok(())
            }
            Ok(Place::Closed(closed)) => Err(Ending::closed(closed)),
            Ok(Place::Contended) | Err(Fault::Conflict) => {
                let why = "other agents entered their tokens at the same moment";
                Err(Ending::with(Outcome::Fleet, why))
            }
            Err(Fault::Off(why)) => Err(Ending::with(Outcome::Off, why)),
            Err(Fault::Unusable(why, seconds)) => {
                let object = format!("the ConfigMap {}/{FLEET}", self.object.namespace);
                let why = format!("the fleet budget cannot be used: {object} {why}");
                Err(Ending::closed(vec![Closed::unusable(why, seconds)]))
            }
        }
    }

    /// Enters the token, with three requests at most. Sets the token's time.
    async fn ask(
        &mut self,
        wanted: &mut Token,
        repeats: bool,
        limits: &Limits,
    ) -> Result<Place, Fault> {
        let read = self.read().await?;
        wanted.at = read.now;
        match read.book.ask(wanted, repeats, limits) {
            Answer::Free => return Ok(Place::Taken),
            Answer::Closed(closed) => return Ok(Place::Closed(closed)),
            Answer::Enter => {}
        }
        match self.write(&read, wanted, limits).await {
            Ok(()) => return Ok(Place::Taken),
            Err(Fault::Conflict) => {}
            Err(fault) => return Err(fault),
        }
        // One more request, to know whether the limit is reached now. Then nobody asks in vain.
        tokio::time::sleep(JITTER.mul_f64(share())).await;
        let read = self.read().await?;
        wanted.at = read.now;
        Ok(match read.book.ask(wanted, repeats, limits) {
            Answer::Free => Place::Taken,
            Answer::Closed(closed) => Place::Closed(closed),
            Answer::Enter => Place::Contended,
        })
    }

    async fn read(&mut self) -> Result<Read, Fault> {
        let request = self.requests().get(FLEET, &GetParams::default());
        let answer = self.send(Step::FleetRead, request).await?;
        let data = answer.body.data.unwrap_or_default();
        let entries = data.iter().map(|(key, value)| (&**key, &**value));
        let unusable = |why: String| Fault::Unusable(why, PAUSE);
        let book = Book::read(entries);
        let book = book.map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let why = "is answered without a date, so the age of its tokens is not known";
        let version = answer.body.metadata.resource_version;
        let version = version.filter(|version| !version.is_empty());
        Ok(Read {
            book,
            now: answer.date.ok_or_else(|| unusable(why.to_owned()))?,
            // A write without it would replace others' tokens that were entered since.
            version: version.ok_or_else(|| unusable("has no resourceVersion".to_owned()))?,
        })
    }

    /// Enters a token, and removes those that are outdated.
    async fn write(&mut self, read: &Read, token: &Token, limits: &Limits) -> Result<(), Fault> {
        let outdated = read.book.outdated(token, limits);
        let mut entries: Map<String, Value> = outdated.map(|key| (key, Value::Null)).collect();
        entries.insert(token.key(), token.value().into());
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": read.version },
            "data": entries,
        }));
        let request = self.requests().patch(FLEET, &parameters(), &patch);
        self.send(Step::FleetEnter, request).await?;
        Ok(())
    }

    fn requests(&self) -> Request {
        Request::new(ConfigMap::url_path(&(), Some(&self.object.namespace)))
    }

    async fn send(
        &mut self,
        step: Step,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<Dated<Object>, Fault> {
        let answer = call_dated(self.client, request).await;
        let error = answer.as_ref().err();
        self.trace.push(Trace {
            step,
            result: error.map_or_else(|| "ok".to_owned(), ToString::to_string),
            asked: error.and_then(ApiError::asked),
        });
        answer.map_err(Fault::from)
    }
}

/// Returns the number of tokens that the object in this namespace has.
///
/// # Errors
/// The reason why it cannot be used.
pub async fn fleet_tokens(client: &Client, namespace: &str) -> Result<usize, String> {
    let object = FleetObject::in_namespace(namespace);
    match Fleet::of(client, &object).read().await {
        Ok(read) => Ok(read.book.len()),
        Err(Fault::Unusable(why, _) | Fault::Off(why)) => Err(why),
        Err(Fault::Conflict) => Err("is written to at present".to_owned()),
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Refused(refused) if refused.code == 409 => Self::Conflict,
            ApiError::Refused(refused) if refused.is_not_found() => {
                Self::Unusable("does not exist".to_owned(), PAUSE)
            }
            ApiError::Refused(refused) if is_off(&refused) => Self::Off(refused.to_string()),
            ApiError::Refused(refused) => {
                let asked = refused.retry_after.map_or(0, |asked| asked.as_secs());
                let why = format!("is refused: {refused}");
                Self::Unusable(why, asked.clamp(PAUSE, LONGEST))
            }
            ApiError::NoAnswer(why) => Self::Unusable(format!("is not answered: {why}"), PAUSE),
        }
    }
}

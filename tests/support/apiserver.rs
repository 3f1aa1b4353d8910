//! A fake API server over plain HTTP, with the faults that a real one has only now and then.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::StreamExt as _;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pullwarden::clock::Clock;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub use super::asked::Kind;
use super::asked::kind;
use super::pages::{page, query};
use super::reviews::Reviews;
use super::store::{Body, Refusal, Selector, Store};

/// One request that was made.
#[derive(Clone, Debug)]
pub struct Logged {
    pub kind: Kind,
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub content_type: String,
    /// Null where there was none.
    pub body: Value,
    /// The status that was answered; 0 if the connection was dropped instead.
    pub status: u16,
}

/// What happens to a request instead of, or before, what it asks for.
pub enum Act {
    /// This, and then the request is answered.
    Before(Box<dyn FnOnce(&mut Store) + Send>),
    /// It is refused.
    Refuse(u16, &'static str),
    /// It is refused with this Status.
    RefuseWith(Value),
    /// It is refused, and may come again after so many seconds.
    RefuseFor(u16, u64),
    /// It is answered with this, whatever it asked for.
    Answer(Value),
    /// The connection is dropped, nothing is done.
    Drop,
    /// It is done, and the connection dropped without an answer.
    DropAnswer,
}

/// From which request on, of a kind and counted from 1, and how often.
struct Plan {
    kind: Kind,
    first: usize,
    act: Act,
    for_ever: bool,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    reviews: Mutex<Reviews>,
    log: Mutex<Vec<Logged>>,
    plans: Mutex<Vec<Plan>>,
    connections: AtomicUsize,
    /// What the dates of its answers go by.
    clock: Mutex<Clock>,
}

/// The server. It ends when it is dropped.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Mutex<JoinSet<()>>,
}

impl ApiServer {
    /// One without Pods, on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            shared: Arc::default(),
            address: listener.local_addr().unwrap(),
            tasks: Mutex::default(),
        };
        server.serve(listener);
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its Pods and Events.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }

    /// Its answers have the time of this clock from now on.
    pub fn go_by(&self, clock: Clock) {
        *self.shared.clock.lock().unwrap() = clock;
    }

    /// What it says of itself and of who asks.
    pub fn reviews(&self) -> MutexGuard<'_, Reviews> {
        self.shared.reviews.lock().unwrap()
    }

    /// Every request so far.
    pub fn log(&self) -> Vec<Logged> {
        self.shared.log.lock().unwrap().clone()
    }

    /// What was asked for so far, in order.
    pub fn kinds(&self) -> Vec<Kind> {
        self.log().iter().map(|request| request.kind).collect()
    }

    /// The bodies of the requests of one kind.
    pub fn bodies(&self, kind: Kind) -> Vec<Value> {
        let of_kind = self
            .log()
            .into_iter()
            .filter(|request| request.kind == kind);
        of_kind.map(|request| request.body).collect()
    }

    /// How often something was asked for.
    pub fn count(&self, kind: Kind) -> usize {
        self.kinds().into_iter().filter(|k| *k == kind).count()
    }

    /// Requests that write to Pods, or about them.
    pub fn writes(&self) -> Vec<Kind> {
        let reads = [
            Kind::List,
            Kind::Watch,
            Kind::Get,
            Kind::TryPatch,
            Kind::TryDelete,
            Kind::GetNamespace,
            Kind::Version,
            Kind::UserReview,
            Kind::AccessReview,
            Kind::GetFleet,
            Kind::PatchFleet,
        ];
        self.kinds()
            .into_iter()
            .filter(|kind| !reads.contains(kind))
            .collect()
    }

    /// `act` happens to the `nth` request of a kind, counted from 1.
    pub fn at(&self, kind: Kind, nth: usize, act: Act) {
        self.plan(Plan {
            kind,
            first: nth,
            act,
            for_ever: false,
        });
    }

    /// The `nth` request of a kind, and all after it, are refused.
    pub fn refuse_from(&self, kind: Kind, nth: usize, code: u16, message: &'static str) {
        let act = Act::Refuse(code, message);
        self.plan(Plan {
            kind,
            first: nth,
            act,
            for_ever: true,
        });
    }

    /// Something happens before the `nth` request of a kind is answered.
    pub fn before(&self, kind: Kind, nth: usize, act: impl FnOnce(&mut Store) + Send + 'static) {
        self.at(kind, nth, Act::Before(Box::new(act)));
    }

    fn plan(&self, plan: Plan) {
        self.shared.plans.lock().unwrap().push(plan);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Goes away with all its connections. What it holds stays.
    pub async fn down(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.shutdown().await;
        self.store().drop_watches();
    }

    /// Comes back on the same port.
    pub async fn up(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    fn serve(&self, listener: TcpListener) {
        let shared = self.shared.clone();
        self.tasks.lock().unwrap().spawn(async move {
            // Dropped with this task, connections end with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(connection(stream, shared.clone()));
            }
        });
    }
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let open = Open(shared.clone());
    let service = service_fn(move |request| answer(shared.clone(), request));
    // One that breaks is one of the things that are tried.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(open);
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let mut logged = Logged {
        kind: Kind::Other,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(query).unwrap_or_default(),
        content_type: content_type.map_or("", |v| v.to_str().unwrap()).to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        status: 0,
    };
    logged.kind = kind(&logged);
    let place = {
        let mut log = shared.log.lock().unwrap();
        log.push(logged.clone());
        log.len() - 1
    };
    let mut answer = shared.answer(&logged);
    if let Ok(answer) = &mut answer {
        let now = shared.clock.lock().unwrap().wall();
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        answer
            .headers_mut()
            .insert(header::DATE, date.parse().unwrap());
    }
    let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
    shared.log.lock().unwrap()[place].status = status;
    answer
}

impl Shared {
    fn answer(&self, request: &Logged) -> io::Result<Response<Body>> {
        let dropped = || io::Error::other("dropped on purpose");
        let mut store = self.store.lock().unwrap();
        match self.planned(request.kind) {
            Some(Act::Before(act)) => act(&mut store),
            Some(Act::Refuse(code, message)) => {
                return Ok(refuse(&Refusal(code, "Planned", message.to_owned())));
            }
            Some(Act::RefuseWith(status)) => {
                let code = status["code"].as_u64().unwrap();
                return Ok(json_response(code.try_into().unwrap(), &status));
            }
            Some(Act::RefuseFor(code, seconds)) => {
                let busy = Refusal(code, "TooManyRequests", "busy".to_owned());
                let mut answer = refuse(&busy);
                let headers = answer.headers_mut();
                headers.insert(header::RETRY_AFTER, seconds.into());
                return Ok(answer);
            }
            Some(Act::Answer(value)) => return Ok(json_response(200, &value)),
            Some(Act::Drop) => return Err(dropped()),
            Some(Act::DropAnswer) => {
                self.respond(&mut store, request);
                return Err(dropped());
            }
            None => {}
        }
        Ok(self.respond(&mut store, request))
    }

    fn respond(&self, store: &mut Store, request: &Logged) -> Response<Body> {
        let reviews = self.reviews.lock().unwrap();
        let value = match request.kind {
            Kind::Version => reviews.version(),
            Kind::UserReview => reviews.user(),
            Kind::AccessReview => reviews.access(&request.body),
            _ => return respond(store, request),
        };
        json_response(200, &value)
    }

    /// The plan for this request, of which the present one is already in the log.
    fn planned(&self, kind: Kind) -> Option<Act> {
        let log = self.log.lock().unwrap();
        let count = log.iter().filter(|logged| logged.kind == kind).count();
        let mut plans = self.plans.lock().unwrap();
        let due = |plan: &Plan| {
            plan.kind == kind && (plan.first == count || plan.for_ever && plan.first <= count)
        };
        let index = plans.iter().position(due)?;
        match (plans[index].for_ever, &plans[index].act) {
            (true, Act::Refuse(code, message)) => Some(Act::Refuse(*code, message)),
            _ => Some(plans.swap_remove(index).act),
        }
    }
}

fn respond(store: &mut Store, request: &Logged) -> Response<Body> {
    let parts: Vec<&str> = request.path.split('/').collect();
    let (namespace, name) = (parts.get(4), parts.get(6));
    let (namespace, name) = (namespace.unwrap_or(&""), name.unwrap_or(&""));
    let value = |key: &str| {
        let found = request.query.iter().find(|(k, _)| k == key);
        found.map_or("", |(_, value)| value.as_str())
    };
    let selector = Selector::parse(value("fieldSelector"));
    let answer = match request.kind {
        Kind::List => page(store.list(&selector), namespace, |key| {
            value(key).to_owned()
        }),
        Kind::Watch => {
            let version = value("resourceVersion").parse().unwrap_or(0);
            let lines = store.watch(selector, version);
            let frames = lines.map(|line| Ok::<_, Infallible>(Frame::data(line)));
            return Response::new(StreamBody::new(frames).boxed_unsync());
        }
        // Nothing is changed by it; what it would have been is of no interest.
        Kind::Get | Kind::TryPatch | Kind::TryDelete => store.get(namespace, name),
        Kind::PatchStatus => store.patch(namespace, name, true, &request.body),
        Kind::PatchPod => store.patch(namespace, name, false, &request.body),
        Kind::DeletePod => store.delete(namespace, name, &request.body),
        Kind::GetNamespace => Ok(store.namespace(namespace)),
        Kind::PostEvent => store.post_event(namespace, &request.body),
        Kind::GetFleet => store.fleet.get(),
        Kind::PatchFleet => store.fleet.patch(&request.body),
        Kind::Version | Kind::UserReview | Kind::AccessReview | Kind::Other => {
            Err(Refusal(405, "MethodNotAllowed", "nothing here".to_owned()))
        }
    };
    match answer {
        Ok(value) => json_response(200, &value),
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(Refusal(code, reason, message): &Refusal) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
        "details": {"kind": "pods", "causes": causes(message)}});
    json_response(*code, &status)
}

/// What a real API server names as the causes: a policy's denial, and each field of a validation.
fn causes(message: &str) -> Value {
    const FIELD: &str = "metadata.uid";
    if let Some(start) = message.find("ValidatingAdmissionPolicy '") {
        return json!([{"message": message[start..]}]);
    }
    match message.contains(&format!("{FIELD}: Invalid value")) {
        true => json!([{"reason": "FieldValueInvalid", "message": message, "field": FIELD}]),
        false => json!([]),
    }
}

fn json_response(code: u16, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code.try_into().unwrap();
    let content_type = header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

//! Carries out effects that need the API server or the runtime. Each is a task of its own, so the
//! event loop waits for none of them.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};
use tracing::warn;

use super::namespaces::NamespaceReader;
use super::reverts::Reverts;
use super::told::Told;
use crate::cri::Runtime;
use crate::evidence::{self, ApiServer, Lost};
use crate::judge::{
    Action, Aftermath, Because, Complaint, Ending, FailRequest, NamespaceView, Outcome, PodId,
    Policy, Undone,
};
use crate::report::{self, About, Account, Event, Guard, InForce, Permits, Trace, Unguarded};
use crate::shutdown::{self, Trigger};

/// Result of one task.
#[derive(Debug)]
pub(super) enum Done {
    /// The report on a Pod: the Pod was failed, or only announced.
    Reported {
        pod: PodId,
        image: String,
        account: Account,
        /// The Event that is to be written; `None` if none is due.
        event: Option<Event>,
        /// Result of the Event that says what would have been done; `None` if none was due. The Pod
        /// is announced only once this is known.
        announced: Option<Result<(), String>>,
    },
    /// Fate of a Pod that would have been failed, and left Pending.
    Followed {
        pod: PodId,
        image: String,
        because: Because,
        became: Aftermath,
        trace: Vec<Trace>,
    },
    /// An Event was to be written.
    Announced {
        pod: PodId,
        about: About,
        event: Result<(), String>,
    },
    /// A namespace was to be read.
    Namespace {
        name: String,
        found: Result<NamespaceView, Lost>,
    },
    /// Proof that the API server holds the agent to its own node.
    Guarded(Result<(), Unguarded>),
    /// Our conditions were to be reverted.
    Reverted {
        pod: PodId,
        undone: Undone,
        trace: Vec<Trace>,
    },
    /// A task has ended without a result.
    Nothing,
}

/// Things that the reports of the agent use by turns.
struct Turns {
    /// The runtime is asked to pull by one report at a time.
    pulls: Semaphore,
    /// The guard's proof, and the fleet budget.
    permits: Permits,
}

/// The tasks, and what they need.
pub(super) struct Workers {
    pub(super) api: ApiServer,
    pub(super) guard: Guard,
    runtime: Asked,
    /// Tells the reports that the agent ends.
    ending: Trigger,
    /// The policy, for the reports that are under way.
    in_force: watch::Sender<Arc<Policy>>,
    tasks: JoinSet<Done>,
    /// The Pods and images of the reports, by task. One that panics still has a result.
    reports: HashMap<Id, (PodId, String)>,
    pub(super) reverts: Reverts,
    pub(super) namespaces: NamespaceReader,
    told: Told,
}

/// The runtime, and what the reports use by turns.
#[derive(Clone)]
struct Asked {
    runtime: Runtime,
    turns: Arc<Turns>,
}

impl Workers {
    pub(super) fn new(api: ApiServer, guard: Guard, runtime: Runtime, policy: &Policy) -> Self {
        let turns = Turns {
            pulls: Semaphore::new(1),
            permits: Permits::of(guard.clone()),
        };
        Self {
            api,
            guard,
            runtime: Asked {
                runtime,
                turns: Arc::new(turns),
            },
            ending: shutdown::channel().0,
            in_force: watch::Sender::new(Arc::new(policy.clone())),
            tasks: JoinSet::new(),
            reports: HashMap::new(),
            reverts: Reverts::default(),
            namespaces: NamespaceReader::default(),
            told: Told::default(),
        }
    }

    /// Number of tasks that are under way.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Reports that are under way use this policy from now on.
    pub(super) fn put_in_force(&self, policy: &Policy) {
        self.in_force.send_replace(Arc::new(policy.clone()));
    }

    /// Tells the reports that the agent ends.
    pub(super) fn end(&self) {
        self.ending.pull();
    }

    /// Returns the next result; never, if nothing is under way.
    pub(super) async fn next(&mut self) -> Done {
        let joined = match self.tasks.join_next_with_id().await {
            Some(joined) => joined,
            None => future::pending().await,
        };
        match joined {
            Ok((id, done)) => {
                self.reports.remove(&id);
                done
            }
            Err(error) => {
                warn!(%error, "a task ended unexpectedly");
                let Some((pod, image)) = self.reports.remove(&error.id()) else {
                    return Done::Nothing;
                };
                let ending = Ending::with(Outcome::Refused, "the report ended unexpectedly");
                let mut account = Account::from(ending);
                // It may have got as far as the condition.
                account.marked = Some(true);
                Done::Reported {
                    pod,
                    image,
                    account,
                    event: None,
                    announced: None,
                }
            }
        }
    }

    /// Starts the report on a Pod.
    pub(super) fn report(&mut self, mut request: Box<FailRequest>, at: Timestamp) {
        let (in_force, mut ending) = (InForce::of(&self.in_force), self.ending.request());
        let policy = in_force.now();
        let Asked { mut runtime, turns } = self.runtime.clone();
        let api = self.api.clone();
        let (pod, image) = (request.pod.clone(), request.image.clone());
        let of_task = (pod.clone(), image.clone());
        let task = self.tasks.spawn(async move {
            // The last look at the Pod comes last: it is the freshest at the write, and who is spared before costs no request.
            let asked = tokio::select! {
                () = ending.asked() => Err(Ending::with(Outcome::Refused, "the agent is ending")),
                asked = report::ask(&mut runtime, &turns.pulls, report::PATIENCE, &mut request) => asked,
            };
            let account = match asked {
                Err(ending) => ending.into(),
                // The client is made only where it is needed.
                Ok(()) => match api.client().await {
                    Err(why) => Ending::with(Outcome::Refused, why).into(),
                    Ok(client) if request.enforce => {
                        report::fail(client, &request, &in_force, &turns.permits, at).await
                    }
                    Ok(client) => report::look(client, &request, &in_force).await,
                },
            };
            let event = match (account.ending.outcome, account.action(policy.action)) {
                (Outcome::Written, Action::Fail) => Some(Event::Failed(request.clone())),
                (Outcome::Written, Action::Delete) => Some(Event::Deleted(request.clone())),
                _ => None,
            };
            let mut announced = None;
            if account.ending.outcome == Outcome::Due {
                let event = Event::WouldFail(request.clone());
                announced =
                    Some(announce(&api, (&pod, &About::Pod), &policy.node, &event, at).await);
            }
            Done::Reported {
                pod,
                image,
                account,
                event,
                announced,
            }
        });
        self.reports.insert(task.id(), of_task);
    }

    /// Asks what became of a Pod that would have been failed and is not Pending any more.
    pub(super) fn ask_whether_started(&mut self, pod: PodId, image: String, because: Because) {
        let api = self.api.clone();
        self.tasks.spawn(async move {
            let (became, trace) = match api.client().await {
                Ok(client) => report::aftermath(client, &pod, &image).await,
                Err(_) => (Aftermath::Unknown, Vec::new()),
            };
            Done::Followed {
                pod,
                image,
                because,
                became,
                trace,
            }
        });
    }

    /// Writes an Event about annotations that cannot be read.
    pub(super) fn complain(
        &mut self,
        pod: PodId,
        complaints: Vec<Complaint>,
        node: &str,
        at: Timestamp,
    ) {
        self.announce(pod, Event::InvalidAnnotations(complaints), node, at);
    }

    /// Writes an Event on a Pod. It may take minutes where the API server asks for pauses.
    pub(super) fn announce(&mut self, pod: PodId, event: Event, node: &str, at: Timestamp) {
        self.announce_on(pod, About::Pod, event, node, at);
    }

    /// Writes the same Event on owners of a Pod that got none about the image within this hour.
    pub(super) fn tell_owners(
        &mut self,
        pod: &PodId,
        owners: Vec<OwnerReference>,
        event: &Event,
        node: &str,
        at: Timestamp,
    ) {
        for about in owners.into_iter().map(About::Owner) {
            if self.told.begins(about.event_name(pod, event, at), at) {
                self.announce_on(pod.clone(), about, event.clone(), node, at);
            }
        }
    }

    fn announce_on(&mut self, pod: PodId, about: About, event: Event, node: &str, at: Timestamp) {
        let (api, node) = (self.api.clone(), node.to_owned());
        self.tasks.spawn(async move {
            let result = announce(&api, (&pod, &about), &node, &event, at).await;
            Done::Announced {
                pod,
                about,
                event: result,
            }
        });
    }

    /// Reads a namespace.
    pub(super) fn read_namespace(&mut self, name: String) {
        let api = self.api.clone();
        self.tasks.spawn(async move {
            let found = match api.client().await {
                Ok(client) => evidence::namespace(client, &name).await,
                Err(error) => Err(error.into()),
            };
            Done::Namespace { name, found }
        });
    }

    /// Reverts our conditions.
    pub(super) fn revert(&mut self, pod: PodId, action: Action, at: Timestamp) {
        let api = self.api.clone();
        self.tasks.spawn(async move {
            let (undone, trace) = match api.client().await {
                Ok(client) => report::take_back(client, &pod, action, at).await,
                Err(_) => (Undone::Standing, Vec::new()),
            };
            Done::Reverted { pod, undone, trace }
        });
    }

    /// Tries whether the API server holds the agent to its own node. It is tried again before the
    /// first write.
    pub(super) fn prove_guard(&mut self) {
        if self.guard.is_known().is_none() {
            warn!(
                "not run in a Pod: whether the API server holds this agent to its own node is not tried"
            );
            return;
        }
        let (api, guard) = (self.api.clone(), self.guard.clone());
        self.tasks.spawn(async move {
            Done::Guarded(match api.client().await {
                Ok(client) => guard.make_sure(client).await,
                Err(why) => Err(Unguarded::Unknown { why, asked: None }),
            })
        });
    }
}

async fn announce(
    api: &ApiServer,
    about: (&PodId, &About),
    node: &str,
    event: &Event,
    at: Timestamp,
) -> Result<(), String> {
    report::announce(api.client().await?, about, node, event, at).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn a_report_that_panics_has_a_result() {
        let policy = crate::config::load(&[("nodeName", "n".to_owned())].into(), |_| None, None);
        let api = ApiServer::new(None);
        let runtime = Runtime::at(std::path::Path::new("/none"));
        let policy = policy.unwrap().policy;
        let mut workers = Workers::new(api, Guard::new(None, Clock::default()), runtime, &policy);
        let pod = PodId {
            uid: "u".to_owned(),
            namespace: "n".to_owned(),
            name: "p".to_owned(),
        };
        let task = workers.tasks.spawn(async { panic!("on purpose") });
        let of_task = (pod.clone(), "r/a:1".to_owned());
        workers.reports.insert(task.id(), of_task);
        let Done::Reported {
            pod: of,
            image,
            account,
            ..
        } = workers.next().await
        else {
            panic!("no result");
        };
        assert_eq!((of, image.as_str()), (pod, "r/a:1"));
        assert_eq!(account.ending.outcome, Outcome::Refused);
        // The condition may have been written: it is reverted, or completed at the next failure.
        assert_eq!(account.marked, Some(true));
        assert!(workers.reports.is_empty());
    }
}

//! Carries out effects that need the API server or the runtime. Each is a task of its own, so the
//! event loop waits for none of them.

use std::collections::{BTreeMap, HashMap};
use std::future;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};
use tracing::warn;

use super::labels::LabelReader;
use super::reverts::Reverts;
use crate::cri::Runtime;
use crate::evidence::{self, ApiServer};
use crate::judge::{
    Action, Aftermath, Because, Complaint, Ending, FailRequest, Outcome, PodId, Policy, Undone,
};
use crate::report::{self, Account, Event, Guard, InForce, Trace, Unguarded};
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
        event: Result<(), String>,
    },
    /// The labels of a namespace were to be read.
    Labels {
        name: String,
        labels: Result<BTreeMap<String, String>, String>,
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

/// The tasks, and what they need.
pub(super) struct Workers {
    pub(super) api: ApiServer,
    pub(super) guard: Guard,
    runtime: Runtime,
    /// The runtime is asked to pull by one report at a time.
    pulls: Arc<Semaphore>,
    /// Tells the reports that the agent ends.
    ending: Trigger,
    /// The policy, for the reports that are under way.
    in_force: watch::Sender<Arc<Policy>>,
    tasks: JoinSet<Done>,
    /// The Pods and images of the reports, by task. One that panics still has a result.
    reports: HashMap<Id, (PodId, String)>,
    pub(super) reverts: Reverts,
    pub(super) labels: LabelReader,
}

impl Workers {
    pub(super) fn new(api: ApiServer, guard: Guard, runtime: Runtime, policy: &Policy) -> Self {
        Self {
            api,
            guard,
            runtime,
            pulls: Arc::new(Semaphore::new(1)),
            ending: shutdown::channel().0,
            in_force: watch::Sender::new(Arc::new(policy.clone())),
            tasks: JoinSet::new(),
            reports: HashMap::new(),
            reverts: Reverts::default(),
            labels: LabelReader::default(),
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
        let (mut runtime, pulls) = (self.runtime.clone(), self.pulls.clone());
        let (api, guard) = (self.api.clone(), self.guard.clone());
        let (pod, image) = (request.pod.clone(), request.image.clone());
        let of_task = (pod.clone(), image.clone());
        let task = self.tasks.spawn(async move {
            // The last look at the Pod comes last: it is the freshest at the write, and who is spared before costs no request.
            let asked = tokio::select! {
                () = ending.asked() => Err(Ending::with(Outcome::Refused, "the agent is ending")),
                asked = report::ask(&mut runtime, &pulls, report::PATIENCE, &mut request) => asked,
            };
            let account = match asked {
                Err(ending) => ending.into(),
                // The client is made only where it is needed.
                Ok(()) => match api.client().await {
                    Err(why) => Ending::with(Outcome::Refused, why).into(),
                    Ok(client) if request.enforce => match guard.make_sure(client).await {
                        Ok(()) => report::fail(client, &request, &in_force, at).await,
                        Err(unguarded) => unguarded.ending().into(),
                    },
                    Ok(client) => report::look(client, &request, &in_force).await,
                },
            };
            let event = match (account.ending.outcome, policy.action) {
                (Outcome::Written, Action::Fail) => Some(Event::Failed(request.clone())),
                (Outcome::Written, Action::Delete) => Some(Event::Deleted(request.clone())),
                _ => None,
            };
            let mut announced = None;
            if account.ending.outcome == Outcome::Due {
                let event = Event::WouldFail(request.clone());
                announced = Some(announce(&api, &pod, &policy.node, &event, at).await);
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

    /// Writes an Event. It may take minutes where the API server asks for pauses.
    pub(super) fn announce(&mut self, pod: PodId, event: Event, node: &str, at: Timestamp) {
        let (api, node) = (self.api.clone(), node.to_owned());
        self.tasks.spawn(async move {
            let event = announce(&api, &pod, &node, &event, at).await;
            Done::Announced { pod, event }
        });
    }

    /// Reads the labels of a namespace.
    pub(super) fn read_labels(&mut self, name: String) {
        let api = self.api.clone();
        self.tasks.spawn(async move {
            let labels = match api.client().await {
                Ok(client) => evidence::labels(client, &name).await,
                Err(error) => Err(error),
            };
            Done::Labels { name, labels }
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
                Err(error) => Err(Unguarded::Unknown(error)),
            })
        });
    }
}

async fn announce(
    api: &ApiServer,
    pod: &PodId,
    node: &str,
    event: &Event,
    at: Timestamp,
) -> Result<(), String> {
    report::announce(api.client().await?, pod, node, event, at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_report_that_panics_has_a_result() {
        let policy = crate::config::load(&[("nodeName", "n".to_owned())].into(), |_| None, None);
        let api = ApiServer::new(None);
        let runtime = Runtime::at(std::path::Path::new("/none"));
        let policy = policy.unwrap().policy;
        let mut workers = Workers::new(api, Guard::new(None), runtime, &policy);
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

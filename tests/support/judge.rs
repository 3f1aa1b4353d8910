//! The pure judge with what it needs around it, on a clock that the test turns.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use pullwarden::fleet::Limits;
use pullwarden::judge::{
    Action, Asks, BehindMirror, BrakeRules, Budget, Cause, Decision, Effect, Event, FailRequest,
    Judge, Kept, Ledger, Moment, NodeMode, Note, Observed, Outcome, PodView, Policy, Reason,
    RegistryRule, RestartPolicy, Scope, Settings, Switches, Threshold, Thresholds, Verdict,
};
use serde::{Serialize, de::DeserializeOwned};

use super::pod::{BAD, NOT_FOUND, Pod, back_off};

const MINUTE: u64 = 60;

/// The moment `seconds` after the node started.
pub fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

/// The default fleet budget.
pub const FLEET: Limits = Limits {
    window: Duration::from_secs(10 * MINUTE),
    pods: 30,
    per_registry: 20,
    per_namespace: 20,
    per_owner: 10,
    namespaces: BTreeMap::new(),
};

/// The request to fail a Pod whose image does not exist, after five failures.
pub fn to_fail(pod: &Pod) -> FailRequest {
    FailRequest {
        pod: pod.view().id(),
        image: BAD.to_owned(),
        cause: Cause::ImageNotFound,
        failures: 5,
        lasting: Duration::ZERO,
        error: NOT_FOUND.to_owned(),
        enforce: true,
        known_bad: false,
        asks: Asks::default(),
        opinion: None,
    }
}

/// The policy of DESIGN.md's defaults for `node1`, but with this mode.
pub fn policy(mode: NodeMode) -> Policy {
    let threshold = |failures, minutes| Threshold {
        failures: NonZeroU32::new(failures).unwrap(),
        lasting: Duration::from_secs(minutes * MINUTE),
    };
    Policy {
        node: "node1".to_owned(),
        mode,
        failure_count: None,
        thresholds: Thresholds::new(
            threshold(5, 10),
            threshold(5, 15),
            threshold(5, 15),
            threshold(12, 6 * 60),
        ),
        scope: Scope {
            restart_policies: vec![RestartPolicy::Never, RestartPolicy::OnFailure],
            exclude_namespaces: ["kube-system".to_owned()].into(),
            namespaces: Vec::new(),
            namespace_annotations: None,
            pods: Vec::new(),
        },
        action: Action::Fail,
        behind_mirror: BehindMirror::default(),
        fleet: Some(FLEET),
        switches: Switches {
            second_opinion: false,
            owner_events: true,
        },
        namespaces: Default::default(),
    }
}

/// The brake's rules by DESIGN.md's defaults.
pub const RULES: BrakeRules = BrakeRules {
    budget: Budget {
        pods: 10,
        per_owner: 3,
        per: Duration::from_secs(600),
    },
    registry: RegistryRule {
        repositories: NonZeroU32::new(3).unwrap(),
        within: Duration::from_secs(15 * MINUTE),
        at_most: Duration::from_secs(60 * MINUTE),
    },
    new_node: Duration::from_secs(60 * MINUTE),
};

/// A judge on a node that is not new: its warm-up is over, and the registry of the bad image works.
#[derive(Clone, Debug)]
pub struct TestJudge {
    judge: Judge,
    settings: Settings,
    now: Moment,
    version: u64,
    /// Request to fail a Pod that has not ended.
    report: Option<FailRequest>,
    /// Outcome of every request to fail a Pod, at once; `None` if the test ends each by itself.
    outcome: Option<Outcome>,
}

impl TestJudge {
    /// Enforces by DESIGN.md's default thresholds. Every write is refused, so that each failure of
    /// a Pod is judged as if there had been no verdict before.
    pub fn enforcing() -> Self {
        let mut test = Self::on_new_node();
        let image = BAD.to_owned();
        test.step(&Event::ImageArrived { image, at: None }, at(0));
        test
    }

    /// The same on a node on which nothing was pulled since it was started.
    pub fn on_new_node() -> Self {
        let settings = Settings {
            policy: policy(NodeMode::Enforce),
            brakes: RULES,
            warm_up: Duration::ZERO,
        };
        Self {
            judge: Judge::new(settings.clone(), at(0)),
            settings,
            now: at(0),
            version: 0,
            report: None,
            outcome: Some(Outcome::Refused),
        }
    }

    /// Enforcing, with `imagePullFailureCount`.
    pub fn counting_to(count: u32) -> Self {
        Self::enforcing().with_count(Some(count))
    }

    /// The same with `imagePullFailureCount`, or without.
    pub fn with_count(self, count: Option<u32>) -> Self {
        self.configured(|settings| {
            settings.policy.failure_count = count.and_then(NonZeroU32::new);
        })
    }

    /// The same in this mode.
    pub fn with_mode(self, mode: NodeMode) -> Self {
        self.configured(|settings| settings.policy.mode = mode)
    }

    /// The same with a warm-up until this second.
    pub fn warming_up(mut self, seconds: u64) -> Self {
        self.settings.warm_up = Duration::from_secs(seconds);
        self.keep(|kept| kept.warm_up_until = at(seconds));
        self
    }

    /// The same, with another end of each request to fail a Pod.
    pub fn with_outcome(mut self, outcome: impl Into<Option<Outcome>>) -> Self {
        self.outcome = outcome.into();
        self
    }

    /// The same with other settings.
    pub fn configured(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        self.configure(change);
        self
    }

    /// Changes the settings.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        let settings = Box::new(self.settings.clone());
        self.step(&Event::Configured(settings), self.now);
    }

    /// Restarts the agent with what the state file has.
    pub fn restart(&mut self) {
        self.keep(|_| ());
    }

    /// Restarts the agent with another state file.
    pub fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        self.start(change, true, self.now);
    }

    /// Reboots the node, whose boot clock shows `now` then.
    pub fn reboot(&mut self, now: Moment) {
        self.start(|_| (), false, now);
    }

    fn start(&mut self, change: impl FnOnce(&mut Kept), same_boot: bool, now: Moment) {
        let kept = self.judge.kept();
        let mut kept = Kept {
            ledger: read_back(&kept.ledger),
            memory: read_back(&kept.memory),
            ..kept
        };
        change(&mut kept);
        self.judge = Judge::restarted(self.settings.clone(), kept, same_boot, now);
        (self.now, self.report) = (now, None);
    }

    /// Gives the judge an event.
    pub fn step(&mut self, event: &Event, now: Moment) -> Vec<Effect> {
        self.now = now;
        let effects = self.judge.step(event, now);
        for effect in &effects {
            if let Effect::Report(request) = effect {
                self.report = Some((**request).clone());
            }
        }
        if let Some(outcome) = self.outcome.filter(|_| self.report.is_some()) {
            self.end_report(outcome);
        }
        effects
    }

    /// Ends the request to fail a Pod.
    pub fn end_report(&mut self, outcome: Outcome) {
        let request = self.report.take().expect("a request to fail a Pod");
        let event = Event::Reported {
            pod: request.pod,
            image: request.image,
            ending: outcome.into(),
            marked: Some(false),
        };
        self.judge.step(&event, self.now);
    }

    /// Judges the Pod as reported anew at `seconds`, under the next `resourceVersion` unless it has one.
    pub fn see(&mut self, pod: Pod, seconds: u64) -> Verdict {
        self.see_at(pod, at(seconds))
    }

    /// The same, at a moment.
    pub fn see_at(&mut self, pod: Pod, now: Moment) -> Verdict {
        self.version += 1;
        let pod = match pod.0["metadata"]["resourceVersion"].is_string() {
            true => pod,
            false => pod.version(&self.version.to_string()),
        };
        self.see_view(&pod.view(), now)
    }

    /// Judges a view as it is.
    pub fn see_view(&mut self, view: &PodView, now: Moment) -> Verdict {
        let effects = self.step(&Event::Observed(Box::new(view.clone())), now);
        let is_taken = |effect: &Effect| !matches!(effect, Effect::AskNamespace { .. });
        if !effects.iter().any(is_taken) {
            return stale();
        }
        let noted = effects.into_iter().find_map(|effect| match effect {
            Effect::Note(Note::Verdict { verdict, .. }) => Some(*verdict),
            _ => None,
        });
        noted.unwrap_or_else(|| self.judge.verdict(&view.uid).unwrap().clone())
    }

    /// One failed pull of the container `c` and the pause after it, as two reports. The first one's verdict. A message about the bad image is
    /// made one about the container's.
    pub fn fail(&mut self, pod: &Pod, message: &str, seconds: u64) -> Verdict {
        let image = pod.image_of("c");
        let message = &message.replace(BAD, &image);
        let verdict = self.see(pod.clone().failing(message), seconds);
        let pause = back_off(&image, message);
        let after = self.see(
            pod.clone().waiting("c", "ImagePullBackOff", &pause),
            seconds,
        );
        assert!(!decides_to_fail(&after), "a pause decided: {after:?}");
        verdict
    }

    /// The failures counted for the bad image of this Pod; `None` if nothing is known of it.
    pub fn failures(&self, pod: &Pod) -> Option<u32> {
        let images = &self.ledger().pod(pod.has_uid())?.images;
        images.get(BAD).map(|image| image.failures)
    }

    /// Everything that was counted.
    pub fn ledger(&self) -> &Ledger {
        self.judge.ledger()
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        self.judge.policy()
    }

    /// The node's list of images has one more.
    pub fn arrives(&mut self, image: &str, now: Moment) {
        let image = image.to_owned();
        let at = Some(now);
        self.step(&Event::ImageArrived { image, at }, now);
    }
}

/// A part of the state as it comes back from the state file.
fn read_back<T: Serialize + DeserializeOwned>(part: &T) -> T {
    serde_json::from_value(serde_json::to_value(part).unwrap()).unwrap()
}

/// The verdict on a view that is older than what is known: the judge does nothing about it.
fn stale() -> Verdict {
    let stale = true;
    Verdict {
        decision: Decision::Wait,
        reasons: vec![Reason::Stale],
        observed: Observed {
            stale,
            ..Observed::default()
        },
    }
}

/// Whether a verdict fails the Pod.
pub fn decides_to_fail(verdict: &Verdict) -> bool {
    request(verdict).is_some()
}

/// Who is failed by a verdict.
pub fn request(verdict: &Verdict) -> Option<&FailRequest> {
    match &verdict.decision {
        Decision::Fail(request) => Some(request),
        _ => None,
    }
}

/// Whether a verdict settles the Pod for this reason alone.
pub fn settles(verdict: &Verdict, reason: &Reason) -> bool {
    verdict.decision == Decision::Settle && verdict.reasons == [reason.clone()]
}

//! The pure judge with what it needs around it, on a clock that the test turns.

use std::num::NonZeroU32;
use std::time::Duration;

use pullwarden::judge::{
    Action, BrakeMemory, BrakeRules, Brakes, Budget, Decision, FailRequest, Ledger, Moment,
    NodeMode, Policy, Reason, RegistryRule, RestartPolicy, Scope, Threshold, Thresholds, Verdict,
    judge,
};

use super::pod::{BAD, Pod, back_off};

const MINUTE: u64 = 60;

/// The moment `seconds` after the node started.
pub fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
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
        },
        action: Action::Fail,
        second_opinion: false,
        namespace_labels: Default::default(),
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

/// A brake that is off: no warm-up, nothing spent, the registry of the bad image works.
pub fn brake() -> Brakes {
    let mut memory = BrakeMemory::default();
    memory.registries.pulled(BAD, None);
    Brakes {
        warm_up_until: at(0),
        rules: RULES,
        memory,
    }
}

/// A ledger, a brake and a policy.
#[derive(Clone, Debug)]
pub struct Court {
    pub ledger: Ledger,
    pub brake: Brakes,
    pub policy: Policy,
    version: u64,
}

impl Court {
    /// Enforcing by DESIGN.md's default thresholds.
    pub fn enforcing() -> Self {
        Self {
            ledger: Ledger::default(),
            brake: brake(),
            policy: policy(NodeMode::Enforce),
            version: 0,
        }
    }

    /// The same on a node on which nothing was pulled since it was started.
    pub fn on_new_node() -> Self {
        let mut court = Self::enforcing();
        court.brake.memory = BrakeMemory::default();
        court
    }

    /// Enforcing, with `imagePullFailureCount`.
    pub fn counting_to(count: u32) -> Self {
        let mut court = Self::enforcing();
        court.policy.failure_count = NonZeroU32::new(count);
        court
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
        judge(
            &mut self.ledger,
            &mut self.brake,
            &self.policy,
            &pod.view(),
            now,
        )
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
        let images = &self.ledger.pod(pod.has_uid())?.images;
        images.get(BAD).map(|image| image.failures)
    }

    /// The ledger and the brake's memory as they come back from the state file.
    pub fn restart(&mut self) {
        let text = serde_json::to_string(&self.ledger).unwrap();
        self.ledger = serde_json::from_str(&text).unwrap();
        let text = serde_json::to_string(&self.brake.memory).unwrap();
        self.brake.memory = serde_json::from_str(&text).unwrap();
        self.ledger.restarted();
    }

    /// The node's list of images has one more.
    pub fn arrives(&mut self, image: &str, now: Moment) {
        self.brake.memory.registries.pulled(image, Some(now));
        self.ledger.pulled_by_another(image, "");
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

//! What the agent counts about itself, for `/metrics`. Labels are closed enums only.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::judge::{Because, Cause, Effect, Note, Outcome};
use crate::process::Process;
use crate::report::Step;

/// All metrics. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Failed pull attempts that were counted.
    pub failures: Family<ByCause, Counter>,
    /// Verdicts that were new.
    pub verdicts: Family<ByDecision, Counter>,
    /// Pods failed, or that would have been.
    pub condemned: Family<ByCause, Counter>,
    /// Pods failed, or deleted.
    pub failed: Family<ByCause, Counter>,
    /// Time that those had been failing.
    pub failed_after: FailedAfter,
    /// Cores that failed Pods do not hold any more, times seconds.
    pub given_back_cpu: Amount,
    /// Bytes of memory, times seconds.
    pub given_back_memory: Amount,
    /// Devices, times seconds.
    pub given_back_devices: Amount,
    /// Pods that are stuck at present.
    pub stuck: Family<ByCause, Gauge>,
    /// 1 for the mode in force.
    pub mode: Family<ByMode, Gauge>,
    /// Requests about failed Pods.
    pub writes: Family<ByStep, Counter>,
    /// Verdicts that a brake holds at present.
    pub held: Family<ByBrake, Gauge>,
    /// Pods that would have been failed, and started after all.
    pub would_fail_then_started: Family<ByBecause, Counter>,
    /// Pods on the node.
    pub sandboxes: Gauge,
    /// Pods on the node that are unsettled.
    pub unsettled: Gauge,
    /// 1 while evidence is open.
    pub evidence_open: Gauge,
    /// 1 while the evidence's source cannot be reached.
    pub evidence_lost: Gauge,
    /// 1 for the source of evidence that is open.
    pub evidence_source: Family<BySource, Gauge>,
    /// Looks at the runtime, those that failed too.
    pub runtime_looks: Counter,
    /// Looks at the runtime that failed.
    pub runtime_errors: Counter,
    /// 1 while the configuration's file is refused.
    pub configuration_refused: Gauge,
    /// Pods that are too large to be judged.
    pub too_large: Gauge,
    /// Times that the state file was written and synced, or was to be.
    pub state_writes: Counter,
    /// 1 while the state file cannot be written.
    pub state_unwritable: Gauge,
    /// 1 while another agent works on this node.
    pub standby: Gauge,
}

/// A counter of what has no smallest part.
type Amount = Counter<f64, AtomicU64>;

/// From a Pod's first counted failure to the write that failed it.
#[derive(Clone, Debug)]
pub struct FailedAfter(pub Histogram);

impl Default for FailedAfter {
    fn default() -> Self {
        let minutes = [1, 5, 10, 15, 30, 60, 6 * 60, 24 * 60];
        Self(Histogram::new(minutes.map(|m: u32| f64::from(m * 60))))
    }
}

/// By cause and its class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCause {
    cause: &'static str,
    class: &'static str,
}

impl From<Cause> for ByCause {
    fn from(cause: Cause) -> Self {
        Self {
            cause: cause.as_str(),
            class: cause.class().as_str(),
        }
    }
}

/// By decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDecision {
    /// `settle`, `wait`, `hold` or `condemn`.
    pub decision: &'static str,
}

/// By request and its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByStep {
    /// `look`, `condition`, `deadline`, `delete`, `take-back` or `event`.
    pub step: &'static str,
    /// `ok` or `error`.
    pub result: &'static str,
}

/// By brake.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByBrake {
    /// One of [`BRAKES`](crate::judge::BRAKES).
    pub brake: &'static str,
}

/// By why the Pod was not failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByBecause {
    /// `observing`, `held` or `spared`.
    pub because: &'static str,
}

/// By the node's mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByMode {
    /// `observe`, `opt-in` or `enforce`.
    pub mode: &'static str,
}

/// By source of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySource {
    /// `kubelet` or `apiserver`.
    pub source: &'static str,
}

impl Metrics {
    /// Counts what followed from an event.
    pub fn count(&self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Report(request) => {
                    self.condemned.get_or_create(&request.cause.into()).inc();
                }
                Effect::Note(Note::PullFailed { cause, .. }) => {
                    self.failures.get_or_create(&(*cause).into()).inc();
                }
                Effect::Note(Note::Verdict { verdict, .. }) => {
                    let decision = verdict.decision.as_str();
                    self.verdicts.get_or_create(&ByDecision { decision }).inc();
                }
                Effect::Note(Note::StartedAfterAll { because, .. }) => {
                    let because = because.as_str();
                    let by = ByBecause { because };
                    self.would_fail_then_started.get_or_create(&by).inc();
                }
                Effect::Note(Note::Ended {
                    request: Some(request),
                    ending,
                    after,
                    ..
                }) if ending.outcome == Outcome::Written => {
                    self.failed.get_or_create(&request.cause.into()).inc();
                    let after = after.unwrap_or(request.lasting);
                    self.failed_after.0.observe(after.as_secs_f64());
                }
                _ => {}
            }
        }
    }

    /// Counts requests about a Pod, each with `ok` or what was answered.
    pub fn count_requests(&self, requests: &[(&'static str, &str)]) {
        for (step, result) in requests {
            let result = if *result == "ok" { "ok" } else { "error" };
            let by = ByStep { step, result };
            self.writes.get_or_create(&by).inc();
        }
    }
}

impl Metrics {
    /// Registers every metric. What an alert waits for begins at 0, so that the first one is a rise.
    pub fn register(&self, registry: &mut Registry) {
        self.failures
            .get_or_create(&Cause::Unrecognised.into())
            .inc_by(0);
        let step = Step::TakeBack.as_str();
        for result in ["ok", "error"] {
            let by = ByStep { step, result };
            self.writes.get_or_create(&by).inc_by(0);
        }
        for because in Because::ALL {
            let because = because.as_str();
            self.would_fail_then_started
                .get_or_create(&ByBecause { because })
                .inc_by(0);
        }
        registry.register_collector(Box::new(Process));
        let registry = registry.sub_registry_with_prefix("pullwarden");
        registry.register(
            "pull_failures",
            "Failed image pulls that were counted",
            self.failures.clone(),
        );
        registry.register("verdicts", "Verdicts that were new", self.verdicts.clone());
        registry.register(
            "pods_condemned",
            "Pods whose time had come, failed or (observing) only announced",
            self.condemned.clone(),
        );
        registry.register(
            "pods_failed",
            "Pods that were failed, or deleted",
            self.failed.clone(),
        );
        registry.register_with_unit(
            "failed_after",
            "From the first counted failure of a Pod that was failed to the write",
            Unit::Seconds,
            self.failed_after.0.clone(),
        );
        registry.register_with_unit(
            "given_back_cpu_core",
            "Cores that Pods asked for, times the seconds since these were failed, a day at most each",
            Unit::Seconds,
            self.given_back_cpu.clone(),
        );
        registry.register_with_unit(
            "given_back_memory_byte",
            "Bytes of memory that Pods asked for, times the seconds since these were failed, a day at most each",
            Unit::Seconds,
            self.given_back_memory.clone(),
        );
        registry.register_with_unit(
            "given_back_device",
            "Devices (extended resources) that Pods asked for, times the seconds since these were failed, a day at most each",
            Unit::Seconds,
            self.given_back_devices.clone(),
        );
        registry.register(
            "stuck_pods",
            "Pending Pods in scope whose image cannot be pulled, by the cause of the image that has failed most often",
            self.stuck.clone(),
        );
        registry.register("mode", "1 for the node's mode in force", self.mode.clone());
        registry.register(
            "writes",
            "Requests to the API server about condemned Pods",
            self.writes.clone(),
        );
        registry.register(
            "held_pods",
            "Pods whose time has come and that a brake holds",
            self.held.clone(),
        );
        registry.register(
            "would_fail_then_started",
            "Pods that would have been failed, and started after all: what tells whether to trust the settings",
            self.would_fail_then_started.clone(),
        );
        registry.register(
            "sandboxes",
            "Pods that the container runtime holds",
            self.sandboxes.clone(),
        );
        registry.register(
            "unsettled_pods",
            "Pods that may be waiting for an image",
            self.unsettled.clone(),
        );
        registry.register(
            "evidence_open",
            "1 while the source of evidence is open",
            self.evidence_open.clone(),
        );
        registry.register(
            "evidence_lost",
            "1 while the source of evidence is open and cannot be reached",
            self.evidence_lost.clone(),
        );
        registry.register(
            "evidence_source",
            "1 for the source of evidence that is open",
            self.evidence_source.clone(),
        );
        registry.register(
            "runtime_looks",
            "Looks at the container runtime, those that failed too",
            self.runtime_looks.clone(),
        );
        registry.register(
            "runtime_errors",
            "Looks at the container runtime that failed",
            self.runtime_errors.clone(),
        );
        registry.register(
            "configuration_refused",
            "1 while the configuration's file has faults and the one before is in force",
            self.configuration_refused.clone(),
        );
        registry.register(
            "too_large_pods",
            "Pods that are too large to be judged, and are skipped",
            self.too_large.clone(),
        );
        registry.register(
            "state_writes",
            "Times that the state file was written and synced to disk, or was to be",
            self.state_writes.clone(),
        );
        registry.register(
            "state_unwritable",
            "1 while the state file cannot be written",
            self.state_unwritable.clone(),
        );
        registry.register(
            "standby",
            "1 while another agent works on this node and this one waits",
            self.standby.clone(),
        );
    }
}

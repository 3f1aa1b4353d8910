//! Metrics that the agent keeps about itself, for `/metrics`. A new metric is a row in a group here.
//! Labels are closed enums, except the registry, which a configuration key asks for.

mod registries;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::judge::{Because, Cause, Effect, Note, Outcome};
use crate::process::Process;
use crate::report::Step;
pub use registries::{ByRegistry, Registries};

/// Counter of an amount that need not be whole.
type Amount = Counter<f64, AtomicU64>;

/// Declares sets of labels. A row is a label and the text about its values.
macro_rules! labels {
    ($($name:ident { $($label:ident: $values:literal),+ })+) => {
        $(
            #[doc = concat!("Labels `", stringify!($name), "`.")]
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub struct $name {
                $(#[doc = $values] pub $label: &'static str,)+
            }
        )+

        /// Labels, each with a text about its values, for docs/metrics.md.
        pub const LABELS: &[(&str, &str)] =
            &[$($((stringify!($label), $values),)+)+ ("registry", registries::ABOUT)];
    };
}

labels! {
    ByCause {
        cause: "The cause, as in `pullwarden explain`.",
        class: "`permanent`, `denied`, `corrupt`, `transient`, `unknown` or `node`."
    }
    ByDecision { decision: "`settle`, `wait`, `hold` or `condemn` (fail the Pod)." }
    ByStep {
        step: "`look` (read the Pod), `dry-run` (of the second write), `condition`, `deadline`, `delete`, `take-back` (revert the condition), `fleet-read` (the ConfigMap of the fleet budget), `fleet-enter` (the Pod's token), `event` or `owner-event` (on an owner of the Pod).",
        result: "`ok` or `error`."
    }
    ByBrake { brake: "The brake that holds the Pod." }
    ByBecause { because: "The agent was `observing`, a brake `held` the Pod, or the Pod was `spared`." }
    ByMode { mode: "`observe`, `opt-in` or `enforce`." }
    BySource { source: "The source of evidence." }
}

impl From<Cause> for ByCause {
    fn from(cause: Cause) -> Self {
        Self {
            cause: cause.as_str(),
            class: cause.class().as_str(),
        }
    }
}

/// Declares groups of metrics. A row is a field, its type, the metric's name with its unit if it has
/// one, and its help text.
macro_rules! groups {
    ($(
        $(#[$about:meta])*
        $group:ident { $($field:ident: $type:ty = $name:literal $(in $unit:ident)?, $help:literal;)+ }
    )+) => {
        $(
            $(#[$about])*
            #[derive(Clone, Debug, Default)]
            pub struct $group {
                $(#[doc = $help] pub $field: $type,)+
            }

            impl $group {
                fn register(&self, registry: &mut Registry) {
                    $(register!(registry, self.$field, $name, $help $(, $unit)?);)+
                }
            }
        )+
    };
}

macro_rules! register {
    ($registry:ident, $metric:expr, $name:literal, $help:literal) => {
        $registry.register($name, $help, $metric.clone())
    };
    ($registry:ident, $metric:expr, $name:literal, $help:literal, $unit:ident) => {
        $registry.register_with_unit($name, $help, Unit::$unit, $metric.clone())
    };
}

groups! {
    /// Pods whose pulls fail, and the verdicts on them.
    PodMetrics {
        failures: Family<ByCause, Counter> = "pull_failures",
            "Failed pulls that the agent counted, whatever happened to the Pod later";
        verdicts: Family<ByDecision, Counter> = "verdicts",
            "New verdicts";
        due: Family<ByCause, Counter> = "pods_condemned",
            "Pods that the agent decided to fail: it failed them, spared them at the last check, or (observing) only wrote an Event";
        stuck: Family<ByCause, Gauge> = "stuck_pods",
            "Pods in scope that wait for an image that cannot be pulled, each by the cause of its image with the most failures";
        held: Family<ByBrake, Gauge> = "held_pods",
            "Pods that have reached their threshold and that this brake holds; several brakes may hold one Pod";
        started: Family<ByBecause, Counter> = "would_fail_then_started",
            "Pods that would have been failed, and started after all: if there are any, the settings fail Pods too early";
        too_large: Gauge = "too_large_pods",
            "Pods that the agent skips because they are too large to be judged";
    }

    /// Pods that were failed, and the requests for it.
    WriteMetrics {
        requests: Family<ByStep, Counter> = "writes",
            "Requests to the API server about Pods that the agent decided to fail";
        failed: Family<ByCause, Counter> = "pods_failed",
            "Pods that the agent failed, or deleted";
        failed_after: FailedAfter = "failed_after" in Seconds,
            "Time from the first counted failure of such a Pod to the write that failed it";
        freed_cpu: Amount = "given_back_cpu_core" in Seconds,
            "Freed capacity: cores that failed Pods had requested, times the seconds since they were failed";
        freed_memory: Amount = "given_back_memory_byte" in Seconds,
            "Freed capacity: bytes of memory that failed Pods had requested, times the seconds since they were failed";
        freed_devices: Amount = "given_back_device" in Seconds,
            "Freed capacity: devices (GPUs and other extended resources, all kinds together) that failed Pods had requested, times the seconds since they were failed";
    }

    /// Sources that the agent reads: the container runtime, and the evidence of failed pulls.
    SourceMetrics {
        sandboxes: Gauge = "sandboxes",
            "Pods that the container runtime holds";
        unsettled: Gauge = "unsettled_pods",
            "Pods that the container runtime holds and that may be waiting for an image";
        evidence_open: Gauge = "evidence_open",
            "1 while the source of evidence is open; the agent closes it if no Pod may be waiting";
        evidence_lost: Gauge = "evidence_lost",
            "1 while the source of evidence is open and cannot be reached";
        evidence_source: Family<BySource, Gauge> = "evidence_source",
            "1 for the source of evidence that is open";
        polls: Counter = "runtime_looks",
            "Polls of the container runtime, failed ones included";
        failed_polls: Counter = "runtime_errors",
            "Polls of the container runtime that failed";
    }

    /// The agent itself: its configuration, its state file and its duty.
    AgentMetrics {
        mode: Family<ByMode, Gauge> = "mode",
            "1 for the node's mode in force";
        configuration_refused: Gauge = "configuration_refused",
            "1 while the configuration file has faults and the previous configuration is in force";
        state_writes: Counter = "state_writes",
            "Writes of the state file to disk, failed ones included";
        state_unwritable: Gauge = "state_unwritable",
            "1 while the agent cannot write its counts to disk";
        fleet_spent: Gauge = "fleet_budget_spent",
            "1 while the agent knows that a limit of the fleet budget is reached: of the cluster, a registry, a namespace or an owner";
        fleet_unusable: Gauge = "fleet_budget_unusable",
            "1 for an hour after the agent could not use the ConfigMap of the fleet budget, unless it fails a Pod in between";
        unguarded: Gauge = "unguarded",
            "1 for an hour after a dry run did not show that the admission policy limits the agent to its node, unless a report gets further in between; the agent then writes to no Pod";
        writes_off: Gauge = "writes_off",
            "1 for an hour after the kill switch denied the agent a write, unless a report gets further in between";
        standby: Gauge = "standby",
            "1 while another agent works on this node, and this one waits for its end";
    }
}

/// Histogram of the time from a Pod's first counted failure to the write that failed it.
#[derive(Clone, Debug)]
pub struct FailedAfter(Histogram);

impl Default for FailedAfter {
    fn default() -> Self {
        let minutes = [1, 5, 10, 15, 30, 60, 6 * 60, 24 * 60];
        Self(Histogram::new(minutes.map(|m: u32| f64::from(m * 60))))
    }
}

impl EncodeMetric for FailedAfter {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        EncodeMetric::metric_type(&self.0)
    }
}

/// All metrics. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Pods whose pulls fail.
    pub pods: PodMetrics,
    /// Writes to Pods.
    pub writes: WriteMetrics,
    /// Pods by registry.
    pub registries: Registries,
    /// Sources that the agent reads.
    pub sources: SourceMetrics,
    /// The agent itself.
    pub agent: AgentMetrics,
}

impl Metrics {
    /// Registers every metric. A counter with an alert begins at 0, so that its first count is a rise.
    pub fn register(&self, registry: &mut Registry) {
        let unknown = Cause::Unrecognised.into();
        self.pods.failures.get_or_create(&unknown).inc_by(0);
        let step = Step::TakeBack.as_str();
        for result in ["ok", "error"] {
            let by = ByStep { step, result };
            self.writes.requests.get_or_create(&by).inc_by(0);
        }
        for because in Because::ALL.map(Because::as_str) {
            self.pods
                .started
                .get_or_create(&ByBecause { because })
                .inc_by(0);
        }
        registry.register_collector(Box::new(Process));
        let registry = registry.sub_registry_with_prefix("pullwarden");
        self.pods.register(registry);
        self.writes.register(registry);
        self.registries.register(registry);
        self.sources.register(registry);
        self.agent.register(registry);
    }

    /// Counts the effects of an event.
    pub fn count(&self, effects: &[Effect]) {
        let Self { pods, writes, .. } = self;
        for effect in effects {
            match effect {
                Effect::Report(request) => {
                    pods.due.get_or_create(&request.cause.into()).inc();
                }
                Effect::Note(Note::PullFailed { cause, .. }) => {
                    pods.failures.get_or_create(&(*cause).into()).inc();
                }
                Effect::Note(Note::Verdict { verdict, .. }) => {
                    let decision = verdict.decision.as_str();
                    pods.verdicts.get_or_create(&ByDecision { decision }).inc();
                }
                Effect::Note(Note::StartedAfterAll { because, .. }) => {
                    let because = because.as_str();
                    pods.started.get_or_create(&ByBecause { because }).inc();
                }
                Effect::Note(Note::Ended {
                    request: Some(request),
                    ending,
                    after,
                    ..
                }) if ending.outcome == Outcome::Written => {
                    writes.failed.get_or_create(&request.cause.into()).inc();
                    let after = after.unwrap_or(request.lasting);
                    writes.failed_after.0.observe(after.as_secs_f64());
                }
                _ => {}
            }
        }
    }

    /// Counts requests about a Pod, each with `ok` or the answer.
    pub fn count_requests(&self, requests: &[(&'static str, &str)]) {
        for (step, result) in requests {
            let result = if *result == "ok" { "ok" } else { "error" };
            let by = ByStep { step, result };
            self.writes.requests.get_or_create(&by).inc();
        }
    }
}

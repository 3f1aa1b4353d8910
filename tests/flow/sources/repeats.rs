//! Two sources tell of the same attempts, one of them late: none is counted twice. The judge alone.

use proptest::collection::vec;
use proptest::prelude::*;
use pullwarden::judge::{PodView, Source};

use crate::support::judge::{TestJudge, at};
use crate::support::pod::{DENIED, NOT_FOUND, Pod};
use crate::support::random::cases;

fn pod() -> Pod {
    Pod::bad("p")
}

fn failing() -> Pod {
    pod().failing(NOT_FOUND)
}

fn pausing() -> Pod {
    pod().pausing(NOT_FOUND)
}

/// A judge that gets reports from two sources.
struct Reports {
    judge: TestJudge,
    version: u64,
    second: u64,
}

impl Reports {
    fn new() -> Self {
        Self {
            judge: TestJudge::counting_to(99),
            version: 0,
            second: 0,
        }
    }

    /// The failures that are counted after this view.
    fn see(&mut self, source: Source, first: bool, pod: &Pod) -> u32 {
        self.version += u64::from(source == Source::ApiServer);
        let view = PodView {
            source,
            first,
            resource_version: self.version.to_string(),
            ..pod.view()
        };
        self.judge.see_view(&view, at(self.second));
        self.judge.failures(pod).unwrap_or(0)
    }

    fn kubelet(&mut self, pod: &Pod) -> u32 {
        self.see(Source::Kubelet, false, pod)
    }

    fn kubelet_anew(&mut self, pod: &Pod) -> u32 {
        self.see(Source::Kubelet, true, pod)
    }

    fn api(&mut self, pod: &Pod) -> u32 {
        self.see(Source::ApiServer, false, pod)
    }

    fn api_anew(&mut self, pod: &Pod) -> u32 {
        self.see(Source::ApiServer, true, pod)
    }
}

/// Two failures by the kubelet's socket, and the pause after the second.
fn two() -> Reports {
    let mut reports = Reports::new();
    assert_eq!(reports.kubelet_anew(&failing()), 1);
    reports.kubelet(&pausing());
    reports.second += 26;
    assert_eq!(reports.kubelet(&failing()), 2);
    reports
}

#[test]
fn a_live_view_counts_though_its_version_lags() {
    let mut reports = Reports::new();
    reports.version = 7;
    reports.api_anew(&pausing());
    reports.kubelet_anew(&pausing());
    reports.version = 3;
    reports.second += 26;
    assert_eq!(reports.kubelet(&failing()), 2);
    // The API server's is as old as it says.
    reports.kubelet(&pausing());
    assert_eq!(reports.api(&failing()), 2);
}

#[test]
fn what_the_api_server_says_late_is_not_counted_again() {
    let mut reports = two();
    reports.api_anew(&pausing());
    assert_eq!(reports.api(&failing()), 2, "what was seen already");
    reports.api(&pausing());
    assert_eq!(reports.api(&failing()), 3);
}

#[test]
fn a_list_from_long_ago_counts_nothing() {
    for old in [
        pod().waiting("c", "ContainerCreating", ""),
        pod().failing(DENIED),
        failing(),
        pausing(),
    ] {
        let mut reports = two();
        reports.kubelet(&pausing());
        assert_eq!(reports.api_anew(&old), 2);
        assert_eq!(reports.api(&failing()), 2, "a write that was under way");
        reports.api(&pausing());
        assert_eq!(reports.api(&failing()), 3);
    }
}

#[test]
fn half_a_minute_later_only_the_last_state_may_be_said_again() {
    let mut reports = two();
    reports.kubelet(&pausing());
    reports.api_anew(&pausing());
    reports.second += 31;
    assert_eq!(reports.api(&failing()), 3);
    let mut reports = two();
    reports.api_anew(&pausing());
    reports.second += 31;
    assert_eq!(
        reports.api(&failing()),
        2,
        "a pull may hang, and its Pod show it for long"
    );
}

#[test]
fn another_error_is_new_at_once() {
    let mut reports = two();
    reports.kubelet(&pausing());
    reports.api_anew(&pausing());
    assert_eq!(reports.api(&pod().failing(DENIED)), 3);
}

#[test]
fn what_a_restarted_kubelet_finds_is_not_counted_again() {
    let mut reports = two();
    reports.kubelet(&pausing());
    assert_eq!(reports.kubelet_anew(&failing()), 2);
    reports.kubelet(&pod().waiting("c", "ContainerCreating", ""));
    assert_eq!(reports.kubelet(&failing()), 2, "it may repeat its list");
    reports.kubelet(&pausing());
    assert_eq!(reports.kubelet(&failing()), 3, "its back-off starts anew");
}

#[test]
fn back_at_the_kubelet_nothing_counts_again() {
    let mut reports = two();
    reports.kubelet(&pausing());
    reports.api_anew(&pausing());
    reports.second += 60;
    assert_eq!(reports.api(&failing()), 3);
    assert_eq!(reports.kubelet_anew(&failing()), 3);
    reports.kubelet(&pausing());
    reports.second += 26;
    assert_eq!(reports.kubelet(&failing()), 4);
}

#[test]
fn what_the_kubelet_repeats_after_its_list_counts_once() {
    let creating = || pod().waiting("c", "ContainerCreating", "");
    for (list, repeated) in [
        (pausing(), vec![failing(), pausing()]),
        (failing(), vec![creating(), failing()]),
        (failing(), vec![pausing(), failing()]),
        (failing(), vec![failing()]),
    ] {
        let mut reports = Reports::new();
        assert_eq!(reports.kubelet_anew(&list), 1);
        for again in &repeated {
            assert_eq!(reports.kubelet(again), 1, "{list:?} {again:?}");
        }
        reports.kubelet(&pausing());
        reports.second += 26;
        assert_eq!(reports.kubelet(&failing()), 2);
    }
    // The same where the failures were known before the list.
    let mut reports = two();
    reports.kubelet(&pausing());
    assert_eq!(reports.kubelet_anew(&pausing()), 2);
    assert_eq!(reports.kubelet(&failing()), 2);
    reports.kubelet(&pausing());
    assert_eq!(
        reports.kubelet(&failing()),
        3,
        "the list was repeated whole"
    );
}

#[test]
fn ten_seconds_after_the_list_nothing_is_repeated() {
    for (later, expected) in [(9, 1), (10, 2)] {
        let mut reports = Reports::new();
        reports.kubelet_anew(&pausing());
        reports.second += later;
        assert_eq!(reports.kubelet(&failing()), expected, "{later}");
    }
}

#[test]
fn a_first_failure_right_after_the_list_counts() {
    for listed in [pod(), pod().waiting("c", "ContainerCreating", "")] {
        let mut reports = Reports::new();
        reports.kubelet_anew(&listed);
        assert_eq!(reports.kubelet(&failing()), 1);
    }
}

#[test]
fn a_pod_that_nothing_is_known_of_counts_from_its_first_view() {
    for source in [Source::Kubelet, Source::ApiServer] {
        assert_eq!(Reports::new().see(source, true, &failing()), 1);
        let mut reports = Reports::new();
        reports.kubelet_anew(&pod());
        assert_eq!(reports.see(source, true, &failing()), 1);
    }
}

#[test]
fn a_first_view_past_the_pull_drops_the_count() {
    for source in [Source::Kubelet, Source::ApiServer] {
        let mut reports = two();
        assert_eq!(reports.see(source, true, &pod().running("c")), 0);
        reports.second += 26;
        assert_eq!(reports.see(source, false, &failing()), 1);
    }
}

#[test]
fn an_old_line_of_the_nodes_log_can_still_be_read() {
    let mut line = serde_json::to_value(failing().view()).unwrap();
    line.as_object_mut().unwrap().remove("source");
    line.as_object_mut().unwrap().remove("first");
    let view: PodView = serde_json::from_value(line).unwrap();
    assert_eq!(view, failing().view());
}

#[derive(Clone, Debug)]
enum Step {
    /// The kubelet goes on: a pull fails in one of two ways, or pauses.
    Goes(bool),
    /// The kubelet writes its status, or the one before it that was under way.
    Writes(bool),
    /// The source is opened anew.
    Opens(Source),
    /// The kubelet's socket is opened anew, and repeats after its list what has happened last.
    OpensAndRepeats,
    /// The kubelet is restarted: it begins with what the API server has.
    KubeletRestarts,
    AgentRestarts,
    Waits(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let source = prop_oneof![Just(Source::Kubelet), Just(Source::ApiServer)];
    let step = prop_oneof![
        6 => any::<bool>().prop_map(Step::Goes),
        5 => any::<bool>().prop_map(Step::Writes),
        3 => source.prop_map(Step::Opens),
        1 => Just(Step::OpensAndRepeats),
        1 => Just(Step::KubeletRestarts),
        1 => Just(Step::AgentRestarts),
        1 => (0_u64..100).prop_map(Step::Waits),
    ];
    vec(step, 1..80)
}

/// A kubelet, an API server that is behind it, and an agent that reads one of them.
struct World {
    reports: Reports,
    /// What is open; nothing before the agent starts.
    source: Option<Source>,
    /// Everything the kubelet showed.
    history: Vec<Pod>,
    /// When the last of it was.
    changed: u64,
    /// How much of it the API server has.
    written: usize,
    attempts: u32,
}

impl World {
    fn live(&self) -> usize {
        self.history.len() - 1
    }

    fn shows(&mut self, pod: Pod) {
        self.history.push(pod.clone());
        self.changed = self.reports.second;
        if self.source == Some(Source::Kubelet) {
            self.reports.kubelet(&pod);
        }
    }

    fn opens(&mut self, source: Source) {
        self.source = Some(source);
        let shown = match source {
            Source::Kubelet => self.live(),
            Source::ApiServer => self.written,
        };
        let pod = self.history[shown].clone();
        self.reports.see(source, true, &pod);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Goes(denied) => {
                let message = if denied { DENIED } else { NOT_FOUND };
                let reason = &self.history[self.live()].0["status"]["containerStatuses"][0]["state"]
                    ["waiting"];
                if reason["reason"] == "ErrImagePull" {
                    let message = reason["message"].as_str().unwrap().to_owned();
                    self.shows(pod().pausing(&message));
                } else {
                    self.attempts += 1;
                    self.shows(pod().failing(message));
                }
            }
            Step::Writes(late) => {
                // No write is under way for longer.
                let late = late && self.live() > 0 && self.reports.second < self.changed + 30;
                let to = self.live() - usize::from(late);
                if to > self.written {
                    self.written = to;
                    if self.source == Some(Source::ApiServer) {
                        let pod = self.history[to].clone();
                        self.reports.api(&pod);
                    }
                }
            }
            Step::Opens(source) => self.opens(source),
            Step::OpensAndRepeats => {
                self.opens(Source::Kubelet);
                let from = self.live().saturating_sub(1);
                for pod in &self.history[from..] {
                    self.reports.kubelet(pod);
                }
            }
            Step::KubeletRestarts => {
                let found = self.history[self.written].clone();
                self.history.push(found);
                self.written = self.live();
                if self.source == Some(Source::Kubelet) {
                    self.opens(Source::Kubelet);
                }
                self.shows(pod().waiting("c", "ContainerCreating", ""));
            }
            Step::AgentRestarts => {
                self.reports.judge.restart();
                if let Some(source) = self.source {
                    self.opens(source);
                }
            }
            Step::Waits(seconds) => self.reports.second += seconds,
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn whoever_tells_of_it_an_attempt_counts_once_at_most(steps in steps()) {
        let mut world = World {
            reports: Reports::new(),
            source: None,
            history: vec![pod()],
            changed: 0,
            written: 0,
            attempts: 0,
        };
        for (index, step) in steps.iter().enumerate() {
            world.take(step);
            let counted = world.reports.judge.failures(&pod()).unwrap_or(0);
            prop_assert!(counted <= world.attempts, "{} of {} after {:?}", counted, world.attempts, &steps[..=index]);
        }
    }
}

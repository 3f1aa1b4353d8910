//! A kubelet with the judge beside it, through hours that take no time. Requests to fail a Pod are
//! carried out as the agent does it.

use std::collections::BTreeMap;
use std::time::Duration;

use pullwarden::judge::{Decision, FailRequest, Moment, Outcome, PodView, Reason, Verdict};

use super::judge::{TestJudge, request};
use super::kubelet::Kubelet;
use super::pod::Pod;
use super::registry::{Registries, Registry};

/// So many minutes.
pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// So many hours.
pub const fn hours(hours: u64) -> Duration {
    minutes(60 * hours)
}

/// A failed pull as it was reported, and the verdict on it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub at: Duration,
    pub uid: String,
    pub verdict: Verdict,
}

impl Failure {
    /// Returns true if it was held for a reason of this kind.
    pub fn held(&self, by: impl Fn(&Reason) -> bool) -> bool {
        self.verdict.decision == Decision::Hold && self.verdict.reasons.iter().any(by)
    }
}

/// A Pod that was failed.
#[derive(Clone, Debug)]
pub struct FailedPod {
    pub at: Duration,
    /// Number of failures of the Pod that were reported by then.
    pub nth: usize,
    pub request: FailRequest,
}

/// A node with one kubelet and one judge, and what has happened there so far.
#[derive(Debug)]
pub struct Simulation {
    pub kubelet: Kubelet,
    pub judge: TestJudge,
    /// All failures that were reported.
    pub failures: Vec<Failure>,
    /// All Pods that were failed.
    pub failed: Vec<FailedPod>,
    booted: Duration,
    controllers: Vec<Pod>,
    made: u32,
}

impl Simulation {
    /// Starts with this kubelet and this judge.
    pub fn of(kubelet: Kubelet, judge: TestJudge) -> Self {
        Self {
            kubelet,
            judge: judge.with_outcome(None),
            failures: Vec::new(),
            failed: Vec::new(),
            booted: Duration::ZERO,
            controllers: Vec::new(),
            made: 0,
        }
    }

    /// Starts with these Pods, whose pulls fail with this error.
    pub fn of_failing(judge: TestJudge, pods: &[Pod], fault: &str) -> Self {
        let mut sim = Self::of(Kubelet::new(), judge);
        for pod in pods {
            let image = pod.view().containers[0].image.clone();
            sim.image(&image, Registry::failing(fault));
            sim.start(pod.clone());
        }
        sim
    }

    /// Binds a Pod to the node.
    pub fn start(&mut self, pod: Pod) {
        self.kubelet.start(pod);
    }

    /// Binds a Pod whose controller makes another one like it whenever it is failed.
    pub fn start_controlled(&mut self, pod: Pod) {
        self.controllers.push(pod.clone());
        self.start(pod);
    }

    /// Changes the result of pulling one image.
    pub fn image(&mut self, image: &str, comes_to: Registry) {
        self.registries(|r| r.image(image, comes_to));
    }

    /// Changes the results of pulling.
    pub fn registries(&mut self, change: impl FnOnce(&mut Registries)) {
        self.kubelet.registries(change);
    }

    /// Lets time pass until then.
    pub fn run_until(&mut self, until: Duration) {
        while let Some((at, pod)) = self.kubelet.next_report(until) {
            self.see(pod, at);
        }
    }

    /// Lets time pass until this Pod's `nth` failure is reported.
    pub fn run_until_failure(&mut self, pod: &Pod, nth: usize) {
        let late = self.kubelet.now() + hours(48);
        while self.failures_of(pod).count() < nth {
            let (at, pod) = self.kubelet.next_report(late).expect("it goes on failing");
            self.see(pod, at);
        }
    }

    /// Returns the reported failures of this Pod.
    pub fn failures_of(&self, pod: &Pod) -> impl Iterator<Item = &Failure> {
        let uid = pod.has_uid().to_owned();
        self.failures.iter().filter(move |f| f.uid == uid)
    }

    /// Returns what is known of this Pod, if it was failed.
    pub fn failed_pod(&self, pod: &Pod) -> Option<&FailedPod> {
        let mut failed = self.failed.iter();
        failed.find(|failed| failed.request.pod.uid == pod.has_uid())
    }

    /// Reboots the node: its boot clock starts at zero, and the agent with what it had saved.
    pub fn reboot(&mut self) {
        self.booted = self.kubelet.now();
        self.kubelet.reboot();
        self.judge.reboot(self.moment(self.booted));
    }

    /// Returns what the boot clock shows at this time.
    pub fn moment(&self, at: Duration) -> Moment {
        Moment::new(at - self.booted)
    }

    fn see(&mut self, pod: Pod, at: Duration) {
        let now = self.moment(at);
        for image in self.kubelet.arrivals() {
            self.judge.arrives(&image, now);
        }
        let verdict = self.judge.see_at(pod.clone(), now);
        let view = pod.view();
        if verdict.reasons.contains(&Reason::NotPending) {
            self.left(&view);
            return;
        }
        let decided = request(&verdict).cloned();
        if !verdict.observed.failed.is_empty() {
            self.failures.push(Failure {
                at,
                uid: view.uid.clone(),
                verdict,
            });
        } else {
            assert_eq!(decided, None, "only a newly reported failure decides");
        }
        if let Some(request) = decided {
            self.report(request, at);
        }
    }

    /// Carries out a request to fail a Pod, as the agent does.
    fn report(&mut self, request: FailRequest, at: Duration) {
        let uid = &request.pod.uid;
        if request.asks.is_present && self.kubelet.has(&request.image) {
            return self.judge.end_report(Outcome::SparedByRuntime);
        }
        if request.enforce {
            self.judge.end_report(Outcome::Written);
            self.kubelet.deadline(uid);
        } else {
            self.judge.end_report(Outcome::Due);
        }
        self.failed.push(FailedPod {
            at,
            nth: self.failures.iter().filter(|f| &f.uid == uid).count(),
            request,
        });
    }

    fn left(&mut self, view: &PodView) {
        let mut failed = self.failed.iter().map(|failed| &failed.request);
        let failed = failed.any(|request| request.enforce && request.pod.uid == view.uid);
        let owner = |pod: &&Pod| pod.view().owner == view.owner;
        let controller = self.controllers.iter().find(owner).filter(|_| failed);
        if let Some(like) = controller.cloned() {
            self.made += 1;
            let uid = format!("{}-{}", like.has_uid(), self.made);
            self.start(like.uid(&uid));
        }
    }

    /// Pods that were failed, for a test's message.
    pub fn summary(&self) -> BTreeMap<String, String> {
        let line = |end: &FailedPod| {
            let FailRequest {
                cause, failures, ..
            } = &end.request;
            format!("{cause} at {:?} after {failures}", end.at)
        };
        let ends = self.failed.iter();
        ends.map(|end| (end.request.pod.uid.clone(), line(end)))
            .collect()
    }

    /// Checks that each Pod was failed when one of its failures was reported.
    #[track_caller]
    pub fn assert_decided_at_failures(&self) {
        for end in &self.failed {
            let by = |f: &Failure| f.uid == end.request.pod.uid && f.at == end.at;
            assert!(self.failures.iter().any(by), "{:#?}", self.summary());
        }
    }

    /// Puts these images into their registries, and checks that they are pulled within the hour.
    #[track_caller]
    pub fn heals(&mut self, images: &[&str]) {
        for image in images {
            self.image(image, Registry::Has);
        }
        self.run_until(self.kubelet.now() + hours(1));
        for image in images {
            assert!(self.kubelet.has(image), "{image}: {:#?}", self.summary());
        }
    }

    /// Checks that no Pod was failed.
    #[track_caller]
    pub fn assert_nobody_failed(&self) {
        assert!(self.failed.is_empty(), "failed: {:#?}", self.summary());
    }
}

/// Runs a simulation on old and new kubelets, with several jitters, on a new node and on others, and
/// checks that no Pod is failed.
#[track_caller]
pub fn on_each_node(run: impl Fn(&mut Simulation)) {
    for (kubelet, judge, seed) in [
        (Kubelet::new(), TestJudge::enforcing(), 1),
        (Kubelet::old(), TestJudge::enforcing(), 2),
        (Kubelet::new(), TestJudge::enforcing(), 3),
        (Kubelet::old(), TestJudge::enforcing(), 4),
        (Kubelet::new(), TestJudge::on_new_node(), 5),
    ] {
        let mut sim = Simulation::of(kubelet.with_jitter(seed), judge);
        run(&mut sim);
        sim.assert_nobody_failed();
    }
}

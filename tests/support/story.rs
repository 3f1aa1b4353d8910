//! A kubelet with the judge beside it, through hours that take no time. What is decided is done as the agent does it.

use std::collections::BTreeMap;
use std::time::Duration;

use pullwarden::judge::{Decision, FailRequest, Moment, Outcome, PodView, Reason, Verdict};

use super::court::{Court, request};
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

/// A failed pull as it was reported, and what was made of it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub at: Duration,
    pub uid: String,
    pub verdict: Verdict,
}

impl Failure {
    /// Whether it was held for a reason of this kind.
    pub fn held(&self, by: impl Fn(&Reason) -> bool) -> bool {
        self.verdict.decision == Decision::Hold && self.verdict.reasons.iter().any(by)
    }
}

/// A Pod that was failed.
#[derive(Clone, Debug)]
pub struct End {
    pub at: Duration,
    /// The how manieth of the Pod's reported failures it was.
    pub nth: usize,
    pub request: FailRequest,
}

/// What has happened so far.
#[derive(Debug)]
pub struct Story {
    pub kubelet: Kubelet,
    pub court: Court,
    /// All failures that were reported.
    pub failures: Vec<Failure>,
    /// All Pods that were failed.
    pub ends: Vec<End>,
    booted: Duration,
    controllers: Vec<Pod>,
    made: u32,
}

impl Story {
    /// Of this kubelet and this judge; nothing has happened yet.
    pub fn of(kubelet: Kubelet, court: Court) -> Self {
        Self {
            kubelet,
            court: court.with_outcome(None),
            failures: Vec::new(),
            ends: Vec::new(),
            booted: Duration::ZERO,
            controllers: Vec::new(),
            made: 0,
        }
    }

    /// The same with these Pods, whose pulls fail so.
    pub fn of_failing(court: Court, pods: &[Pod], fault: &str) -> Self {
        let mut story = Self::of(Kubelet::new(), court);
        for pod in pods {
            let image = pod.view().containers[0].image.clone();
            story.registries(|r| r.image(&image, Registry::failing(fault)));
            story.start(pod.clone());
        }
        story
    }

    /// A Pod is bound to the node.
    pub fn start(&mut self, pod: Pod) {
        self.kubelet.start(pod);
    }

    /// Whenever this Pod is failed, its controller makes another one like it.
    pub fn start_controlled(&mut self, pod: Pod) {
        self.controllers.push(pod.clone());
        self.start(pod);
    }

    /// Changes what comes of pulling.
    pub fn registries(&mut self, change: impl FnOnce(&mut Registries)) {
        self.kubelet.registries(change);
    }

    /// Lets time pass until then.
    pub fn go_on(&mut self, until: Duration) {
        while let Some((at, pod)) = self.kubelet.next_report(until) {
            self.see(pod, at);
        }
    }

    /// Lets time pass until this Pod's `nth` failure is reported.
    pub fn go_on_to_failure(&mut self, pod: &Pod, nth: usize) {
        let late = self.kubelet.now() + hours(48);
        while self.failures_of(pod).count() < nth {
            let (at, pod) = self.kubelet.next_report(late).expect("it goes on failing");
            self.see(pod, at);
        }
    }

    /// When this Pod's failures were reported.
    pub fn failures_of(&self, pod: &Pod) -> impl Iterator<Item = &Failure> {
        let uid = pod.has_uid().to_owned();
        self.failures.iter().filter(move |f| f.uid == uid)
    }

    /// The end of this Pod, if it was failed.
    pub fn end_of(&self, pod: &Pod) -> Option<&End> {
        self.ends
            .iter()
            .find(|end| end.request.pod.uid == pod.has_uid())
    }

    /// The node is started anew: its boot clock starts at zero, and the agent with what it had saved.
    pub fn reboot(&mut self) {
        self.booted = self.kubelet.now();
        self.kubelet.reboot();
        self.court.reboot(self.moment(self.booted));
    }

    /// What the boot clock shows.
    pub fn moment(&self, at: Duration) -> Moment {
        Moment::new(at - self.booted)
    }

    fn see(&mut self, pod: Pod, at: Duration) {
        let now = self.moment(at);
        for image in self.kubelet.arrivals() {
            self.court.arrives(&image, now);
        }
        let verdict = self.court.see_at(pod.clone(), now);
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

    /// Does what the agent does about a request to fail a Pod.
    fn report(&mut self, request: FailRequest, at: Duration) {
        let uid = &request.pod.uid;
        if request.spare_if_present && self.kubelet.has(&request.image) {
            return self.court.end_report(Outcome::SparedByRuntime);
        }
        match request.enforce {
            true => self.court.end_report(Outcome::Written),
            false => self.court.end_report(Outcome::Due),
        }
        if request.enforce {
            self.kubelet.deadline(uid);
        }
        self.ends.push(End {
            at,
            nth: self.failures.iter().filter(|f| &f.uid == uid).count(),
            request,
        });
    }

    fn left(&mut self, view: &PodView) {
        let mut ends = self.ends.iter();
        let failed = ends.any(|end| end.request.enforce && end.request.pod.uid == view.uid);
        let owner = |pod: &&Pod| pod.view().owner == view.owner;
        let controller = self.controllers.iter().find(owner).filter(|_| failed);
        if let Some(like) = controller.cloned() {
            self.made += 1;
            let uid = format!("{}-{}", like.has_uid(), self.made);
            self.start(like.uid(&uid));
        }
    }

    /// Who was failed, for a test's message.
    pub fn told(&self) -> BTreeMap<String, String> {
        let line = |end: &End| {
            let FailRequest {
                cause, failures, ..
            } = &end.request;
            format!("{cause} at {:?} after {failures}", end.at)
        };
        let ends = self.ends.iter();
        ends.map(|end| (end.request.pod.uid.clone(), line(end)))
            .collect()
    }

    /// Whoever was held was let go by a failure that was reported then, by nothing else.
    #[track_caller]
    pub fn let_go_at_failures(&self) {
        for end in &self.ends {
            let by = |f: &Failure| f.uid == end.request.pod.uid && f.at == end.at;
            assert!(self.failures.iter().any(by), "{:#?}", self.told());
        }
    }

    /// These images are there from now on: they are pulled.
    #[track_caller]
    pub fn heals(&mut self, images: &[&str]) {
        for image in images {
            self.registries(|r| r.image(image, Registry::Has));
        }
        self.go_on(self.kubelet.now() + hours(1));
        for image in images {
            assert!(self.kubelet.has(image), "{image}: {:#?}", self.told());
        }
    }

    /// Nobody was failed.
    #[track_caller]
    pub fn nobody(&self) {
        assert!(self.ends.is_empty(), "failed: {:#?}", self.told());
    }
}

/// Tells a story on kubelets of both kinds, with waits that fall otherwise, on a node that is new and on one that is not: nobody is failed in it.
#[track_caller]
pub fn everywhere(tell: impl Fn(&mut Story)) {
    for (kubelet, court, seed) in [
        (Kubelet::new(), Court::enforcing(), 1),
        (Kubelet::old(), Court::enforcing(), 2),
        (Kubelet::new(), Court::enforcing(), 3),
        (Kubelet::old(), Court::enforcing(), 4),
        (Kubelet::new(), Court::on_new_node(), 5),
    ] {
        let mut story = Story::of(kubelet.with_jitter(seed), court);
        tell(&mut story);
        story.nobody();
    }
}

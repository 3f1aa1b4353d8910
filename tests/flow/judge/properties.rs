//! What holds for any sequence of reports, however odd.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use pullwarden::judge::{
    Cause, Class, ContainerState, ContainerView, Decision, NodeMode, Phase, PodView, PullPolicy,
    RestartPolicy, Source, Verdict, still_due,
};

use crate::support::judge::{TestJudge, at, policy, request};
use crate::support::pod::{BAD, CANCELLED, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod, QPS, STRANGE};
use crate::support::random::cases;

const ATTEMPTS: [&str; 3] = [
    "ErrImagePull",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
const OTHERS: [&str; 11] = [
    "no credentials",
    "ImagePullBackOff",
    "",
    "ContainerCreating",
    "PodInitializing",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "CreateContainerError",
    "CrashLoopBackOff",
    "SomethingNew",
];

fn state() -> impl Strategy<Value = ContainerState> {
    let reason = prop_oneof![
        3 => proptest::sample::select(&ATTEMPTS[..]).prop_map(str::to_owned),
        3 => proptest::sample::select(&OTHERS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let messages = [NOT_FOUND, DENIED, NO_HOST, STRANGE, QPS, CANCELLED, ""];
    let message = prop_oneof![
        6 => proptest::sample::select(messages.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop_oneof![
        8 => (reason, message).prop_map(|(reason, message)| ContainerState::Waiting { reason, message }),
        1 => Just(ContainerState::Running),
        1 => Just(ContainerState::Terminated),
    ]
}

prop_compose! {
    fn view()(
        states in vec(state(), 1..4),
        shared in any::<bool>(),
        version in prop_oneof![5 => Just(None), 1 => (0_u32..60).prop_map(Some)],
        uid in prop_oneof![5 => Just("a"), 1 => Just("b")],
        annotations in proptest::collection::btree_map(
            proptest::sample::select(&super::containers::NAMES[..]).prop_map(str::to_owned),
            prop_oneof![Just("off".to_owned()), Just("enforce".to_owned()), Just("observe".to_owned()), Just("2".to_owned()), any::<String>()],
            0..2,
        ),
        source in prop_oneof![Just(Source::ApiServer), Just(Source::Kubelet)],
        first in proptest::bool::weighted(0.2),
    ) -> (Option<u32>, PodView) {
        let containers = (0..).zip(states).map(|(n, state)| ContainerView {
            name: format!("c{n}"),
            image: if shared || n == 0 { BAD } else { GOOD }.to_owned(),
            pull_policy: PullPolicy::IfNotPresent,
            state,
        });
        (version, PodView {
            uid: uid.to_owned(),
            namespace: "default".to_owned(),
            name: "p".to_owned(),
            resource_version: String::new(),
            node: "node1".to_owned(),
            phase: Phase::Pending,
            deleting: false,
            mirror: false,
            restart_policy: RestartPolicy::Never,
            annotations,
            labels: Default::default(),
            owner: None,
            top: None,
            marked: false,
            ending: false,
            source,
            first,
            too_large: false,
            containers: containers.collect(),
        })
    }
}

/// Views with their seconds; versions that rise but where one is given.
pub fn reports() -> impl Strategy<Value = Vec<(u64, PodView)>> {
    vec((0_u64..900, view()), 1..40).prop_map(|reports| {
        let (mut now, mut out) = (0, Vec::new());
        for (index, (wait, (version, mut view))) in reports.into_iter().enumerate() {
            now += wait;
            view.resource_version =
                version.map_or(index.to_string(), |version| version.to_string());
            out.push((now, view));
        }
        out
    })
}

fn modes() -> impl Strategy<Value = NodeMode> {
    proptest::sample::select(vec![NodeMode::Observe, NodeMode::OptIn, NodeMode::Enforce])
}

fn judge_in(mode: NodeMode, count: Option<u32>) -> TestJudge {
    TestJudge::enforcing().with_mode(mode).with_count(count)
}

fn look(judge: &mut TestJudge, view: &PodView, second: u64) -> Verdict {
    judge.see_view(view, at(second))
}

/// How many containers of the bad image this view may show entering an attempt, or in the pause.
fn may_count(view: &PodView) -> u32 {
    let may = view
        .containers
        .iter()
        .any(|container| match &container.state {
            ContainerState::Waiting { reason, .. } => {
                container.image == BAD
                    && (reason == "ImagePullBackOff" || ATTEMPTS.contains(&reason.as_str()))
            }
            _ => false,
        });
    u32::from(may)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn never_more_is_counted_than_was_reported(reports in reports(), count in proptest::option::of(1_u32..9)) {
        let mut judge = judge_in(NodeMode::Enforce, count);
        let mut reported = std::collections::BTreeMap::<String, u32>::new();
        for (second, view) in &reports {
            look(&mut judge, view, *second);
            let most = reported.entry(view.uid.clone()).or_default();
            *most += may_count(view);
            let image = judge.ledger().pod(&view.uid).and_then(|pod| pod.images.get(BAD));
            if let Some(image) = image {
                prop_assert!(image.failures <= *most);
                prop_assert!(image.in_a_row <= image.failures);
                for row in image.rows.values() {
                    prop_assert!(row.failures <= image.failures);
                }
            }
        }
    }

    #[test]
    fn the_same_view_again_counts_nothing_and_decides_only_what_stands(reports in reports(), again in 1_u64..4) {
        let (mut once, mut often) = (judge_in(NodeMode::Enforce, Some(2)), judge_in(NodeMode::Enforce, Some(2)));
        for (second, view) in &reports {
            look(&mut once, view, *second);
            look(&mut often, view, *second);
            for _ in 0..again {
                let verdict = look(&mut often, view, *second);
                prop_assert!(verdict.observed.failed.is_empty() && verdict.observed.healed.is_empty());
                if let Some(request) = request(&verdict) {
                    let stands = often.ledger().pod(&view.uid).unwrap().images[&request.image].standing.is_some();
                    prop_assert!(stands, "decided without news: {:?}", verdict);
                }
            }
        }
        for (uid, pod) in once.ledger().pods() {
            for (image, record) in &pod.images {
                prop_assert_eq!(record.failures, often.ledger().pod(uid).unwrap().images[image].failures);
            }
        }
    }

    #[test]
    fn observing_never_enforces(reports in reports(), count in proptest::option::of(1_u32..4)) {
        let mut judge = judge_in(NodeMode::Observe, count);
        for (second, view) in &reports {
            let verdict = look(&mut judge, view, *second);
            prop_assert!(request(&verdict).is_none_or(|request| !request.enforce));
        }
    }

    #[test]
    fn who_is_condemned_is_due_at_once_and_every_verdict_has_a_reason(reports in reports(), mode in modes()) {
        let mut judge = judge_in(mode, Some(1));
        for (second, view) in &reports {
            let verdict = look(&mut judge, view, *second);
            prop_assert!(verdict.observed.stale || !verdict.reasons.is_empty());
            prop_assert!(verdict.reasons.iter().all(|reason| !reason.to_string().is_empty()));
            if let Some(request) = request(&verdict) {
                prop_assert_eq!(still_due(request, judge.policy(), view), Ok(()));
                prop_assert!(request.error.len() <= 1024 && !request.error.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing(reports in reports(), mode in modes(), every in 1_usize..5) {
        let (mut steady, mut restarted) = (judge_in(mode, Some(3)), judge_in(mode, Some(3)));
        for (index, (second, view)) in reports.iter().enumerate() {
            let one = look(&mut steady, view, *second);
            let other = look(&mut restarted, view, *second);
            prop_assert_eq!(one, other);
            if index % every == 0 {
                restarted.restart();
            }
        }
        prop_assert_eq!(steady.ledger(), restarted.ledger());
    }

    #[test]
    fn a_reboot_never_lets_anything_be_decided_sooner(reports in reports(), after in 0_usize..40) {
        let (mut steady, mut rebooted) = (judge_in(NodeMode::Enforce, None), judge_in(NodeMode::Enforce, None));
        // The requests of the steady one, by Pod and image, since the image was last pulled.
        let mut decided = Vec::new();
        for (index, (second, view)) in reports.iter().enumerate() {
            let one = look(&mut steady, view, *second);
            let other = look(&mut rebooted, view, *second);
            decided.retain(|(uid, image)| *uid != view.uid || !one.observed.healed.contains(image));
            decided.extend(request(&one).map(|request| (view.uid.clone(), request.image.clone())));
            if let Some(request) = request(&other) {
                let before = |(uid, image): &(String, String)| *uid == view.uid && *image <= request.image;
                prop_assert!(decided.iter().any(before), "{:?} {:?}", one, other);
            }
            if index == after {
                rebooted.reboot(at(*second));
            }
        }
    }

    #[test]
    fn being_spared_is_monotone((_, view) in view(), which in 0_usize..3, running in any::<bool>()) {
        // Whoever is spared is spared as well when one more of its containers is past its pull.
        let mut judge = judge_in(NodeMode::Enforce, Some(1));
        let mut bad = view.clone();
        bad.annotations.clear();
        bad.containers[0].state = ContainerState::Waiting { reason: "ErrImagePull".to_owned(), message: NOT_FOUND.to_owned() };
        for container in &mut bad.containers[1..] {
            container.state = ContainerState::Waiting { reason: String::new(), message: String::new() };
        }
        let verdict = look(&mut judge, &bad, 0);
        let request = request(&verdict).expect("a first failure of a count of one");
        let policy = policy(NodeMode::Enforce);
        let mut less = view.clone();
        let index = which % less.containers.len();
        less.containers[index].state = if running { ContainerState::Running } else { ContainerState::Terminated };
        if still_due(request, &policy, &view).is_err() {
            prop_assert!(still_due(request, &policy, &less).is_err());
        }
        less.phase = Phase::Other;
        prop_assert!(still_due(request, &policy, &less).is_err());
    }

    #[test]
    fn no_text_panics_and_every_cause_is_consistent(reason in any::<String>(), message in any::<String>()) {
        let cause = Cause::of(&reason, &message);
        prop_assert!(Class::ALL.contains(&cause.class()));
        prop_assert_eq!(Cause::of(&reason, &message), cause);
    }

    #[test]
    fn patience_is_ordered(seconds in vec(0_u64..4000, 1..40), transient in any::<bool>()) {
        // The same failures at the same times: a more patient class never fails the Pod sooner.
        let first = |message: &str| {
            let mut judge = judge_in(NodeMode::Enforce, None);
            let mut now = 0;
            seconds.iter().position(|wait| {
                now += wait;
                let verdict = judge.fail(&crate::support::pod::Pod::bad("p"), message, now);
                matches!(verdict.decision, Decision::Fail(_))
            }).unwrap_or(usize::MAX)
        };
        let (less, more) = if transient { (DENIED, NO_HOST) } else { (NOT_FOUND, DENIED) };
        prop_assert!(first(less) <= first(more));
        prop_assert_eq!(first(NO_HOST), first(STRANGE));
    }
}

/// CPU time of this thread so far.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

/// The processor's time, as machines are noisy: the least of some runs.
fn time_of(message: &str) -> Duration {
    let run = |_| {
        let begun = thread_time();
        std::hint::black_box(Cause::of("ErrImagePull", std::hint::black_box(message)));
        thread_time() - begun
    };
    (0..3).map(run).min().unwrap()
}

#[test]
fn many_images_are_judged_in_linear_time() {
    let view = |images: usize| {
        let mut view = Pod::bad("p").view();
        let container = view.containers[0].clone();
        let nth = |n: usize| ContainerView {
            name: format!("c{n}"),
            image: format!("r.test/a-long-name-of-a-repository/image-{n}:1"),
            ..container.clone()
        };
        view.containers = (0..images).map(nth).collect();
        view
    };
    let time = |images: usize| {
        let view = view(images);
        let mut judge = TestJudge::counting_to(1);
        let begun = thread_time();
        let verdict = look(&mut judge, &view, 1);
        assert_eq!(verdict.decision, Decision::Wait);
        thread_time() - begun
    };
    let (small, large) = (time(1000), time(16_000));
    // Sixteen times as many is linear, 256 times would be quadratic.
    let most = (small * 80).max(Duration::from_millis(200));
    assert!(large < most, "{small:?}, then {large:?}");
}

#[test]
fn a_megabyte_takes_as_long_as_its_length() {
    for filler in [
        "x",
        "\"",
        "\\\"",
        ": ",
        ", ",
        "[",
        "\n",
        "://",
        "dial tc",
        "é",
        "rpc error: code = A desc = ",
        ", rpc error: code = ",
        "failed to resolve image: ",
        "Back-off pulling image \"a\": ErrImagePull: ",
        "unexpected status from ",
        "errors:\n",
        "errors:\ndenied\n",
        "errors:\nunsupported image-specific operation on artifact with type\n",
    ] {
        for head in ["", "[", "Back-off pulling image \"a\": ErrImagePull: ["] {
            let text = |size: usize| head.to_owned() + &filler.repeat(size / filler.len());
            let (small, large) = (time_of(&text(64 << 10)), time_of(&text(1 << 20)));
            // Sixteen times as long is linear, 256 times would be quadratic.
            let most = (small * 80).max(Duration::from_millis(20));
            assert!(large < most, "{head}{filler:?}: {small:?}, then {large:?}");
        }
    }
}

#[test]
fn a_ledger_does_not_grow_with_what_is_said_to_it() {
    let mut judge = judge_in(NodeMode::Enforce, None);
    let pod = crate::support::pod::Pod::bad("p");
    for second in 0..300 {
        let message = format!("{second}{}", "\u{1b}".repeat(10_000));
        judge.see(pod.clone().failing(&message), second);
    }
    let size = serde_json::to_string(judge.ledger()).unwrap().len();
    assert!(size < 4096, "{size} bytes");
}

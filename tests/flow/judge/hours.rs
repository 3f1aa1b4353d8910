//! The judge beside a kubelet, over hours that take no time: what is counted against the pulls really tried.

use std::time::Duration;

use pullwarden::judge::{Decision, FailRequest, Moment};
use serde_json::Value;

use crate::support::apiserver::Kind;
use crate::support::judge::{TestJudge, request};
use crate::support::kubelet::Kubelet;
use crate::support::node::Node;
use crate::support::pod::{BAD, GOOD, NO_HOST, Pod};
use crate::support::registry::Registry;
use crate::support::until;

const UID: &str = "uid-p";

fn pod() -> Pod {
    Pod::bad("p")
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Lets a kubelet and a judge that is told everything go on until `until`; when the Pod was first failed, and for what.
fn go_on(
    kubelet: &mut Kubelet,
    judge: &mut TestJudge,
    until: Duration,
) -> Option<(Duration, FailRequest)> {
    let mut first = None;
    for (at, pod) in kubelet.step(until) {
        let verdict = judge.see_at(pod.clone(), Moment::new(at));
        let (counted, tried) = (
            judge.failures(&pod).unwrap_or(0),
            kubelet.attempts(pod.has_uid(), BAD),
        );
        assert!(
            counted <= tried,
            "at {at:?} {counted} counted, {tried} tried"
        );
        if let Some(request) = request(&verdict) {
            first.get_or_insert_with(|| (at, request.clone()));
        }
    }
    first
}

#[test]
fn never_more_is_counted_than_was_tried_and_nothing_is_missed() {
    for seed in 0..12 {
        let mut kubelet = Kubelet::new().with_jitter(seed);
        let mut judge = TestJudge::counting_to(1000);
        kubelet.start(pod());
        go_on(&mut kubelet, &mut judge, minutes(300));
        let tried = kubelet.attempts(UID, BAD);
        assert!(
            (50..70).contains(&tried),
            "a pull every five minutes or so: {tried}"
        );
        // The last one may not have been reported yet.
        let counted = judge.failures(&pod()).unwrap();
        assert!(counted + 1 >= tried, "{counted} of {tried}");
    }
}

fn is_failure(pod: &Pod) -> bool {
    pod.0["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull"
}

#[test]
fn failures_are_reported_when_real_kubelets_report_them() {
    let mut kubelet = Kubelet::new();
    kubelet.start(pod());
    let reports = kubelet.step(minutes(4)).into_iter();
    let seconds: Vec<u64> = reports
        .filter(|(_, pod)| is_failure(pod))
        .map(|(at, _)| at.as_secs())
        .collect();
    let expected = [0..=2, 20..=32, 40..=65, 80..=120, 160..=230];
    assert_eq!(seconds.len(), expected.len(), "{seconds:?}");
    for (second, range) in seconds.iter().zip(&expected) {
        assert!(range.contains(second), "{seconds:?}");
    }
}

#[test]
fn a_missing_image_is_condemned_after_ten_minutes_by_default() {
    for kubelet in [Kubelet::new(), Kubelet::old()] {
        let (mut kubelet, mut judge) = (kubelet, TestJudge::enforcing());
        kubelet.start(pod());
        let (at, request) = go_on(&mut kubelet, &mut judge, minutes(60)).unwrap();
        assert!((minutes(10)..minutes(17)).contains(&at), "{at:?}");
        assert!((5..=8).contains(&request.failures), "{request:?}");
    }
}

#[test]
fn two_containers_of_one_image_are_condemned_no_sooner_than_one() {
    let when = |pod: Pod| {
        let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::counting_to(3));
        kubelet.start(pod);
        let (at, request) = go_on(&mut kubelet, &mut judge, minutes(60)).unwrap();
        assert!(kubelet.attempts(UID, BAD) >= request.failures);
        (at, request.failures)
    };
    assert_eq!(when(pod()).1, 3);
    let two = when(pod().container("d", BAD));
    assert_eq!(two.1, 3);
    assert!(two.0 >= when(pod()).0 - Duration::from_secs(15), "{two:?}");
}

#[test]
fn init_containers_are_condemned_too() {
    let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::counting_to(3));
    kubelet.registry(GOOD, Registry::Has);
    kubelet.start(Pod::new("p").init("i", BAD).container("c", GOOD));
    assert!(go_on(&mut kubelet, &mut judge, minutes(5)).is_some());
}

#[test]
fn a_running_container_beside_a_bad_one_does_not_help_it() {
    let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::counting_to(3));
    kubelet.registry(GOOD, Registry::Has);
    kubelet.start(
        Pod::new("p")
            .init("i", GOOD)
            .container("a", GOOD)
            .container("c", BAD),
    );
    let (_, request) = go_on(&mut kubelet, &mut judge, minutes(5)).unwrap();
    assert_eq!(request.image, BAD);
}

#[test]
fn a_pull_queued_behind_a_hanging_one_is_not_failed_by_the_clock() {
    let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::enforcing());
    kubelet.start(pod());
    assert_eq!(go_on(&mut kubelet, &mut judge, minutes(6)), None);
    assert!(judge.failures(&pod()).unwrap() >= 5, "the count is reached");
    kubelet.registry("r.test/slow:1", Registry::Hangs);
    kubelet.start(Pod::new("slow").container("c", "r.test/slow:1"));
    let tried = kubelet.attempts(UID, BAD);
    assert_eq!(
        go_on(&mut kubelet, &mut judge, minutes(180)),
        None,
        "slow is not failed"
    );
    assert_eq!(kubelet.attempts(UID, BAD), tried, "its pull is queued");
    // Meanwhile the image was pushed.
    kubelet.registry(BAD, Registry::Has);
    kubelet.registry("r.test/slow:1", Registry::Has);
    assert_eq!(go_on(&mut kubelet, &mut judge, minutes(240)), None);
    let last = judge.see_at(
        pod().phase("Running").running("c"),
        Moment::new(minutes(241)),
    );
    assert_eq!(last.decision, Decision::Settle);
}

#[test]
fn an_image_that_is_pushed_late_heals() {
    for after in [1, 3, 9] {
        let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::enforcing());
        kubelet.start(pod());
        assert_eq!(go_on(&mut kubelet, &mut judge, minutes(after)), None);
        kubelet.registry(BAD, Registry::Has);
        assert_eq!(
            go_on(&mut kubelet, &mut judge, minutes(120)),
            None,
            "pushed after {after} min"
        );
    }
}

#[test]
fn a_registry_that_is_away_for_hours_harms_nobody() {
    let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::enforcing());
    kubelet.registry(BAD, Registry::Fails(NO_HOST.to_owned()));
    kubelet.start(pod());
    assert_eq!(go_on(&mut kubelet, &mut judge, minutes(355)), None);
    assert!(
        go_on(&mut kubelet, &mut judge, minutes(380)).is_some(),
        "six hours are enough"
    );
}

#[test]
fn kubelet_restarts_never_raise_the_count_above_the_attempts() {
    let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::counting_to(1000));
    kubelet.start(pod());
    for minute in 1..120 {
        go_on(&mut kubelet, &mut judge, minutes(minute * 2));
        kubelet.restart();
    }
    let (counted, tried) = (judge.failures(&pod()).unwrap(), kubelet.attempts(UID, BAD));
    assert!(
        counted > tried / 2,
        "{counted} of {tried}: nothing was reset"
    );
}

#[test]
fn an_agent_that_misses_reports_counts_too_low_never_too_high() {
    for keep in 2..7 {
        let (mut kubelet, mut judge) = (Kubelet::new(), TestJudge::counting_to(1000));
        kubelet.start(pod());
        let reports = kubelet.step(minutes(300));
        for (index, (at, pod)) in reports.into_iter().enumerate() {
            if index % keep == 0 {
                judge.see_at(pod, Moment::new(at));
            }
            if index % 5 == 0 {
                judge.restart();
            }
        }
        assert!(judge.failures(&pod()).unwrap() <= kubelet.attempts(UID, BAD));
    }
}

/// The whole way: the kubelet reports to the API server, the agent fails the Pod there, the kubelet ends it.
async fn check_whole_way(hanging: bool) {
    let node = Node::counting_to(3).await;
    let mut kubelet = Kubelet::new();
    node.add(&pod());
    kubelet.start(pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    let mut now = Duration::ZERO;
    let mut reported = 0;
    // Time stands still until the agent has taken in what was reported.
    let mut go_on = async |kubelet: &mut Kubelet, by: u64| {
        now += Duration::from_secs(by);
        node.advance(Duration::from_secs(by));
        for (_, report) in kubelet.step(now) {
            node.report(&report);
            reported += u32::from(is_failure(&report));
            if reported < 3 {
                until("it is counted", async || {
                    agent.failures(&pod()).await >= reported
                })
                .await;
            } else {
                node.asked(Kind::PostEvent, 1).await;
            }
        }
        reported
    };
    while go_on(&mut kubelet, 1).await < 3 {}
    assert_eq!(kubelet.attempts(UID, BAD), 3);
    if hanging {
        kubelet.registry(BAD, Registry::Hangs);
        go_on(&mut kubelet, 60).await;
    }
    kubelet.deadline(UID);
    if hanging {
        go_on(&mut kubelet, 600).await;
        assert_eq!(
            node.api.store().pod("p").unwrap()["status"]["phase"],
            "Pending",
            "until the pull ends"
        );
        assert_eq!(node.api.count(Kind::PatchPod), 1);
        kubelet.registry(BAD, Registry::Fails("at last".to_owned()));
    }
    go_on(&mut kubelet, 2).await;
    agent.drops(&pod()).await;
    node.turns(2).await;
    let store = node.api.store();
    let status = &store.pod("p").unwrap()["status"];
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&Value::from("Failed"), &Value::from("DeadlineExceeded"))
    );
    let ours = &status["conditions"][1];
    assert_eq!(
        (&ours["type"], &ours["status"]),
        (
            &Value::from("pullwarden.io/ImagePullFailed"),
            &Value::from("True")
        )
    );
    drop(store);
    assert_eq!(
        node.api.writes(),
        [Kind::PatchStatus, Kind::PatchPod, Kind::PostEvent]
    );
}

#[tokio::test]
async fn the_whole_way() {
    check_whole_way(false).await;
}

#[tokio::test]
async fn the_whole_way_with_a_pull_in_flight() {
    check_whole_way(true).await;
}

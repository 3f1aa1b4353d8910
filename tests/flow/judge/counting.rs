//! What counts as a failure, what does not, and what drops the count: the judge alone, on a clock that the test turns.

use pullwarden::judge::Cause;

use crate::support::judge::{TestJudge, decides_to_fail};
use crate::support::pod::{
    BAD, CANCELLED, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod, QPS, STRANGE, UNREADABLE_SECRET,
    back_off,
};

/// Reports of one Pod, and the failures that are counted after the last.
#[track_caller]
fn check(reports: &[Pod], expected: u32) {
    let mut judge = TestJudge::counting_to(99);
    for (second, report) in (0..).zip(reports) {
        judge.see(report.clone(), second);
    }
    let failures = judge.failures(&reports[0]).unwrap_or(0);
    assert_eq!(failures, expected, "{:#?}", judge.ledger());
}

fn pod() -> Pod {
    Pod::bad("p")
}

fn failing() -> Pod {
    pod().failing(NOT_FOUND)
}

fn pausing() -> Pod {
    pod().pausing(NOT_FOUND)
}

#[test]
fn entering_an_attempt_reason_is_one_failure() {
    check(&[pod(), failing()], 1);
    check(&[failing(), pausing(), failing(), pausing()], 2);
    check(&[pod().waiting("c", "RegistryUnavailable", "x")], 1);
    check(&[pod().waiting("c", "SignatureValidationFailed", "x")], 1);
}

#[test]
fn an_error_before_the_pull_is_no_failed_pull() {
    // The kubelet shows its text as reason and as message, and tries again without back-off.
    let unreadable = || pod().waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET);
    check(&[pod(), unreadable(), unreadable()], 0);
    check(&[unreadable(), failing(), pausing(), unreadable()], 1);
}

#[test]
fn another_message_is_another_failure_and_the_same_is_not() {
    check(&[failing(), failing(), failing()], 1);
    check(&[failing(), pod().failing(NO_HOST)], 2);
}

#[test]
fn the_pause_counts_nothing_once_something_is_counted() {
    check(
        &[
            failing(),
            pausing(),
            pod().pausing("other words"),
            pausing(),
        ],
        1,
    );
}

#[test]
fn what_no_kubelet_says_of_a_pull_counts_nothing() {
    check(&[pod(), pod().waiting("c", "SomethingNew", NOT_FOUND)], 0);
    check(
        &[
            pod().waiting("c", "PodInitializing", ""),
            pod().waiting("c", "ContainerCreating", ""),
        ],
        0,
    );
    check(
        &[pod().waiting("c", "CreateContainerConfigError", NOT_FOUND)],
        0,
    );
}

#[test]
fn the_kubelets_own_limiter_and_a_cancelled_pull_count_nothing() {
    check(
        &[
            pod().failing(QPS),
            pod().pausing(QPS),
            pod().failing(CANCELLED),
        ],
        0,
    );
    check(
        &[
            failing(),
            pausing(),
            pod().failing(QPS),
            pausing(),
            failing(),
        ],
        2,
    );
    // First seen in the pause after one.
    check(&[pod().pausing(QPS)], 0);
}

#[test]
fn first_seen_in_the_pause_counts_one() {
    check(&[pausing()], 1);
    check(&[pausing(), failing()], 2);
    check(&[pod(), pausing()], 1);
    check(
        &[pod().waiting(
            "c",
            "ImagePullBackOff",
            &format!("Back-off pulling image \"{BAD}\""),
        )],
        1,
    );
}

#[test]
fn two_containers_of_one_image_are_counted_once_per_attempt() {
    let two = || pod().container("d", BAD);
    let d_pauses = |pod: Pod| pod.waiting("d", "ImagePullBackOff", &back_off(BAD, NOT_FOUND));
    check(&[d_pauses(two().failing(NOT_FOUND))], 1);
    check(
        &[two()
            .failing(NOT_FOUND)
            .waiting("d", "ErrImagePull", NOT_FOUND)],
        1,
    );
    let both_pause = || d_pauses(two().pausing(NOT_FOUND));
    let d_fails = || {
        two()
            .pausing(NOT_FOUND)
            .waiting("d", "ErrImagePull", NOT_FOUND)
    };
    check(
        &[
            d_pauses(two().failing(NOT_FOUND)),
            both_pause(),
            d_fails(),
            both_pause(),
        ],
        2,
    );
}

#[test]
fn init_containers_count_as_others_do() {
    let pod = || Pod::new("p").init("i", BAD).container("c", GOOD);
    check(&[pod().waiting("i", "ErrImagePull", NOT_FOUND)], 1);
}

#[test]
fn a_view_older_than_the_last_is_ignored() {
    let mut judge = TestJudge::counting_to(1);
    judge.see(pod().version("10"), 0);
    let verdict = judge.see(failing().version("9"), 1);
    assert!(verdict.observed.stale && !decides_to_fail(&verdict));
    assert_eq!(judge.failures(&pod()), None);
    // One digit more is newer, whatever the text's order says.
    judge.see(pausing().version("10"), 2);
    assert_eq!(judge.failures(&pod()), Some(1));
    judge.see(failing().version("9"), 3);
    assert_eq!(judge.failures(&pod()), Some(1));
}

#[test]
fn the_same_state_after_a_restart_is_not_counted_again() {
    let mut judge = TestJudge::counting_to(2);
    judge.see(failing().version("5"), 0);
    judge.restart();
    let verdict = judge.see(failing().version("5"), 1);
    assert!(verdict.observed.failed.is_empty() && !decides_to_fail(&verdict));
    // Nor as the answer of another list, with a version of its own.
    assert!(!decides_to_fail(&judge.see(failing().version("6"), 2)));
    assert_eq!(judge.failures(&pod()), Some(1));
    judge.see(pausing().version("7"), 3);
    assert!(
        decides_to_fail(&judge.see(failing().version("8"), 4)),
        "the counts went on"
    );
}

/// The Pod with its image edited to the good one, and reported so.
fn edited() -> Pod {
    Pod::new("p").container("c", GOOD)
}

/// The same error of the good image.
fn of_good(message: &str) -> String {
    message.replace(BAD, GOOD)
}

#[test]
fn an_edited_image_starts_at_zero() {
    let mut judge = TestJudge::counting_to(3);
    judge.fail(&pod(), NOT_FOUND, 0);
    judge.fail(&pod(), NOT_FOUND, 30);
    let verdict = judge.see(edited().failing(&of_good(NOT_FOUND)), 60);
    assert!(!decides_to_fail(&verdict));
    let images = &judge.ledger().pod("uid-p").unwrap().images;
    assert_eq!(images.keys().collect::<Vec<_>>(), [GOOD]);
    assert_eq!(images[GOOD].failures, 1);
    // And back again.
    judge.see(pausing(), 90);
    assert_eq!(judge.failures(&pod()), Some(1));
}

#[test]
fn a_status_from_before_an_edit_is_no_failure_of_the_new_image() {
    for before in [failing(), pausing()] {
        let mut judge = TestJudge::counting_to(1);
        judge.see(before.clone(), 0);
        for second in 1..5 {
            // The image is mended; the kubelet has not come round to it.
            let verdict = judge.see(before.clone().edited("c", GOOD), second);
            assert!(!decides_to_fail(&verdict), "{verdict:?}");
            let images = &judge.ledger().pod("uid-p").unwrap().images;
            assert_eq!(images.get(GOOD).map_or(0, |image| image.failures), 0);
        }
        // Now it has, and the new one is no better.
        let verdict = judge.see(edited().failing(&of_good(NOT_FOUND)), 9);
        assert!(decides_to_fail(&verdict), "{verdict:?}");
    }
}

#[test]
fn a_recreated_pod_starts_at_zero() {
    let mut judge = TestJudge::counting_to(2);
    judge.fail(&pod(), NOT_FOUND, 0);
    let again = || pod().uid("another");
    assert!(!decides_to_fail(&judge.see(again().failing(NOT_FOUND), 30)));
    assert_eq!(judge.failures(&again()), Some(1));
    assert_eq!(
        judge.failures(&pod()),
        Some(1),
        "nobody said that the first one is gone"
    );
}

#[test]
fn a_container_past_its_pull_drops_the_count() {
    for past in [
        pod().running("c"),
        pod().terminated("c"),
        pod().waiting("c", "CreateContainerError", "x"),
        pod().waiting("c", "CrashLoopBackOff", "x"),
        pod().waiting("c", "RunContainerError", "x"),
    ] {
        check(&[failing(), pausing(), failing(), past.clone()], 0);
        check(&[failing(), pausing(), past, failing()], 1);
    }
}

#[test]
fn a_sibling_past_its_pull_drops_the_count_of_that_image_only() {
    let mut judge = TestJudge::counting_to(9);
    let pod = || pod().container("d", BAD).container("e", GOOD);
    judge.see(
        pod()
            .failing(NOT_FOUND)
            .waiting("e", "ErrImagePull", &of_good(NOT_FOUND)),
        0,
    );
    let verdict = judge.see(
        pod()
            .pausing(NOT_FOUND)
            .running("d")
            .waiting("e", "ErrImagePull", &of_good(NOT_FOUND)),
        1,
    );
    assert_eq!(verdict.observed.healed, [BAD.to_owned()].into());
    let images = &judge.ledger().pod("uid-p").unwrap().images;
    assert_eq!((images[BAD].failures, images[GOOD].failures), (0, 1));
}

#[test]
fn what_a_restarted_kubelet_says_resets_nothing() {
    let creating = || pod().waiting("c", "ContainerCreating", "");
    check(&[failing(), pausing(), creating(), failing()], 2);
    check(&[failing(), pausing(), pod(), pausing()], 1);
    check(
        &[
            failing(),
            pod().waiting("c", "PodInitializing", ""),
            pausing(),
        ],
        1,
    );
}

#[test]
fn the_last_error_tells_the_cause() {
    for (message, cause) in [
        (NOT_FOUND, Cause::ImageNotFound),
        (DENIED, Cause::Denied),
        (NO_HOST, Cause::HostNotFound),
        (STRANGE, Cause::Unrecognised),
    ] {
        let mut judge = TestJudge::counting_to(9);
        judge.fail(&pod(), message, 0);
        let last = judge.ledger().pod("uid-p").unwrap().images[BAD]
            .last
            .clone()
            .unwrap();
        assert_eq!((last.cause, last.message.as_str()), (cause, message));
    }
}

//! When a Pod is failed: counts, classes, durations, what the clock may decide and what it may not.

use pullwarden::judge::{Decision, Reason, Spent};

use crate::support::judge::{TestJudge, at, decides_to_fail, request};
use crate::support::pod::{
    BAD, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod, QPS, STRANGE, UNREADABLE_SECRET,
};

fn pod() -> Pod {
    Pod::bad("p")
}

/// Failed pulls as (second, message): the second of the one that fails the Pod, if one does.
#[track_caller]
fn check(mut judge: TestJudge, failures: &[(u64, &str)], expected: Option<u64>) {
    let mut decided = None;
    for (second, message) in failures {
        if decides_to_fail(&judge.fail(&pod(), message, *second)) {
            decided.get_or_insert(*second);
        }
    }
    assert_eq!(decided, expected, "{failures:?}");
}

/// One failure a minute.
fn every_minute<'a>(messages: impl IntoIterator<Item = &'a str>) -> Vec<(u64, &'a str)> {
    (0..).step_by(60).zip(messages).collect()
}

#[test]
fn a_count_decides_exactly_at_the_nth_failure() {
    for (count, second) in [(1, 0), (3, 120), (5, 240)] {
        let failures = every_minute([NOT_FOUND; 5]);
        check(TestJudge::counting_to(count), &failures, Some(second));
    }
    check(
        TestJudge::counting_to(6),
        &every_minute([NOT_FOUND; 5]),
        None,
    );
}

#[test]
fn a_count_takes_refusals_and_missing_images_in_any_mix() {
    check(
        TestJudge::counting_to(3),
        &every_minute([NOT_FOUND, DENIED, NOT_FOUND]),
        Some(120),
    );
}

#[test]
fn a_transient_error_in_between_starts_the_users_count_again() {
    let judge = || TestJudge::counting_to(3);
    check(
        judge(),
        &every_minute([NOT_FOUND, NOT_FOUND, NO_HOST, NOT_FOUND, NOT_FOUND]),
        None,
    );
    let failures = every_minute([
        NOT_FOUND, NOT_FOUND, STRANGE, NOT_FOUND, NOT_FOUND, NOT_FOUND,
    ]);
    check(judge(), &failures, Some(300));
    // The kubelet's own limiter is no attempt, and no break in the row.
    check(
        judge(),
        &every_minute([NOT_FOUND, NOT_FOUND, QPS, NOT_FOUND]),
        Some(180),
    );
}

#[test]
fn transient_errors_do_not_use_up_the_users_count() {
    check(
        TestJudge::counting_to(1),
        &every_minute([NO_HOST; 11]),
        None,
    );
    check(
        TestJudge::counting_to(1),
        &every_minute([STRANGE; 11]),
        None,
    );
}

#[test]
fn a_count_leaves_transient_errors_their_own_patience() {
    let failures: Vec<_> = (0..).step_by(40 * 60).zip([NO_HOST; 12]).collect();
    check(TestJudge::counting_to(1), &failures, Some(11 * 40 * 60));
}

#[test]
fn by_default_a_missing_image_takes_five_failures_and_ten_minutes() {
    let default = TestJudge::enforcing;
    let with = |seconds: &[u64]| seconds.iter().map(|s| (*s, NOT_FOUND)).collect::<Vec<_>>();
    check(default(), &with(&[0, 26, 50, 100, 200, 500, 599]), None);
    check(
        default(),
        &with(&[0, 26, 50, 100, 200, 500, 600]),
        Some(600),
    );
    check(default(), &with(&[0, 600, 700, 800]), None);
    check(default(), &with(&[0, 600, 700, 800, 900]), Some(900));
}

#[test]
fn by_default_a_refusal_takes_fifteen_minutes() {
    check(TestJudge::enforcing(), &every_minute([DENIED; 15]), None);
    check(
        TestJudge::enforcing(),
        &every_minute([DENIED; 16]),
        Some(900),
    );
}

#[test]
fn by_default_what_may_pass_takes_twelve_failures_and_six_hours() {
    let hours = |message| (0..).step_by(1800).zip([message; 13]).collect::<Vec<_>>();
    check(TestJudge::enforcing(), &hours(NO_HOST), Some(12 * 1800));
    check(TestJudge::enforcing(), &hours(STRANGE), Some(12 * 1800));
    check(TestJudge::enforcing(), &every_minute([NO_HOST; 60]), None);
}

#[test]
fn a_transient_error_starts_the_shorter_patience_again() {
    let mut messages = vec![NOT_FOUND; 10];
    messages.push(NO_HOST);
    messages.extend([NOT_FOUND; 10]);
    check(
        TestJudge::enforcing(),
        &every_minute(messages.clone()),
        None,
    );
    messages.push(NOT_FOUND);
    check(
        TestJudge::enforcing(),
        &every_minute(messages),
        Some(21 * 60),
    );
}

#[test]
fn a_missing_image_counts_towards_the_patience_with_refusals() {
    // Ten minutes of a missing image are not reached, fifteen of either are.
    let mut messages = vec![DENIED; 10];
    messages.extend([NOT_FOUND; 6]);
    check(TestJudge::enforcing(), &every_minute(messages), Some(900));
}

#[test]
fn slow_is_not_failed() {
    let mut judge = TestJudge::enforcing();
    for second in [0, 26, 50, 100, 200] {
        assert!(!decides_to_fail(&judge.fail(&pod(), NOT_FOUND, second)));
    }
    // The count is reached, and the ten minutes pass while a pull is queued: the status says what it said.
    for second in 201..4000 {
        let verdict = judge.see(pod().pausing(NOT_FOUND), second);
        assert_eq!(verdict.decision, Decision::Wait, "at {second}: {verdict:?}");
        if second >= 600 {
            let awaits = Reason::AwaitsNextFailure {
                image: BAD.to_owned(),
            };
            assert!(verdict.reasons.contains(&awaits), "{verdict:?}");
        }
    }
    assert!(
        decides_to_fail(&judge.see(pod().failing(NOT_FOUND), 4000)),
        "a new failure decides"
    );
}

#[test]
fn slow_that_ends_well_is_left_alone() {
    let mut judge = TestJudge::counting_to(3).warming_up(80);
    for second in [0, 26, 50] {
        assert!(!decides_to_fail(&judge.fail(&pod(), NOT_FOUND, second)));
    }
    assert!(!decides_to_fail(&judge.see(pod().pausing(NOT_FOUND), 193)));
    assert!(!decides_to_fail(&judge.see(pod().running("c"), 194)));
    assert_eq!(judge.failures(&pod()), Some(0));
}

#[test]
fn first_seen_in_the_pause_counts_but_does_not_decide() {
    let mut judge = TestJudge::counting_to(1);
    let verdict = judge.see(pod().pausing(NOT_FOUND), 0);
    assert_eq!(judge.failures(&pod()), Some(1));
    assert_eq!(
        verdict.decision,
        Decision::Wait,
        "a pull may be in flight: {verdict:?}"
    );
    assert!(decides_to_fail(&judge.see(pod().failing(NOT_FOUND), 30)));
}

/// A standing reason first seen at 0, with or without a count: the first second at which it fails the Pod, within an hour.
#[track_caller]
fn check_standing(reason: &str, count: Option<u32>, expected: Option<u64>) {
    let mut judge = TestJudge::enforcing().with_count(count);
    let pod = pod().waiting("c", reason, "it stands").version("1");
    let decided = (0..3600)
        .step_by(5)
        .find(|second| decides_to_fail(&judge.see(pod.clone(), *second)));
    assert_eq!(decided, expected, "{reason} {count:?}");
}

#[test]
fn standing_reasons_are_decided_by_the_clock() {
    check_standing("InvalidImageName", Some(3), Some(30));
    check_standing("InvalidImageName", None, Some(600));
    check_standing("ErrImageNeverPull", Some(1), Some(30));
    check_standing("ErrImageNeverPull", None, Some(600));
    check_standing("ImageInspectError", Some(1), None);
    check_standing("ImageInspectError", None, None);
}

#[test]
fn an_unreadable_pull_secret_gets_the_patience_of_its_class() {
    // Unknown errors: 6 h, with a failure count too.
    for mut judge in [TestJudge::enforcing(), TestJudge::counting_to(1)] {
        let pod = pod().waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET);
        let decided = (0..10)
            .map(|hour| hour * 3600)
            .find(|second| decides_to_fail(&judge.see(pod.clone(), *second)));
        assert_eq!(decided, Some(6 * 3600));
    }
    // The secret is mended after five hours, and the first pull is refused.
    let mut judge = TestJudge::enforcing();
    let unreadable = || pod().waiting("c", UNREADABLE_SECRET, UNREADABLE_SECRET);
    judge.see(unreadable(), 0);
    judge.see(unreadable(), 5 * 3600);
    assert!(!decides_to_fail(&judge.fail(&pod(), DENIED, 6 * 3600)));
    assert!(!decides_to_fail(&judge.see(unreadable(), 7 * 3600)));
}

#[test]
fn a_standing_reason_that_went_away_starts_again() {
    let mut judge = TestJudge::counting_to(1);
    let stands = || pod().waiting("c", "InvalidImageName", "");
    judge.see(stands(), 0);
    judge.see(pod().waiting("c", "ContainerCreating", ""), 20);
    assert!(!decides_to_fail(&judge.see(stands(), 29)));
    assert!(!decides_to_fail(&judge.see(stands(), 58)));
    assert!(decides_to_fail(&judge.see(stands(), 59)));
}

#[test]
fn a_standing_reason_that_was_not_written_is_left_alone_for_a_while() {
    let mut judge = TestJudge::counting_to(1);
    let stands = || pod().waiting("c", "InvalidImageName", "");
    judge.see(stands(), 0);
    assert!(decides_to_fail(&judge.see(stands(), 30)));
    assert!(!decides_to_fail(&judge.see(stands(), 359)));
    assert!(decides_to_fail(&judge.see(stands(), 360)));
}

#[test]
fn a_standing_reason_does_not_decide_while_the_same_image_is_pulled_for_another_container() {
    // `c` has imagePullPolicy Never, `d` has not: when `d` gets the image, both start.
    let mut judge = TestJudge::counting_to(9);
    let both = || {
        pod()
            .container("d", BAD)
            .waiting("c", "ErrImageNeverPull", "")
    };
    judge.see(both().waiting("d", "ErrImagePull", NOT_FOUND), 0);
    for second in 1..200 {
        let report = both().waiting("d", "ImagePullBackOff", NOT_FOUND);
        let verdict = judge.see(report, second);
        assert!(
            !decides_to_fail(&verdict),
            "at {second}, while a pull may be in flight: {verdict:?}"
        );
    }
}

#[test]
fn after_a_reboot_counts_stay_and_durations_start_again() {
    let mut judge = TestJudge::enforcing();
    for second in [1000, 1026, 1050, 1100, 1200] {
        judge.fail(&pod(), NOT_FOUND, second);
    }
    judge.reboot(at(5));
    assert_eq!(judge.failures(&pod()), Some(5));
    for second in [10, 300, 609] {
        assert!(
            !decides_to_fail(&judge.fail(&pod(), NOT_FOUND, second)),
            "at {second}"
        );
    }
    assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 610)));
}

#[test]
fn after_a_reboot_a_standing_reason_stands_anew() {
    let mut judge = TestJudge::counting_to(1);
    let stands = || pod().waiting("c", "InvalidImageName", "");
    judge.see(stands(), 5000);
    judge.reboot(at(3));
    assert!(!decides_to_fail(&judge.see(stands(), 4)));
    assert!(!decides_to_fail(&judge.see(stands(), 33)));
    assert!(decides_to_fail(&judge.see(stands(), 34)));
}

#[test]
fn the_verdict_names_the_image_that_is_due() {
    let mut judge = TestJudge::counting_to(2);
    let pod = || {
        Pod::new("p")
            .init("i", GOOD)
            .container("c", BAD)
            .container("e", GOOD)
    };
    let report = || pod().terminated("i").running("e");
    judge.fail(&report(), NOT_FOUND, 0);
    let verdict = judge.fail(&report(), NOT_FOUND, 26);
    let request = request(&verdict).expect("a running container beside it changes nothing");
    assert_eq!((request.image.as_str(), request.failures), (BAD, 2));
    assert_eq!(
        (request.lasting.as_secs(), request.error.as_str()),
        (26, NOT_FOUND)
    );
}

#[test]
fn the_warm_up_holds_and_its_end_decides_nothing() {
    let mut judge = TestJudge::counting_to(1).warming_up(600);
    let verdict = judge.fail(&pod(), NOT_FOUND, 599);
    assert_eq!(verdict.decision, Decision::Hold);
    let held = verdict.reasons.last().unwrap();
    assert_eq!(held.to_string(), "warming up for 1s more");
    assert!(
        !decides_to_fail(&judge.see(pod().pausing(NOT_FOUND), 700)),
        "held until the next failure"
    );
    assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 701)));
}

/// So many Pods of this owner were failed at second 0.
fn spend(judge: &mut TestJudge, times: usize, owner: &str) {
    let spent = Spent {
        at: at(0),
        owner: owner.to_owned(),
        top: None,
        uid: String::new(),
        image: String::new(),
        cause: None,
    };
    let spent = vec![spent; times];
    judge.keep(|kept| kept.memory.spent.extend(spent));
}

#[test]
fn the_nodes_budget_holds() {
    let mut judge = TestJudge::counting_to(1);
    spend(&mut judge, 9, "others");
    assert!(decides_to_fail(&judge.clone().fail(&pod(), NOT_FOUND, 1)));
    spend(&mut judge, 1, "others");
    let verdict = judge.fail(&pod(), NOT_FOUND, 599);
    assert_eq!(verdict.decision, Decision::Hold);
    let held = verdict.reasons.last().unwrap();
    assert_eq!(held.brake(), Some("node-budget"));
    assert!(
        !decides_to_fail(&judge.see(pod().pausing(NOT_FOUND), 600)),
        "a refill decides nothing"
    );
    assert!(decides_to_fail(&judge.fail(&pod(), NOT_FOUND, 601)));
}

#[test]
fn an_owners_budget_holds_that_owner_only() {
    let mut judge = TestJudge::counting_to(1);
    spend(&mut judge, 3, "job-a");
    let verdict = judge.fail(&pod().owner("job-a"), NOT_FOUND, 1);
    let held = verdict.reasons.last().unwrap();
    assert_eq!(held.brake(), Some("owner-budget"));
    assert!(decides_to_fail(&judge.fail(
        &Pod::bad("q").owner("job-b"),
        NOT_FOUND,
        1
    )));
    assert!(decides_to_fail(&judge.fail(
        &Pod::bad("bare"),
        NOT_FOUND,
        1
    )));
}

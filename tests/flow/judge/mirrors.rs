//! Registries behind a mirror: "not found" is worth no more than a transient error.

use std::collections::BTreeSet;

use proptest::prelude::*;
use pullwarden::judge::{BehindMirror, Cause, Class, LastError, Outcome};

use super::corpus;
use crate::support::judge::{TestJudge, decides_to_fail};
use crate::support::pod::{BAD, DENIED, GOOD, NO_HOST, NOT_FOUND, Pod};
use crate::support::random::cases;

const MINUTE: u64 = 60;

fn only(registries: &[&str]) -> BehindMirror {
    BehindMirror::Only(registries.iter().map(|name| (*name).to_owned()).collect())
}

/// A judge that fails Pods at their third failure, of a node with these mirrors.
fn behind(mirrors: BehindMirror) -> TestJudge {
    let mut judge = TestJudge::counting_to(3).with_outcome(Outcome::Written);
    judge.configure(|settings| settings.policy.behind_mirror = mirrors);
    judge
}

fn last<'a>(judge: &'a TestJudge, pod: &Pod) -> &'a LastError {
    let images = &judge.ledger().pod(pod.has_uid()).unwrap().images;
    images[BAD].last.as_ref().unwrap()
}

/// The second of the failure, one every five minutes, that fails the Pod; `None` if none of a day does.
fn failed_at(judge: &mut TestJudge, error: &str) -> Option<u64> {
    let mut seconds = (0..24 * 12).map(|nth| 5 * MINUTE * nth);
    seconds.find(|at| decides_to_fail(&judge.fail(&Pod::bad("p"), error, *at)))
}

#[test]
fn not_found_behind_a_mirror_needs_the_patience_of_a_transient_error() {
    let transient = failed_at(&mut behind(BehindMirror::default()), NO_HOST);
    assert_eq!(transient, Some(360 * MINUTE));
    for mirrors in [
        BehindMirror::All,
        only(&["r.test"]),
        only(&["a.test", "r.test"]),
    ] {
        let mut judge = behind(mirrors.clone());
        judge.fail(&Pod::bad("first"), NOT_FOUND, 0);
        assert_eq!(last(&judge, &Pod::bad("first")).cause, Cause::BehindMirror);
        assert_eq!(failed_at(&mut judge, NOT_FOUND), transient, "{mirrors:?}");
    }
}

#[test]
fn another_registry_and_another_cause_stay_as_they_are() {
    for mirrors in [BehindMirror::default(), only(&["docker.io", "r.test:80"])] {
        let third = failed_at(&mut behind(mirrors.clone()), NOT_FOUND);
        assert_eq!(third, Some(10 * MINUTE), "{mirrors:?}");
    }
    let third = failed_at(&mut behind(BehindMirror::All), DENIED);
    assert_eq!(third, Some(10 * MINUTE));
}

#[test]
fn it_teaches_nothing_about_the_image() {
    let of_job = |name: &str| Pod::bad(name).owner("job");
    let mut judge = behind(only(&["r.test"]));
    let mut seconds = (0..200).map(|nth| 5 * MINUTE * nth);
    let first = |at: &u64| decides_to_fail(&judge.fail(&of_job("first"), NOT_FOUND, *at));
    let at = seconds.find(first).unwrap();
    for nth in 1..9 {
        let verdict = judge.fail(&of_job("second"), NOT_FOUND, at + 60 * nth);
        assert!(!decides_to_fail(&verdict), "{verdict:?}");
    }
}

/// Failures that were counted as permanent decide nothing once the registry is known to have a mirror.
#[test]
fn a_changed_configuration_holds_from_the_next_failure_on() {
    let mut judge = behind(BehindMirror::default());
    for at in [0, 30] {
        assert!(!decides_to_fail(&judge.fail(&Pod::bad("p"), NOT_FOUND, at)));
    }
    judge.configure(|settings| settings.policy.behind_mirror = BehindMirror::All);
    let verdict = judge.fail(&Pod::bad("p"), NOT_FOUND, 60);
    assert!(!decides_to_fail(&verdict), "{verdict:?}");
    judge.configure(|settings| settings.policy.behind_mirror = BehindMirror::default());
    let third =
        [90, 120, 150].map(|at| decides_to_fail(&judge.fail(&Pod::bad("p"), NOT_FOUND, at)));
    assert_eq!(third, [false, false, true]);
}

#[test]
fn docker_hub_is_known_by_all_its_names() {
    let hub = only(&["docker.io"]);
    for image in ["nginx", "docker.io/library/nginx:1", "index.docker.io/a/b"] {
        assert_eq!(hub.cause(image, Cause::ImageNotFound), Cause::BehindMirror);
    }
    let elsewhere = hub.cause(GOOD, Cause::ImageNotFound);
    assert_eq!(elsewhere, Cause::ImageNotFound);
}

#[test]
fn a_mirrors_answer_tells_nothing_of_other_nodes() {
    let everywhere = |mirrors: &BehindMirror| {
        let causes = Cause::ALL.into_iter();
        let everywhere = causes.filter(|cause| mirrors.fails_everywhere(BAD, *cause));
        everywhere.collect::<BTreeSet<_>>()
    };
    let not_answered = BTreeSet::from([Cause::InvalidImageName]);
    assert_eq!(everywhere(&BehindMirror::All), not_answered);
    assert_eq!(everywhere(&only(&["r.test"])), not_answered);
    assert_eq!(everywhere(&only(&["docker.io"])).len(), 4);
}

/// A mirror changes the cause of "not found" and of nothing else, in every text that was collected.
#[test]
fn every_known_text_keeps_its_cause_unless_it_says_not_found() {
    for line in corpus::lines() {
        let cause = Cause::for_image(&line.reason, &line.message, BAD);
        let mirrored = BehindMirror::All.cause(BAD, cause);
        match cause {
            Cause::ImageNotFound => assert_eq!(mirrored, Cause::BehindMirror),
            other => assert_eq!(mirrored, other),
        }
    }
}

fn error() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(NOT_FOUND), Just(DENIED), Just(NO_HOST)]
}

proptest! {
    #![proptest_config(cases(200))]

    /// Whatever fails in whatever order, no Pod is failed earlier because its registry has a mirror.
    #[test]
    fn a_mirror_never_makes_a_verdict_earlier(
        failures in prop::collection::vec((error(), 1_u64..3600), 1..60),
    ) {
        let first = |mirrors: BehindMirror| {
            let mut judge = behind(mirrors);
            let mut now = 0;
            let mut verdicts = failures.iter().map(|(error, pause)| {
                now += pause;
                decides_to_fail(&judge.fail(&Pod::bad("p"), error, now))
            });
            verdicts.position(|decides| decides).unwrap_or(usize::MAX)
        };
        let (with, without) = (first(BehindMirror::All), first(BehindMirror::default()));
        prop_assert!(with >= without, "{with} {without}");
    }
}

#[test]
fn its_class_is_transient() {
    assert_eq!(Cause::BehindMirror.class(), Class::Transient);
    assert!(Cause::BehindMirror.counts() && !Cause::BehindMirror.fails_everywhere());
}

//! Whatever happens, a replay comes to the same as the agent.

use proptest::prelude::*;
use pullwarden::judge::{Moment, NodeMode, Outcome, Phase, PodView};

use super::policies::{HASTY, PATIENT, replay};
use crate::judge::properties::reports;
use crate::support::judge::at;
use crate::support::node_log;
use crate::support::random::cases;
use crate::support::recorder::{self, Recorder};

/// Something that happens, besides a report.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Nothing,
    Tick,
    Arrival,
    Ended(Outcome, bool),
    Left,
    Started,
    Restart(bool),
    Page,
}

fn happens() -> impl Strategy<Value = Happens> {
    let outcomes = [
        Outcome::Written,
        Outcome::Due,
        Outcome::SparedByRuntime,
        Outcome::MovedOn,
        Outcome::Spared,
        Outcome::Gone,
        Outcome::Refused,
    ];
    prop_oneof![
        6 => Just(Happens::Nothing),
        6 => Just(Happens::Tick),
        1 => Just(Happens::Arrival),
        6 => (prop::sample::select(outcomes.to_vec()), any::<bool>())
            .prop_map(|(outcome, marked)| Happens::Ended(outcome, marked)),
        1 => Just(Happens::Left),
        1 => Just(Happens::Started),
        1 => any::<bool>().prop_map(Happens::Restart),
        1 => Just(Happens::Page),
    ]
}

fn happen(recorder: &mut Recorder, what: Happens, view: &PodView, now: Moment) {
    match what {
        Happens::Nothing => {}
        Happens::Tick => recorder.tick(now),
        Happens::Arrival => recorder.arrive(&view.containers[0].image, Some(now), now),
        Happens::Ended(outcome, marked) if !recorder.reports.is_empty() => {
            recorder.end_report(0, outcome, marked, now);
        }
        Happens::Ended(..) => {}
        Happens::Left => recorder.leave(&view.uid, None, now),
        Happens::Started => {
            let phase = Phase::Started;
            recorder.see(
                &PodView {
                    phase,
                    ..view.clone()
                },
                now,
            );
        }
        Happens::Restart(reboots) => recorder.restart(reboots, now),
        Happens::Page => {
            // As the agent does it, after a tick.
            recorder.tick(now);
            recorder.turn_page(now);
        }
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn whatever_happens_the_replay_comes_to_the_same(
        reports in reports(),
        others in prop::collection::vec(happens(), 40),
        mode in prop::sample::select(vec![NodeMode::Observe, NodeMode::OptIn, NodeMode::Enforce]),
        count in prop::option::of(1_u32..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = recorder::config(mode);
        config.policy.failure_count = count.and_then(std::num::NonZeroU32::new);
        let mut recorder = Recorder::start(config, dir.path());
        for ((second, view), what) in reports.iter().zip(others) {
            recorder.see(view, at(*second));
            happen(&mut recorder, what, view, at(*second));
        }
        recorder.holds(dir.path());
        // Nor does it matter what others come to, or where the record is cut off.
        let replayed = replay(dir.path(), &[HASTY, PATIENT]);
        node_log::agrees(dir.path(), &replayed);
        let file = dir.path().join("pulls.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        let is_page = |at: &usize| {
            let line = text[*at..].lines().next();
            line.is_some_and(|line| line.contains("\"kind\":\"continued\""))
        };
        let mut lines = text.match_indices('\n').map(|(at, _)| at + 1);
        if let Some(page) = lines.rfind(is_page) {
            std::fs::write(&file, &text[page..]).unwrap();
            node_log::agrees(dir.path(), &replay(dir.path(), &[]));
        }
    }
}

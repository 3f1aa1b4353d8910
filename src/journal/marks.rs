//! Pods on which a condition of ours may stand, by the journal. For a start without the state file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::files::Log;
use super::line::{Head, Line};
use super::log::NodeLog;
use super::read::Record;
use crate::judge::{Decision, Outcome, PodId, Stage, Undone};

/// Largest number of Pods that are returned. Each costs a read at the API server.
const MOST: usize = 256;

/// Pods on which a condition of ours may stand, by UID. True with those whose report is under way: a try to revert
/// that ends meanwhile says nothing of what the report writes.
type Marks = BTreeMap<String, (PodId, bool)>;

/// Returns the Pods on which a condition of ours may stand, by the node's log in `dir`.
/// Lines and files that cannot be read are skipped.
pub fn may_stand(dir: &Path) -> Vec<PodId> {
    let mut marks = Marks::new();
    for path in NodeLog::files(dir) {
        // A log that is lost too has nothing to add.
        let _ = read_file(&path, &mut marks);
    }
    marks.into_values().map(|(pod, _)| pod).take(MOST).collect()
}

fn read_file(path: &Path, marks: &mut Marks) -> io::Result<()> {
    let mut lines = Log::open(path)?.lines()?;
    while let Some(line) = lines.next_line()? {
        if let Ok(record) = Record::read(line.text.unwrap_or_default()) {
            take(&record.line, marks);
        }
    }
    Ok(())
}

fn take(line: &Line, marks: &mut Marks) {
    let (of, stands, is_open) = match line {
        Line::Start(head) | Line::Continued(head) => {
            if matches!(line, Line::Start(_)) {
                // Reports of the run before have ended with it.
                marks.values_mut().for_each(|(_, is_open)| *is_open = false);
            }
            for pod in of_head(head) {
                marks.entry(pod.uid.clone()).or_insert((pod, false));
            }
            return;
        }
        // The report that follows may be cut off between its two writes.
        Line::Verdict(line) if line.decision == Decision::FAIL && line.enforce == Some(true) => {
            (&line.of, true, true)
        }
        Line::Report(line) => {
            let is_right = matches!(line.outcome, Outcome::Written | Outcome::Gone);
            (&line.of, line.marked && !is_right, false)
        }
        Line::Undone(line) if !marks.get(&line.of.uid).is_some_and(|(_, is_open)| *is_open) => {
            (&line.of, line.undone == Undone::Standing, false)
        }
        _ => return,
    };
    match stands {
        true => marks.insert(of.uid.clone(), (of.id(), is_open)),
        false => marks.remove(&of.uid),
    };
}

/// Returns the Pods that the counts of an earlier file name.
fn of_head(head: &Head) -> impl Iterator<Item = PodId> {
    let pod = |uid: &str, namespace: &str, name: &str| PodId {
        uid: uid.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let ledgers = head.state.iter().map(|state| &state.ledger);
    ledgers.flat_map(move |ledger| {
        let marked = ledger
            .marks()
            .map(move |(uid, mark)| pod(uid, &mark.namespace, &mark.name));
        let writing = ledger
            .pods()
            .filter(|(_, record)| record.stage == Stage::Writing);
        marked.chain(writing.map(move |(uid, record)| pod(uid, &record.namespace, &record.name)))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::journal::line::{OfPod, OfUndone, Report, Verdict};
    use crate::judge::{BrakeMemory, Moment};

    const AT: Moment = Moment::new(Duration::ZERO);

    fn of() -> OfPod {
        OfPod {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            uid: "u".to_owned(),
        }
    }

    fn verdict(decision: &str, enforce: bool) -> Line {
        Line::Verdict(Verdict {
            of: of(),
            decision: decision.to_owned(),
            enforce: Some(enforce),
            failed: Vec::new(),
            inferred: Vec::new(),
            healed: Vec::new(),
            brakes: Vec::new(),
            reasons: Vec::new(),
        })
    }

    fn to_be_failed() -> Line {
        verdict(Decision::FAIL, true)
    }

    fn report(outcome: Outcome, marked: bool) -> Line {
        Line::Report(Report {
            of: of(),
            image: "i".to_owned(),
            ending: String::new(),
            outcome,
            marked,
            detail: String::new(),
            refusal: None,
            closed: Vec::new(),
        })
    }

    fn text(line: &Line) -> String {
        let mut line = serde_json::to_value(line).unwrap();
        line["time"] = json!("2026-01-02T03:04:05Z");
        line["at"] = json!(AT);
        line.to_string()
    }

    /// Number of Pods that are found in a log of these lines.
    fn found(lines: &[String]) -> usize {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pulls.jsonl"), lines.join("\n")).unwrap();
        let found = may_stand(dir.path());
        assert!(found.iter().all(|pod| *pod == of().id()));
        found.len()
    }

    #[test]
    fn a_report_that_was_cut_off_may_have_set_the_condition() {
        let cut = text(&to_be_failed());
        assert_eq!(found(std::slice::from_ref(&cut)), 1);
        let damaged = ["{", "", &cut, r#"{"kind":"new"}"#, "\u{0}"].map(str::to_owned);
        assert_eq!(found(&damaged), 1);
        assert_eq!(found(&[text(&verdict(Decision::FAIL, false))]), 0);
        assert_eq!(found(&[text(&verdict("hold", true))]), 0);
    }

    #[test]
    fn a_report_says_whether_it_may_stand() {
        for (outcome, marked, expected) in [
            (Outcome::Refused, true, 1),
            (Outcome::Refused, false, 0),
            (Outcome::Written, true, 0),
            (Outcome::Gone, false, 0),
        ] {
            let lines = [to_be_failed(), report(outcome, marked)].map(|line| text(&line));
            assert_eq!(found(&lines), expected, "{outcome:?} {marked}");
        }
    }

    #[test]
    fn a_revert_says_whether_it_stands() {
        for (result, expected) in [
            (Undone::Clear, 0),
            (Undone::Written, 0),
            (Undone::Standing, 1),
        ] {
            let revert = || {
                let undone = result;
                Line::Undone(OfUndone { of: of(), undone })
            };
            let ended = report(Outcome::Refused, true);
            let lines = [to_be_failed(), ended, revert()].map(|line| text(&line));
            assert_eq!(found(&lines), expected, "{result:?}");
            // The next report is under way.
            let lines = [to_be_failed(), revert()].map(|line| text(&line));
            assert_eq!(found(&lines), 1, "{result:?}");
        }
    }

    #[test]
    fn a_verdict_that_enforces_nothing_changes_nothing() {
        let lines = [
            to_be_failed(),
            report(Outcome::Refused, true),
            verdict(Decision::FAIL, false),
        ];
        assert_eq!(found(&lines.map(|line| text(&line))), 1);
    }

    #[test]
    fn the_first_line_of_a_file_has_earlier_marks() {
        let mark = json!({"namespace": "n", "name": "p", "over": true});
        let state = json!({"warm_up_until": AT, "brake": BrakeMemory::default(), "ledger": {"pods": {}, "marks": {"u": mark}}});
        let head = json!({"kind": "continued", "time": "2026-01-02T03:04:05Z", "at": AT,
            "node": "a", "boot": "b", "config": {}, "state": state});
        assert_eq!(found(&[head.to_string()]), 1);
    }
}

//! Lines of the process's log about the effects of events.

use tracing::{debug, info, warn};

use crate::judge::{Decision, Effect, Ending, FailRequest, Note, Outcome, PodId, Reason, Verdict};
use crate::text::Shown;

/// Tells of what followed from an event.
pub(super) fn tell(effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::Note(note) => tell_note(note),
            Effect::TellAuthor { pod, complaints } => {
                let (namespace, pod) = (&pod.namespace, &pod.name);
                let ignored: Vec<String> = complaints.iter().map(ToString::to_string).collect();
                warn!(%namespace, %pod, annotations = ignored.join("; "), "annotations ignored");
            }
            _ => {}
        }
    }
}

fn tell_note(note: &Note) {
    match note {
        Note::PullFailed {
            pod: PodId {
                namespace, name, ..
            },
            image,
            cause,
            failures,
            error,
            ..
        } => {
            let image = Shown(image);
            info!(%namespace, pod = %name, %image, %cause, failures, %error, "pull failed");
        }
        Note::Healed { pod, image } => {
            let (namespace, pod, image) = (&pod.namespace, &pod.name, Shown(image));
            info!(%namespace, %pod, %image, "pulled after failures, its count is dropped");
        }
        Note::StartedAfterAll {
            pod,
            image,
            because,
        } => {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            let because = because.as_str();
            warn!(%namespace, %pod, image = %Shown(image), because, "would have been failed, and started after all");
        }
        Note::Verdict { pod, verdict } => tell_verdict(pod, verdict),
        Note::TooLarge { pod } => {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            warn!(%namespace, %pod, "too large to be judged, skipped");
        }
        Note::Ended {
            pod,
            request,
            image,
            ending,
            ..
        } => tell_ending(pod, request.as_deref(), image, ending),
        Note::Reverted { pod, undone } => {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            match undone {
                crate::judge::Undone::Clear => {
                    info!(%namespace, %pod, "the condition was reverted, or did not stand");
                }
                crate::judge::Undone::Written => {}
                crate::judge::Undone::Standing => {
                    warn!(%namespace, %pod, "a condition of ours may still be True, trying until it is reverted");
                }
            }
        }
        Note::Left {
            pod,
            written,
            had_failures,
        } => {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            match written {
                // The kubelet's socket reports this up to two seconds before the API server knows
                // of it. Only then does the scheduler have the capacity.
                Some(after) => {
                    info!(%namespace, %pod, ?after, "the failed Pod has left Pending");
                }
                None if *had_failures => {
                    info!(%namespace, %pod, "not Pending any more, its counts are dropped");
                }
                None => {}
            }
        }
        Note::Forgotten { .. } => {}
    }
}

fn tell_verdict(pod: &PodId, verdict: &Verdict) {
    let (namespace, pod) = (&pod.namespace, &pod.name);
    let reasons: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
    let why = reasons.join("; ");
    match &verdict.decision {
        Decision::Hold => info!(%namespace, %pod, why, "verdict held"),
        Decision::Fail(request) => {
            let enforce = request.enforce;
            info!(%namespace, %pod, enforce, why, "condemned");
        }
        Decision::Settle | Decision::Wait => {
            let decision = verdict.decision.as_str();
            debug!(%namespace, %pod, decision, why, "judged");
        }
    }
}

fn tell_ending(pod: &PodId, request: Option<&FailRequest>, image: &str, ending: &Ending) {
    let (namespace, pod, image) = (&pod.namespace, &pod.name, Shown(image));
    let cause = request.map(|request| request.cause.as_str());
    let failures = request.map(|request| request.failures);
    let detail = ending.detail.as_str();
    match ending.outcome {
        Outcome::Written => {
            info!(%namespace, %pod, %image, cause, failures, "Pod failed, the kubelet is ending it");
        }
        Outcome::Due => {
            info!(%namespace, %pod, %image, cause, failures, "would fail the Pod (observing only)");
        }
        Outcome::SparedByRuntime | Outcome::MovedOn | Outcome::Spared | Outcome::Gone => {
            info!(%namespace, %pod, %image, why = detail, "Pod spared");
        }
        Outcome::Barred | Outcome::Unguarded | Outcome::Off | Outcome::Denied => {
            let plugin = ending.refusal.as_deref();
            warn!(%namespace, %pod, %image, plugin, error = detail, "failing the Pod is not allowed");
        }
        Outcome::Fleet => {
            warn!(%namespace, %pod, %image, why = detail, "the fleet budget holds the Pod, left for its next failure");
        }
        Outcome::Refused => {
            warn!(%namespace, %pod, %image, error = detail, "the Pod could not be failed, left for its next failure");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Result, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failed_pod_that_left_pending_frees_nothing_yet() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let left = Effect::Note(Note::Left {
            pod: PodId {
                uid: "u".to_owned(),
                namespace: "n".to_owned(),
                name: "p".to_owned(),
            },
            written: Some(Duration::from_secs(1)),
            had_failures: true,
        });
        tracing::subscriber::with_default(log.with_ansi(false).finish(), || tell(&[left]));
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (_, said) = text.split_once("narrate: ").unwrap();
        assert_eq!(
            said,
            "the failed Pod has left Pending namespace=n pod=p after=1s\n"
        );
    }
}

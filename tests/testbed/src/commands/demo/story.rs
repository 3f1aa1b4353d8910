//! What has happened so far, and what of it is worth a line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::timeline::{Tone, Who};

/// The condition that pullwarden gives a Pod.
pub const CONDITION: &str = "pullwarden.io/ImagePullFailed";

/// A line of the timeline.
pub type Line = (Who, Tone, String);

/// All that was seen.
#[derive(Debug, Default)]
pub struct Story {
    pods: BTreeMap<String, Pod>,
    jobs: BTreeMap<String, Job>,
    /// Whether the agent has seen the kubelet end the Pod that it failed.
    followed: bool,
}

/// What matters of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Of which Job it is.
    pub job: String,
    /// The node that it is bound to, if any.
    pub node: String,
    /// Why it cannot be scheduled, if so.
    pub unschedulable: String,
    /// Why its container waits.
    pub waiting: String,
    /// What its last failed pull ended with.
    pub error: String,
    /// The reason of pullwarden's condition, if that is True.
    pub cause: String,
    /// Whether it has a deadline.
    pub deadline: bool,
    /// Its phase.
    pub phase: String,
    /// Why it is in that phase.
    pub reason: String,
    /// How many failed pulls were seen.
    pub failures: u32,
}

#[derive(Debug, Default)]
struct Job {
    /// `Complete`, `Failed` or empty.
    end: String,
    reason: String,
}

impl Story {
    /// The Pods of a Job, by name.
    pub fn pods<'a>(&'a self, job: &'a str) -> impl Iterator<Item = (&'a String, &'a Pod)> {
        self.pods.iter().filter(move |(_, pod)| pod.job == job)
    }

    /// Whether there is a Pod of the Job, and all of them are so.
    pub fn all(&self, job: &str, so: impl Fn(&Pod) -> bool) -> bool {
        self.pods(job).next().is_some() && self.pods(job).all(|(_, pod)| so(pod))
    }

    /// How a Job has ended: `Complete` or `Failed`; empty as long as it has not.
    pub fn end(&self, job: &str) -> &str {
        self.jobs.get(job).map_or("", |job| &job.end)
    }

    /// Whether the agent has followed the Pod that it failed to its end.
    pub fn followed(&self) -> bool {
        self.followed
    }

    /// A Pod as it is now.
    pub fn pod(&mut self, object: &Value) -> Vec<Line> {
        let name = text(&object["metadata"]["name"]);
        let before = self.pods.get(&name).cloned().unwrap_or_default();
        let mut now = Pod::of(object);
        now.failures = before.failures;
        let mut lines = Vec::new();
        let who = match now.job.as_str() {
            "job-a" => Who::A,
            _ => Who::B,
        };
        let mut line = |who: Who, tone: Tone, text: String| lines.push((who, tone, text));

        if now.unschedulable != before.unschedulable && !now.unschedulable.is_empty() {
            let text = format!("its Pod stays Pending: {}", now.unschedulable);
            line(who, Tone::Plain, text);
        }
        if now.node != before.node {
            let text = format!("its Pod is scheduled to {}", now.node);
            line(who, Tone::Plain, text);
        }
        if now.waiting != before.waiting {
            match now.waiting.as_str() {
                "ErrImagePull" => {
                    now.failures += 1;
                    let Pod {
                        failures, error, ..
                    } = &now;
                    let text = format!("pull {failures} failed: ErrImagePull, {error}");
                    line(who, Tone::Bad, text);
                }
                "ImagePullBackOff" if now.cause.is_empty() => {
                    let text = "ImagePullBackOff: the kubelet waits, then tries again";
                    line(who, Tone::Quiet, text.to_owned());
                }
                _ => {}
            }
        }
        if now.cause != before.cause && !now.cause.is_empty() {
            let text = format!("sets the Pod's condition {CONDITION}: {}", now.cause);
            line(Who::Pullwarden, Tone::Plain, text);
        }
        if now.deadline && !before.deadline {
            let text = "has the kubelet end the Pod: activeDeadlineSeconds: 1";
            line(Who::Pullwarden, Tone::Plain, text.to_owned());
        }
        if now.phase != before.phase {
            match (who, now.phase.as_str()) {
                (Who::A, "Failed") => {
                    let text = format!("its Pod is Failed ({}), its room is free", now.reason);
                    line(who, Tone::Good, text);
                }
                (_, "Failed") => {
                    let text = format!("its Pod is Failed: {}", now.reason);
                    line(who, Tone::Bad, text);
                }
                (_, "Running") => line(who, Tone::Good, "its Pod runs".to_owned()),
                _ => {}
            }
        }
        self.pods.insert(name, now);
        lines
    }

    /// A Job as it is now.
    pub fn job(&mut self, object: &Value) -> Vec<Line> {
        let name = text(&object["metadata"]["name"]);
        let job = self.jobs.entry(name.clone()).or_default();
        let ended = ["Complete", "Failed"].into_iter().find_map(|kind| {
            let condition = condition(object, kind)?;
            (condition["status"] == "True").then(|| (kind, text(&condition["reason"])))
        });
        let Some((end, reason)) = ended else {
            return Vec::new();
        };
        if job.end == end {
            return Vec::new();
        }
        (job.end, job.reason) = (end.to_owned(), reason);
        let who = if name == "job-a" { Who::A } else { Who::B };
        vec![match end {
            "Complete" => (who, Tone::Good, "complete".to_owned()),
            _ => (who, Tone::Plain, format!("failed: {}", job.reason)),
        }]
    }

    /// A line of the agent's log.
    pub fn agent(&mut self, line: &Value) -> Vec<Line> {
        let say = |text: String| vec![(Who::Pullwarden, Tone::Plain, text)];
        match line["kind"].as_str() {
            Some("verdict") => {
                // Inferred: the Pod was in its back-off when the agent first saw it.
                let counted = [&line["failed"][0], &line["inferred"][0]];
                let Some(image) = counted.into_iter().find_map(Value::as_str) else {
                    return Vec::new();
                };
                let prefix = format!("{image}: ");
                let reasons = line["reasons"].as_array().into_iter().flatten();
                let why: Vec<&str> = reasons
                    .filter_map(|reason| reason.as_str()?.strip_prefix(&prefix))
                    .collect();
                say(format!("counts: {}", why.join(", ")))
            }
            Some("report") if line["ending"] != "written" => {
                let text = format!("{}: {}", text(&line["ending"]), text(&line["detail"]));
                vec![(Who::Pullwarden, Tone::Bad, text)]
            }
            Some("left") if line["written"] == true => {
                self.followed = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

impl Pod {
    fn of(object: &Value) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let waiting = &status["containerStatuses"][0]["state"]["waiting"];
        let scheduled = condition(object, "PodScheduled");
        let unschedulable = scheduled.filter(|c| c["reason"] == "Unschedulable");
        let cause = condition(object, CONDITION).filter(|c| c["status"] == "True");
        let message = text(&waiting["message"]);
        Self {
            job: text(&object["metadata"]["labels"]["batch.kubernetes.io/job-name"]),
            node: text(&spec["nodeName"]),
            // Of the scheduler's message only the first sentence is about this.
            unschedulable: unschedulable
                .map(|c| text(&c["message"]))
                .and_then(|message| message.split(". ").next().map(str::to_owned))
                .unwrap_or_default(),
            waiting: text(&waiting["reason"]),
            // An error's chain, its first cause last.
            error: message.rsplit(": ").next().unwrap_or_default().to_owned(),
            cause: cause.map(|c| text(&c["reason"])).unwrap_or_default(),
            deadline: spec["activeDeadlineSeconds"].is_number(),
            phase: text(&status["phase"]),
            reason: text(&status["reason"]),
            failures: 0,
        }
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(waiting: &str, message: &str) -> Value {
        json!({
            "metadata": {"name": "a-1", "labels": {"batch.kubernetes.io/job-name": "job-a"}},
            "spec": {"nodeName": "node1"},
            "status": {"phase": "Pending", "containerStatuses": [
                {"state": {"waiting": {"reason": waiting, "message": message}}}]},
        })
    }

    #[test]
    fn each_failed_pull_is_told_once() {
        let mut story = Story::default();
        let mut told = Vec::new();
        for (waiting, message) in [
            ("ContainerCreating", ""),
            ("ErrImagePull", "cannot pull \"r/a:1\": r/a:1: not found"),
            ("ErrImagePull", "cannot pull \"r/a:1\": r/a:1: not found"),
            ("ImagePullBackOff", "Back-off"),
            ("ErrImagePull", "dial tcp: refused"),
        ] {
            let lines = story.pod(&pod(waiting, message)).into_iter();
            told.extend(lines.filter(|line| line.1 == Tone::Bad).map(|line| line.2));
        }
        assert_eq!(
            told,
            [
                "pull 1 failed: ErrImagePull, not found",
                "pull 2 failed: ErrImagePull, refused"
            ]
        );
    }

    #[test]
    fn the_agents_count_is_told_in_its_own_words() {
        let line = json!({
            "kind": "verdict", "decision": "wait", "failed": ["r/a:1"],
            "reasons": ["r/a:1: ImageNotFound, 1 of 3 failures"],
        });
        let told = Story::default().agent(&line);
        assert_eq!(told[0].2, "counts: ImageNotFound, 1 of 3 failures");
    }
}

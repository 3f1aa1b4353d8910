//! What Pods show over time: every state that the API server tells of, not only those that a look
//! now and then happens upon.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testbed::{Case, Node, Stopwatch};

/// Reasons that say nothing about a pull.
const NOT_YET: [&str; 2] = ["ContainerCreating", "PodInitializing"];
const BACK_OFF: &str = "ImagePullBackOff";

/// Watches the Pods of some cases. Ends with the value.
pub struct Watch {
    kubectl: Child,
    pods: Receiver<Value>,
    cases: BTreeMap<&'static str, (Case, Shown)>,
}

/// What a Pod has shown.
#[derive(Debug, Default)]
struct Shown {
    /// What it shows now, as long as that is no failure.
    now: String,
    /// The first failure that is not a back-off: reason and message.
    failure: Option<(String, String)>,
    /// The message of the first back-off.
    back_off: Option<String>,
}

impl Watch {
    /// Watches from now on.
    pub fn start(node: &Node, cases: &[Case]) -> Result<Self> {
        let mut kubectl = node
            .kubectl()
            .args(["get", "pods", "--watch", "--output=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("running kubectl")?;
        let stdout = kubectl.stdout.take().context("kubectl has no output")?;
        let (sender, pods) = channel();
        // Ends with kubectl, or when nobody listens any more.
        std::thread::spawn(move || {
            let pods = serde_json::Deserializer::from_reader(BufReader::new(stdout));
            for pod in pods.into_iter().map_while(Result::ok) {
                if sender.send(pod).is_err() {
                    break;
                }
            }
        });
        let cases = cases
            .iter()
            .map(|case| (case.name(), (*case, Shown::default())));
        Ok(Self {
            kubectl,
            pods,
            cases: cases.collect(),
        })
    }

    /// Waits until every Pod has shown how it fails and that the kubelet backs off, or patience is
    /// at an end.
    pub fn until_all_are_seen(&mut self, patience: Duration) -> Result<()> {
        let begun = Stopwatch::start();
        while !self.cases.values().all(|(_, shown)| shown.is_complete()) {
            let left = patience.saturating_sub(begun.elapsed());
            match self.pods.recv_timeout(left) {
                Ok(pod) => self.note(&pod),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("kubectl has ended"),
            }
        }
        Ok(())
    }

    fn note(&mut self, pod: &Value) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if let Some((_, shown)) = self.cases.get_mut(name) {
            shown.note(&pod["status"]["containerStatuses"][0]["state"]);
        }
    }

    /// Case, reason and message of all that was seen; of Pods that did not fail, what they show.
    pub fn seen(&self) -> Vec<(Case, String, String)> {
        let mut seen = Vec::new();
        for (case, shown) in self.cases.values() {
            match &shown.failure {
                Some((reason, message)) => seen.push((*case, reason.clone(), message.clone())),
                None if shown.back_off.is_some() => {}
                None => seen.push((*case, shown.now.clone(), String::new())),
            }
            if let Some(message) = &shown.back_off {
                seen.push((*case, BACK_OFF.to_owned(), message.clone()));
            }
        }
        seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

impl Shown {
    fn note(&mut self, state: &Value) {
        let Some(waiting) = state.get("waiting") else {
            if state.get("running").is_some() {
                self.now = "Running".to_owned();
            }
            return;
        };
        let text = |field: &str| waiting[field].as_str().unwrap_or_default().to_owned();
        let (reason, message) = (text("reason"), text("message"));
        if NOT_YET.contains(&reason.as_str()) {
            self.now = reason;
        } else if reason == BACK_OFF {
            self.back_off.get_or_insert(message);
        } else {
            self.failure.get_or_insert((reason, message));
        }
    }

    fn is_complete(&self) -> bool {
        match &self.failure {
            // The kubelet backs off from pulls only, and from those that it tried.
            Some((reason, _)) => self.back_off.is_some() || reason != "ErrImagePull",
            None => self.now == "Running",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_of_each_is_kept() {
        let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
        let mut shown = Shown::default();
        shown.note(&waiting("ContainerCreating", ""));
        assert!(!shown.is_complete());
        assert_eq!(shown.now, "ContainerCreating");
        for time in ["first", "second"] {
            shown.note(&waiting("ErrImagePull", time));
            shown.note(&waiting("ImagePullBackOff", time));
        }
        assert!(shown.is_complete());
        let failure = ("ErrImagePull".to_owned(), "first".to_owned());
        assert_eq!(shown.failure, Some(failure));
        assert_eq!(shown.back_off.as_deref(), Some("first"));
    }
}

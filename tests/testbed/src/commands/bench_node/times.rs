//! How soon the agent acts: from the kubelet's report of the third failure to our second write and to phase Failed.
//!
//! The beginning is the same for both sources of evidence: the moment at which the kubelet tells of the third failure on its own socket, as
//! an observer beside the agent hears it (or when it asks the API server to write that down, should the observer be late). The API server hears of it a little later; how much later is a row of its own. The ends are
//! from the API server's audit log, when it had made the write: ours, and the kubelet's that carries the phase. Both clocks are this machine's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testbed::{Node, Stopwatch, tail};

use super::observer::{Observer, Reported};
use crate::commands::agent::{Agent, USER};
use crate::commands::audit::{Audit, Patched};
use crate::commands::crowd;
use crate::commands::kubectl::{create, kubectl};
use crate::commands::patience::Patience;

/// What the agent is told: three failures, and no brake but what a Pod's own evidence says.
const SETTINGS: &str = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\nbudget: {pods: 1000, perOwner: 1000}\n\
                        registryBrake: {repositories: 1000}\nnewNodeBrake: 0s\n\
                        fleetBudget: {pods: 1000, perRegistry: 1000, perNamespace: 1000, perOwner: 1000}\n";
/// How many failures that is.
const FAILURES: usize = 3;
/// The kubelet, for the API server.
const KUBELET: &str = "system:node:node1";
/// A Pod is made this often, so that they do not fail all at once.
const EVERY: Duration = Duration::from_millis(500);
/// How long the API server may take to note what the kubelet has reported.
const REST: Duration = Duration::from_secs(2);
/// How long three failures may take: the kubelet's back-off doubles.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(100, 30));

/// What was measured with one source of evidence, in milliseconds for each Pod, sorted.
#[derive(Debug)]
pub struct Times {
    /// Until the API server had the kubelet's report.
    pub known: Vec<f64>,
    /// Until it had made our second write.
    pub written: Vec<f64>,
    /// Until it had the kubelet's report of phase Failed.
    pub failed: Vec<f64>,
    /// The agent's requests, by kind.
    pub requests: BTreeMap<String, usize>,
}

/// Fails so many Pods with evidence from this source, on a node that runs `quiet` others.
pub fn measure(
    node: &Node,
    program: &Path,
    source: &str,
    (quiet, bad): (u16, u16),
    patience: Patience<'_>,
) -> Result<Times> {
    let settings = format!("{SETTINGS}evidence: {source}\n");
    let name = format!("pullwarden-{source}");
    let agent = Agent::named(node, program, &name, &node.agent_kubeconfig(), &settings)?;
    agent.until_quiet(quiet, patience)?;
    let before = Audit::read(node)?.kinds(USER);
    let observer = Observer::start(&node.kubelet_pods_socket());

    let names: Vec<String> = (0..bad)
        .map(|index| format!("bad-{source}-{index}"))
        .collect();
    make(node, source, &names, patience)?;
    let of_ours = |reported: BTreeMap<String, Reported>| -> Vec<Reported> {
        let ours = names.iter().map(|name| reported.get(name).cloned());
        ours.map(Option::unwrap_or_default).collect()
    };
    let failed = || {
        let reported = of_ours(observer.reported().unwrap_or_default());
        reported.iter().filter(|pod| pod.failed).count()
    };
    let what = format!("waiting until they are failed, evidence: {source}");
    // The observer is asked, as kubectl would take the processor away from those that are measured.
    let all = patience.until(&what, *PATIENCE, || failed() == names.len())?;
    ensure!(
        all,
        "{} of {bad} Pods were failed; the end of the agent's log:\n{}",
        failed(),
        tail(&agent.log())
    );
    patience.pass("letting the API server hear of it", REST)?;
    let audit = Audit::read(node)?;
    let reported = of_ours(observer.reported()?);
    drop(agent);
    let selector = format!("-levidence={source}");
    kubectl(node, &["delete", "pods", &selector, "--timeout=120s"])?;

    let patches: Vec<Patched> = audit.patches().collect();
    let mut times = Times::new(before, &audit);
    for (name, reported) in names.iter().zip(&reported) {
        let of_pod = patches.iter().filter(|patch| patch.pod == *name);
        times.add(name, reported, &of_pod.collect::<Vec<_>>())?;
        let (pulls, failures) = (
            node.pulls(&image(node, name))?.begun,
            reported.failures.len(),
        );
        ensure!(
            pulls == FAILURES && failures == FAILURES,
            "{name} was failed after {pulls} pulls, of which {failures} were reported as failed"
        );
    }
    times.sort();
    Ok(times)
}

/// An image that is not there, of this Pod alone: the runtime's log tells how often it was tried.
fn image(node: &Node, pod: &str) -> String {
    format!("{}/missing/{pod}:1", node.registry())
}

/// Makes Pods whose images are missing, one after the other.
fn make(node: &Node, source: &str, names: &[String], patience: Patience<'_>) -> Result<()> {
    let mut names = names.iter().peekable();
    let (begun, mut due, mut fault) = (Stopwatch::start(), Duration::ZERO, None);
    let what = format!("making Pods without an image, evidence: {source}");
    patience.until(&what, *PATIENCE, || {
        if begun.elapsed() >= due
            && let Some(name) = names.next()
        {
            let mut pod = crowd::pod(name, &image(node, name));
            pod["metadata"]["labels"] = json!({ "evidence": source });
            fault = create(node, &pod).err();
            due += EVERY;
        }
        fault.is_some() || names.peek().is_none()
    })?;
    fault.map_or(Ok(()), Err)
}

impl Times {
    fn new(before: BTreeMap<String, usize>, audit: &Audit) -> Self {
        let mut requests = audit.kinds(USER);
        for (kind, made) in before {
            if let Some(all) = requests.get_mut(&kind) {
                *all -= made;
            }
        }
        requests.retain(|_, made| *made > 0);
        Self {
            known: Vec::new(),
            written: Vec::new(),
            failed: Vec::new(),
            requests,
        }
    }

    /// Adds a Pod that was failed.
    fn add(&mut self, name: &str, reported: &Reported, patches: &[&Patched]) -> Result<()> {
        let written = patches
            .iter()
            .find(|patch| patch.user == USER && !patch.status)
            .with_context(|| format!("{name}: the agent has not written to it"))?;
        let by_kubelet = || patches.iter().filter(|patch| patch.user == KUBELET);
        let failed = by_kubelet()
            .find(|patch| patch.body["status"]["phase"] == "Failed")
            .with_context(|| format!("{name}: the kubelet has not written phase Failed"))?;
        let heard = reported.failures.get(FAILURES - 1).copied();
        let told = told(by_kubelet().copied());
        let told = told.get(FAILURES - 1);
        // On a busy machine the observer may hear of it late; the kubelet has told it by when it writes it.
        let begun = heard.into_iter().chain(told.map(|patch| patch.asked)).min();
        let begun = begun.with_context(|| format!("{name}: nobody heard of failure {FAILURES}"))?;
        self.known
            .extend(told.map(|patch| millis(patch.at - begun)));
        self.written.push(millis(written.at - begun));
        self.failed.push(millis(failed.at - begun));
        Ok(())
    }

    fn sort(&mut self) {
        for times in [&mut self.known, &mut self.written, &mut self.failed] {
            times.sort_by(f64::total_cmp);
        }
    }
}

/// The kubelet's writes that told the API server of another failed pull: counted as the observer counts.
fn told<'a>(by_kubelet: impl Iterator<Item = &'a Patched>) -> Vec<&'a Patched> {
    let mut shown = None;
    let mut told = Vec::new();
    for patch in by_kubelet {
        let Some(list) = patch.body["status"]["containerStatuses"].as_array() else {
            continue;
        };
        let waiting = list.iter().map(|status| &status["state"]["waiting"]);
        let now = waiting
            .filter(|waiting| waiting["reason"] == "ErrImagePull")
            .find_map(|waiting| waiting["message"].as_str());
        if now.is_some() && now != shown {
            told.push(patch);
        }
        shown = now;
    }
    told
}

/// The time that so many hundredths of all do not exceed, of sorted times; nothing of none.
pub fn percentile(sorted: &[f64], hundredths: usize) -> Option<f64> {
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[expect(clippy::cast_precision_loss, reason = "minutes, in microseconds")]
fn millis(micros: i64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<f64> = (1..=40).map(f64::from).collect();
        assert_eq!(percentile(&times, 50), Some(20.0));
        assert_eq!(percentile(&times, 99), Some(40.0));
        assert_eq!(percentile(&[7.0], 50), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
    }
}

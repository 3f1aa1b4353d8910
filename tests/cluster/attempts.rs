//! Bad Pods of which each has a repository of its own, so that what was tried for it is known, beside a healthy one.

use pullwarden::judge::ANNOTATION_FAILURE_COUNT;
use serde_json::json;
use testbed::{Node, Stopwatch};

use crate::agent::Agent;
use crate::audit::assert_only_failed;
use crate::cluster::{Cluster, LONG, assert_failed_by_us, assert_untouched, phase};
use crate::shapes::{FAULTY, REGISTRY, container, pod};

const HEALTHY: &str = "healthy";

/// A namespace with such Pods, and the agent that counts their failures.
pub struct Attempts<'a> {
    /// The node.
    pub node: &'a Node,
    /// The agent.
    pub agent: &'a Agent,
    /// The namespace.
    pub cluster: Cluster,
    pods: Vec<Bad>,
}

/// A bad Pod.
struct Bad {
    name: String,
    /// The failures after which it is to be failed.
    count: usize,
}

/// Failures that are reported while nobody listens, and a source's first word, are not counted: two each time a source is opened anew at
/// most, and no test here does so more than twice.
const UNSEEN: usize = 4;

impl<'a> Attempts<'a> {
    /// With the healthy Pod running.
    pub async fn new(node: &'a Node, agent: &'a Agent, cluster: Cluster) -> Self {
        let repository = format!("{}/{HEALTHY}", cluster.namespace);
        node.push_image(&repository, "1").unwrap();
        let image = format!("{REGISTRY}/{repository}:1");
        cluster
            .create(pod(HEALTHY, vec![container("main", &image)]))
            .await;
        let runs = || async {
            let pod = cluster.pod(HEALTHY).await?;
            (phase(&pod) == "Running").then_some(())
        };
        cluster.until("the healthy Pod to run", runs).await;
        Self {
            node,
            agent,
            cluster,
            pods: Vec::new(),
        }
    }

    fn image(&self, name: &str) -> String {
        format!("{FAULTY}/{}/{name}:1", self.cluster.namespace)
    }

    /// Makes a bad Pod that is to be failed after so many failures, and waits until the first is counted.
    pub async fn make(&mut self, name: &str, count: usize) {
        let mut pod = pod(name, vec![container("main", &self.image(name))]);
        pod["metadata"]["annotations"] = json!({ANNOTATION_FAILURE_COUNT: count.to_string()});
        self.cluster.create(pod).await;
        self.pods.push(Bad {
            name: name.to_owned(),
            count,
        });
        self.until_counted(name, 1).await;
    }

    /// The failures of a Pod that were counted, and the attempts that were made.
    pub fn of(&self, name: &str) -> (usize, usize) {
        // In this order: what is counted now was made before.
        let counted = self.agent.failures_logged(name);
        (counted, self.node.pulls(&self.image(name)).unwrap().begun)
    }

    /// Waits until `so`. Meanwhile nothing is ever counted that was not tried.
    pub async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let begun = Stopwatch::start();
        loop {
            for Bad { name, .. } in &self.pods {
                let (counted, made) = self.of(name);
                assert!(counted <= made, "{name}: {counted} counted, {made} made");
            }
            if so().await {
                return;
            }
            assert!(begun.elapsed() < *LONG, "waited in vain for {what}");
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }

    /// Waits until so many failures of a Pod are counted.
    pub async fn until_counted(&self, name: &str, failures: usize) {
        let what = format!("{failures} failures of {name} to be counted");
        self.until(&what, async || self.of(name).0 >= failures)
            .await;
    }

    /// Waits until evidence is taken from this source.
    pub async fn until_by(&self, source: &str) {
        let what = format!("evidence by {source}");
        let is = async || self.agent.source().is_some_and(|now| now == source);
        self.until(&what, is).await;
    }

    /// Who told of these Pods, in order.
    pub fn sources(&self) -> Vec<String> {
        let views = self.agent.lines().into_iter();
        let of = |line: &serde_json::Value| line["view"]["namespace"] == self.cluster.namespace;
        let views = views.filter(|line| line["kind"] == "view" && of(line));
        let mut sources: Vec<String> = views
            .map(|line| line["view"]["source"].as_str().unwrap().to_owned())
            .collect();
        sources.dedup();
        sources
    }

    /// Each bad Pod is failed at its count of failures, and the healthy one is not written to.
    pub async fn assert_failed(&self) {
        let failed = async || {
            let pods = self.cluster.pods().await;
            let failed = pods.iter().filter(|pod| phase(pod) == "Failed");
            failed.count() == self.pods.len()
        };
        self.until("the bad Pods to be failed", failed).await;
        for Bad { name, count } in &self.pods {
            let pod = self.cluster.pod(name).await.unwrap();
            assert_failed_by_us(&pod, "ImageNotFound", &self.image(name));
            let (counted, made) = self.of(name);
            eprintln!(
                "{}/{name}: failed at {counted} counted of {made} made",
                self.cluster.namespace
            );
            assert_eq!(counted, *count, "{name}");
            assert!(made <= count + UNSEEN, "{name}: {made} made");
        }
        self.assert_nobody_else();
        assert_untouched(&self.cluster.pod(HEALTHY).await.unwrap());
    }

    /// No other Pod was written to.
    pub fn assert_nobody_else(&self) {
        let names: Vec<&str> = self.pods.iter().map(|pod| &pod.name[..]).collect();
        assert_only_failed(self.node, &self.cluster.namespace, &names);
    }
}

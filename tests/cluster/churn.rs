//! Many Jobs that start and end, and a bad Pod among them now and then. A short while in CI, five minutes in the soak.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use pullwarden::judge::Source;
use serde_json::{Value, json};
use testbed::{Node, Stopwatch};

use crate::agent::Agent;
use crate::audit::assert_only_failed;
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, LONG, assert_failed_by_us, name, phase, waiting_reasons};
use crate::shapes::{FAULTY, REGISTRY, container, job, pod, short_container};

/// How large it is.
struct Size {
    /// Pods of Jobs that are alive at a time, of each source.
    alive: u64,
    /// Bad Pods.
    bad: usize,
    /// The time over which they are spread; they have to fail before the end.
    bad_within: Duration,
    /// How long Jobs are made.
    lasts: Duration,
    /// How long the first and the last part are that memory is compared of.
    window: Duration,
    /// Jobs' Pods end after so many seconds, and up to twice as many.
    sleep: u64,
}

const SIZE: Size = if cfg!(feature = "soak") {
    Size {
        alive: 200,
        bad: 20,
        bad_within: Duration::from_secs(220),
        lasts: Duration::from_secs(300),
        window: Duration::from_secs(60),
        sleep: 45,
    }
} else {
    Size {
        alive: 20,
        bad: 6,
        bad_within: Duration::from_secs(20),
        lasts: Duration::from_secs(60),
        window: Duration::from_secs(20),
        sleep: 15,
    }
};

/// How long the last of the bad Pods may take. A kubelet that is late lets pulls go by without a word to the API server, and its pauses grow to
/// five minutes meanwhile.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(600, 60));
/// Pods of one Job.
const PER_JOB: u64 = 5;
/// What marks the bad Pods.
const BAD: (&str, &str) = ("churn", "bad");

/// Jobs that start and end, so that about so many of their Pods are alive.
struct Jobs<'a> {
    cluster: &'a Cluster,
    image: String,
    made: u64,
    ended: u64,
}

impl Jobs<'_> {
    /// Deletes the Jobs that are complete, and makes another unless `alive` Pods are. Says how many were found alive.
    async fn turn(&mut self, alive: u64) -> u64 {
        let mut found = 0;
        for job in self.cluster.jobs().await {
            let status = &job["status"];
            assert!(status["failed"].as_u64().unwrap_or(0) == 0, "{job}");
            if status["completionTime"].is_string() {
                assert_eq!(status["succeeded"], PER_JOB);
                self.cluster.delete_job(name(&job)).await;
                self.ended += PER_JOB;
            } else {
                found += PER_JOB - status["succeeded"].as_u64().unwrap_or(0);
            }
        }
        if found + PER_JOB <= alive {
            let sleep = SIZE.sleep + (self.made / PER_JOB * 7) % SIZE.sleep;
            let mut container = short_container(&self.image);
            container["args"] = json!(["sleep", sleep.to_string()]);
            let mut job = job(&format!("good-{}", self.made), container, 0);
            job["spec"]["parallelism"] = json!(PER_JOB);
            job["spec"]["completions"] = json!(PER_JOB);
            self.cluster.create(job).await;
            self.made += PER_JOB;
        }
        found
    }
}

fn image(source: Source, index: usize) -> String {
    format!("{FAULTY}/churn-{}/bad-{index}:1", source.as_str())
}

async fn make_bad(cluster: &Cluster, source: Source, index: usize) {
    let containers = vec![container("main", &image(source, index))];
    let mut pod = pod(&format!("bad-{index}"), containers);
    pod["metadata"]["labels"] = json!({BAD.0: BAD.1});
    cluster.create(pod).await;
}

/// Of what was measured from `from` to `to`, the mean.
fn mean(memory: &[(Duration, u64)], from: Duration, to: Duration) -> u64 {
    let within = memory.iter().filter(|(at, _)| (from..=to).contains(at));
    let sizes: Vec<u64> = within.map(|(_, size)| *size).collect();
    assert!(!sizes.is_empty(), "no look at the memory in that time");
    sizes.iter().sum::<u64>() / sizes.len() as u64
}

/// What the API server showed of the bad Pods, at a look now and then: each failure stands there for ten seconds or more.
#[derive(Default)]
struct Shown {
    /// The last waiting reason of each.
    reasons: BTreeMap<String, String>,
    /// How often each was seen to have failed anew.
    failures: BTreeMap<String, usize>,
}

impl Shown {
    fn look(&mut self, bad: &[Value]) {
        for pod in bad {
            let reason = waiting_reasons(pod).pop().unwrap_or_default();
            let before = self.reasons.insert(name(pod).to_owned(), reason.clone());
            if reason == "ErrImagePull" && before.is_none_or(|before| before != reason) {
                *self.failures.entry(name(pod).to_owned()).or_default() += 1;
            }
        }
    }
}

/// Each bad Pod was failed at its third failure. No failure that was seen is missing in the count, and none is in it that was not tried.
fn assert_exact(node: &Node, agent: &Agent, source: Source, bad: &[Value], shown: &Shown) {
    let log = node.registry_log().unwrap();
    let lines = agent.lines();
    let mut exact = 0;
    for (index, pod) in bad.iter().enumerate() {
        let (image, name) = (image(source, index), name(pod));
        assert_failed_by_us(pod, "ImageNotFound", &image);
        let request = |l: &&Value| l["pod"] == name && l["decision"] == "condemn";
        let request: Vec<&Value> = lines.iter().filter(request).collect();
        let [verdict] = request[..] else {
            panic!("{name}: {request:?}");
        };
        let why = verdict["reasons"].to_string();
        assert!(why.contains("reached: 3 of 3 failures"), "{name}: {why}");

        let counted = agent.failures_logged(name);
        let begun = node.pulls(&image).unwrap().begun;
        let manifest = format!("/v2/churn-{}/bad-{index}/manifests/1", source.as_str());
        let asked = log.iter().filter(|seen| seen.path == manifest).count();
        assert_eq!(begun, asked, "{name}: the runtime's count, the registry's");
        let shown = shown.failures.get(name).copied().unwrap_or(0);
        let text = format!("{name}: {shown} shown, {counted} counted, {begun} made");
        assert!(shown <= counted && counted <= begun, "{text}");
        // A kubelet that is late may try again as it reports the failure that fails the Pod. To the API server it may write even less than
        // it tries, but not by its socket.
        let is_late = begun > counted + 1 && source == Source::Kubelet;
        assert!(!is_late, "{text}");
        exact += usize::from((counted, begun) == (3, 3));
    }
    eprintln!(
        "{}: all {} failed at their 3rd failure, {exact} of them when the registry had been asked 3 times",
        source.as_str(),
        bad.len()
    );
}

fn churn(bed: &Bed, source: Source) {
    let namespace = format!("own-churn-{}", source.as_str());
    let agent = Agent::enforcing(&bed.node, &namespace).by(source).start();
    let (agent, of) = (&agent, &namespace[..]);
    bed.run(of, |cluster| async move {
        let mut jobs = Jobs {
            cluster: &cluster,
            image: format!("{REGISTRY}/churn/good:1"),
            made: 0,
            ended: 0,
        };
        let mut shown = Shown::default();
        let (mut most, mut made) = (0, 0);
        let mut memory = Vec::new();
        let begun = Stopwatch::start();
        let bad = loop {
            let now = begun.elapsed();
            most = most.max(jobs.turn(SIZE.alive).await);
            let due = SIZE.bad as f64 * now.as_secs_f64() / SIZE.bad_within.as_secs_f64();
            while made < SIZE.bad && made as f64 <= due {
                make_bad(&cluster, source, made).await;
                made += 1;
            }
            memory.push((now, agent.memory()));
            let mut bad = cluster.pods_labelled(BAD.0, BAD.1).await;
            shown.look(&bad);
            if now >= SIZE.lasts && bad.iter().all(|pod| phase(pod) == "Failed") {
                let index = |pod: &Value| name(pod)["bad-".len()..].parse::<usize>().unwrap();
                bad.sort_by_key(index);
                break bad;
            }
            if now >= SIZE.lasts + *PATIENCE {
                bad.retain(|pod| phase(pod) != "Failed");
                panic!("waited in vain for {:?}", bad.iter().map(name).collect::<Vec<_>>());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let lasted = begun.elapsed();
        while jobs.turn(0).await > 0 {
            assert!(begun.elapsed() < lasted + *LONG, "the Jobs do not end");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }

        assert_eq!(jobs.ended, jobs.made, "every Pod of every Job has succeeded");
        assert_eq!(bad.len(), SIZE.bad);
        assert_exact(&bed.node, agent, source, &bad, &shown);
        let names: Vec<&str> = bad.iter().map(name).collect();
        assert_only_failed(&bed.node, of, &names);
        // Not from the first moment on: a process that has just started grows into its work.
        let start = SIZE.window / 2;
        let first = mean(&memory, start, start + SIZE.window);
        let last = mean(&memory, lasted - SIZE.window, lasted);
        eprintln!(
            "{}: {} Pods of Jobs ended in {:.0} s, {most} alive at most; {first} KiB of memory at first, {last} at last",
            source.as_str(),
            jobs.ended,
            lasted.as_secs_f64(),
        );
        assert!(
            last <= first + (first / 10).max(1024),
            "{first} KiB of memory have become {last}"
        );
    });
}

/// In the soak one after the other: so many Pods of both together would not fit on the node.
static ALONE: Mutex<()> = Mutex::new(());

fn churn_by(source: Source) {
    let _alone =
        cfg!(feature = "soak").then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    let bed = Bed::of(Group::Churn);
    if source == Source::Kubelet && !bed.has_kubelet_socket("churn by the kubelet's socket") {
        return;
    }
    bed.node.push_image("churn/good", "1").unwrap();
    churn(&bed, source);
}

#[test]
fn by_the_kubelets_socket_each_bad_pod_is_failed_at_its_third_failure() {
    churn_by(Source::Kubelet);
}

#[test]
fn by_the_api_server_each_bad_pod_is_failed_at_its_third_failure() {
    churn_by(Source::ApiServer);
}

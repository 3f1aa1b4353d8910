//! `testbed demo`: a Job that can never start keeps the next one waiting, until pullwarden fails it.

mod excerpt;
mod jobs;
mod sources;
mod story;
mod timeline;

use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use testbed::{Component, Node, Stopwatch, tail};

use self::excerpt::excerpt;
use self::jobs::{cpus, job, millicores};
use self::sources::{News, Tail, Watch};
use self::story::{CONDITION, Story, condition};
use self::timeline::{Timeline, Tone, Who};
use super::agent::Agent;
use super::interrupt::{self, Interrupt};
use super::kubectl::{create, kubectl, permit_agent};
use super::{Versions, cargo};

/// The image that Job B asks for; Job A asks for it too, but with a slip of the pen.
const REPOSITORY: &str = "lab/training";
const MISTYPED: &str = "lab/trianing";

/// How long the first act lasts at least: long enough to see that nothing happens.
const ACT_ONE: Duration = Duration::from_secs(20);
/// How long the scheduler and the kubelet may take for something they do at once.
static SOON: LazyLock<Duration> = LazyLock::new(|| testbed::longest(20));
/// How long three failures may take: the kubelet's back-off doubles, up to five minutes.
static THREE_FAILURES: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(100, 30));

/// What the agent is told.
const SETTINGS: &str = "mode: enforce\nimagePullFailureCount: 3\nwarmUp: 0s\n";

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    versions: Versions,
}

impl Demo {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the demo starts a real node: run it as root")?;
        let begun = Stopwatch::start();
        let program = cargo::build_agent(cargo::Build::Debug)?;
        cargo::build_components(&self.versions)?;
        let built = begun.elapsed();
        let node = Node::start(self.versions.node())?;
        let interrupt = Interrupt::watch()?;
        let ready = begun.elapsed() - built;

        let played = play(&node, &program, ready, &interrupt);
        // Ctrl-C in a terminal ends kubectl and the agent as well; that is no fault of theirs.
        let interrupted =
            played.is_err() && testbed::until(Duration::from_millis(500), || interrupt.asked());
        let dir = node.dir().to_owned();
        drop(node);
        ensure!(
            !dir.exists() || testbed::variable("TESTBED_KEEP").is_some(),
            "{} is still there",
            dir.display()
        );
        if interrupted {
            println!("\nInterrupted. Everything that was started is gone.");
            return Ok(ExitCode::from(interrupt::CODE));
        }
        let acts = played?;
        println!(
            "\nThat took {:.0} s: {:.0} s to build, {:.0} s to bring the node up, {acts:.0} s for the two acts. \
             Everything that was started is gone.",
            begun.elapsed().as_secs_f64(),
            built.as_secs_f64(),
            ready.as_secs_f64(),
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Both acts and what a user sees afterwards; how many seconds the acts took. An error if anything
/// happened otherwise.
fn play(node: &Node, program: &Path, ready: Duration, interrupt: &Interrupt) -> Result<f64> {
    node.push_image(REPOSITORY, "2")?;
    permit_agent(node)?;
    let room = millicores(&kubectl(
        node,
        &[
            "get",
            "node",
            "node1",
            "-ojsonpath={.status.allocatable.cpu}",
        ],
    )?)?;
    let each = room * 3 / 4;
    println!(
        "A node of Kubernetes {} and {} is ready after {:.1} s. It has {} CPUs, and each Job asks for {}: \
         there is room for one.",
        node.plan().kubernetes,
        node.plan().runtime.title(),
        ready.as_secs_f64(),
        cpus(room),
        cpus(each),
    );
    let mut stage = Stage::open(node, interrupt)?;
    stage.act_one(each)?;
    stage.survey(program)?;
    let mut agent = stage.act_two(program)?;
    let acts = stage.timeline.seconds();
    stage.check()?;
    stage.show(&mut agent)?;
    Ok(acts)
}

/// Where it is played.
struct Stage<'a> {
    node: &'a Node,
    timeline: Timeline,
    story: Story,
    news: Receiver<News>,
    _watches: [Watch; 2],
    interrupt: &'a Interrupt,
}

impl<'a> Stage<'a> {
    fn open(node: &'a Node, interrupt: &'a Interrupt) -> Result<Self> {
        let (sender, news): (Sender<News>, _) = channel();
        let watches = [
            Watch::start(node, "pods", sender.clone())?,
            Watch::start(node, "jobs", sender)?,
        ];
        Ok(Self {
            node,
            timeline: Timeline::begin(),
            story: Story::default(),
            news,
            _watches: watches,
            interrupt,
        })
    }

    /// Without pullwarden: A holds the room, B waits.
    fn act_one(&mut self, each: u64) -> Result<()> {
        let registry = self.node.registry();
        self.timeline = Timeline::begin();
        self.timeline.act("Act one", "without pullwarden");
        let image = format!("{registry}/{MISTYPED}:2");
        let text = format!("is created; its image {image} does not exist");
        self.timeline.line(Who::A, Tone::Plain, &text);
        create(self.node, &job("job-a", &image, each))?;
        let stuck = |story: &Story| story.all("job-a", |pod| pod.failures > 0);
        if !self.hear(*SOON, None, stuck)? {
            self.fail("Job A's image was not tried", Component::Kubelet)?;
        }
        let image = format!("{registry}/{REPOSITORY}:2");
        let text = format!("is created; its image {image} is good");
        self.timeline.line(Who::B, Tone::Plain, &text);
        create(self.node, &job("job-b", &image, each))?;
        let waits = |story: &Story| story.all("job-b", |pod| !pod.unschedulable.is_empty());
        if !self.hear(*SOON, None, waits)? {
            self.fail("Job B does not wait", Component::Scheduler)?;
        }
        let rest = ACT_ONE.saturating_sub(Duration::from_secs_f64(self.timeline.seconds()));
        self.hear(rest, None, |_| false)?;
        let as_told = stuck(&self.story)
            && self.story.all("job-a", |pod| {
                pod.phase == "Pending" && pod.node == "node1" && pod.cause.is_empty()
            })
            && self
                .story
                .all("job-b", |pod| pod.phase == "Pending" && pod.node.is_empty());
        if !as_told {
            self.fail("Job A is not stuck, or B does not wait", Component::Kubelet)?;
        }
        let text = "A holds the room and B waits. Left alone, they stay so.";
        self.timeline.line(Who::Nobody, Tone::Quiet, text);
        Ok(())
    }

    /// Shows the stuck Pod to a user who has installed nothing.
    fn survey(&self, program: &Path) -> Result<()> {
        let mut survey = self.node.command(program);
        survey
            .args(["survey", "--kubeconfig"])
            .arg(self.node.admin_kubeconfig());
        let output = survey.output().context("running pullwarden survey")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && text.contains(MISTYPED),
            "the survey does not show Job A's image: {output:?}"
        );
        self.timeline.command("pullwarden survey");
        print!("{text}");
        Ok(())
    }

    /// With pullwarden: A is failed, B runs.
    fn act_two(&mut self, program: &Path) -> Result<Agent> {
        let subtitle = "with pullwarden: mode: enforce, imagePullFailureCount: 3";
        self.timeline.act("Act two", subtitle);
        let mut agent = Agent::start(self.node, program, SETTINGS)?;
        let text = "is started";
        self.timeline.line(Who::Pullwarden, Tone::Plain, text);
        let mut log = Tail::of(agent.node_log());
        let failed = |story: &Story| story.all("job-a", |pod| pod.phase == "Failed");
        if !self.hear(*THREE_FAILURES, Some((&mut agent, &mut log)), failed)? {
            bail!(
                "Job A was not failed; the end of pullwarden's log:\n{}",
                tail(&agent.log())
            );
        }
        let over = |story: &Story| {
            story.followed() && story.end("job-a") == "Failed" && !story.end("job-b").is_empty()
        };
        if !self.hear(*SOON, Some((&mut agent, &mut log)), over)? {
            self.fail("Job B did not run to its end", Component::Kubelet)?;
        }
        Ok(agent)
    }

    /// Tells what happens until there is enough (true) or patience is at an end. What is left then
    /// is told as well.
    fn hear(
        &mut self,
        patience: Duration,
        mut agent: Option<(&mut Agent, &mut Tail)>,
        enough: impl Fn(&Story) -> bool,
    ) -> Result<bool> {
        let begun = Stopwatch::start();
        loop {
            let mut lines = match self.news.recv_timeout(Duration::from_millis(50)) {
                Ok(News::Pod(pod)) => self.story.pod(&pod),
                Ok(News::Job(job)) => self.story.job(&job),
                Ok(News::Lost(kind)) => bail!(
                    "watching {kind} came to an end; the end of kube-apiserver's log:\n{}",
                    tail(&self.node.log(Component::Apiserver))
                ),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => bail!("nobody watches any more"),
            };
            if let Some((agent, log)) = &mut agent {
                for line in log.take()? {
                    lines.extend(self.story.agent(&line));
                }
                if let Some(status) = agent.ended()? {
                    let log = tail(&agent.log());
                    bail!("pullwarden ended ({status}); the end of its log:\n{log}");
                }
            }
            for (who, tone, text) in lines {
                self.timeline.line(who, tone, &text);
            }
            if self
                .story
                .pods("job-b")
                .any(|(_, pod)| pod.phase == "Failed")
            {
                self.fail("Job B's Pod was refused or failed", Component::Kubelet)?;
            }
            ensure!(!self.interrupt.asked(), "interrupted");
            if enough(&self.story) {
                return Ok(true);
            }
            if begun.elapsed() >= patience {
                return Ok(false);
            }
        }
    }

    /// Something went otherwise, and this component's log may say why.
    fn fail(&self, what: &str, component: Component) -> Result<()> {
        let log = self.node.log(component);
        bail!("{what}; the end of {}:\n{}", log.display(), tail(&log))
    }

    /// Whether the API server, asked afresh, says that exactly the right thing has happened.
    fn check(&self) -> Result<()> {
        let list = |kind: &str| -> Result<Vec<Value>> {
            let text = kubectl(self.node, &["get", kind, "-ojson"])?;
            let list: Value = serde_json::from_str(&text).context("decoding what kubectl says")?;
            Ok(list["items"].as_array().cloned().unwrap_or_default())
        };
        let is = |object: &Value, kind: &str| {
            condition(object, kind).is_some_and(|condition| condition["status"] == "True")
        };
        let pods = list("pods")?;
        let of = |job: &str| -> Vec<&Value> {
            let label = "batch.kubernetes.io/job-name";
            let of_job = |pod: &&Value| pod["metadata"]["labels"][label] == job;
            pods.iter().filter(of_job).collect()
        };
        let (a, b) = (of("job-a"), of("job-b"));
        let ([a], [b]) = (&a[..], &b[..]) else {
            bail!(
                "there are {} Pods of Job A and {} of B, not one of each",
                a.len(),
                b.len()
            );
        };
        let cause = condition(a, CONDITION).map_or(&Value::Null, |found| &found["reason"]);
        let jobs = list("jobs")?;
        let job = |name: &str, end: &str| {
            let named = |job: &&Value| job["metadata"]["name"] == name;
            jobs.iter().find(named).is_some_and(|job| is(job, end))
        };
        for (well, what) in [
            (a["status"]["phase"] == "Failed", "A's Pod is not Failed"),
            (
                a["status"]["reason"] == "DeadlineExceeded",
                "the kubelet did not end A's Pod",
            ),
            (is(a, CONDITION), "A's Pod lacks the condition"),
            (
                cause == "ImageNotFound",
                "the condition's reason is not ImageNotFound",
            ),
            (job("job-a", "Failed"), "Job A is not failed"),
            (
                b["status"]["phase"] == "Succeeded",
                "B's Pod has not succeeded",
            ),
            (job("job-b", "Complete"), "Job B is not complete"),
        ] {
            ensure!(well, "{what}: {a}\n{b}");
        }
        Ok(())
    }

    /// What a user sees who looks at A's Pod.
    fn show(&self, agent: &mut Agent) -> Result<()> {
        let Some((pod, _)) = self.story.pods("job-a").next() else {
            bail!("Job A has no Pod");
        };
        let mut told = String::new();
        let there = testbed::until(*SOON, || {
            told = kubectl(self.node, &["describe", "pod", pod]).unwrap_or_default();
            told.contains(" pullwarden ")
        });
        ensure!(
            there,
            "there is no Event; the end of pullwarden's log:\n{}",
            tail(&agent.log())
        );
        self.timeline
            .command(&format!("kubectl describe pod {pod}"));
        print!("{}", excerpt(&told));
        let path = r#"{.status.conditions[?(@.type=="pullwarden.io/ImagePullFailed")].message}"#;
        let line = format!("kubectl get pod {pod} -o jsonpath='{path}'");
        self.timeline.command(&line);
        let path = format!("-ojsonpath={path}");
        println!("{}", kubectl(self.node, &["get", "pod", pod, &path])?);
        Ok(())
    }
}

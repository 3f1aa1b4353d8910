//! `testbed bench-node`: the agent beside a floor and beside the usual design, and how soon it acts.

mod observer;
mod relay;
mod side_by_side;
mod table;
mod times;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::json;
use testbed::{Node, NodeOptions};

use self::relay::Relay;
use self::side_by_side::{Member, Taken, Yardstick};
use super::agent::{Agent, USER};
use super::cargo::{self, Build};
use super::interrupt::Interrupt;
use super::kubectl::{create, permit_agent};
use super::patience::Patience;
use super::process::mib;
use super::{Versions, crowd};

/// How the usual design is known to the API server.
const USUAL: &str = "usual";
/// How long all are left alone before, so that no question of ours is measured.
const REST: Duration = Duration::from_secs(15);
/// How often a Pod comes and goes in the second part.
const COMING: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct BenchNode {
    #[command(flatten)]
    versions: Versions,
    /// How many healthy Pods the node runs
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u16).range(1..=180))]
    pods: u16,
    /// How many Pods without an image are failed with each source of evidence
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(30..=60))]
    bad: u16,
    /// How many minutes the quiet node is measured, and again one on which Pods come and go
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    minutes: u16,
    /// Another build of the agent, of the commit before for example, to compare this one with
    #[arg(long)]
    against: Option<PathBuf>,
}

/// The programs that run side by side.
struct Programs {
    agent: PathBuf,
    floor: PathBuf,
    usual: PathBuf,
}

impl Programs {
    fn build() -> Result<Self> {
        let agent = cargo::build_agent(Build::Release)?;
        let mut yardsticks = cargo::build("yardsticks", Build::Release)?;
        let mut take = |name| yardsticks.remove(name).context("cargo built no yardstick");
        Ok(Self {
            agent,
            floor: take("floor")?,
            usual: take("usual")?,
        })
    }

    /// In MiB.
    fn sizes(&self) -> Result<[f64; 3]> {
        let size = |path: &Path| fs::metadata(path).map(|file| mib(file.len()));
        let sizes = [size(&self.agent), size(&self.floor), size(&self.usual)];
        let [agent, floor, usual] = sizes.map(|size| size.context("looking at a program"));
        Ok([agent?, floor?, usual?])
    }
}

impl BenchNode {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the measurement starts a real node: run it as root")?;
        let programs = Programs::build()?;
        let node = Node::start(NodeOptions {
            // Pods are made and looked at faster than the kubelet does by default, and none of its own limits counts as a failure.
            kubelet: json!({"kubeAPIQPS": 200, "kubeAPIBurst": 400, "registryPullQPS": 0}),
            ..self.versions.node()
        })?;
        let interrupt = Interrupt::watch()?;
        let measured = self.measure(&node, &programs, Patience::new(&interrupt));
        drop(node);
        interrupt.conclude(measured)
    }

    /// Prints what was measured; whether the goals are reached that do not depend on the machine.
    fn measure(&self, node: &Node, programs: &Programs, patience: Patience<'_>) -> Result<bool> {
        ensure!(
            node.kubelet_pods_socket().exists(),
            "the kubelet has no Pod socket of its own; there is one from Kubernetes 1.37 on"
        );
        permit_agent(node)?;
        permit_usual(node)?;
        crowd::gather(node, self.pods, patience)?;
        let well = self.side_by_side(node, programs, patience)?;

        let counts = (self.pods, self.bad);
        let programs = &programs.agent;
        let kubelet = times::measure(node, programs, "kubelet", counts, patience)?;
        println!(
            "\nFrom the kubelet's report of the third failure, in ms; {} Pods, imagePullFailureCount 3.\n\
             Every one was failed after exactly three pulls. The machine's load was {}.\n",
            self.bad,
            load()?
        );
        table::times("kubelet", &kubelet, self.bad);
        let apiserver = times::measure(node, programs, "apiserver", counts, patience)?;
        println!();
        table::times("apiserver", &apiserver, self.bad);
        Ok(well)
    }

    /// The agent, the floor and the usual design at the same time: on a quiet node, and while healthy Pods come and go.
    fn side_by_side(
        &self,
        node: &Node,
        programs: &Programs,
        patience: Patience<'_>,
    ) -> Result<bool> {
        let relays = [
            Relay::start(node, &node.agent_kubeconfig())?,
            Relay::start(node, &node.usual_kubeconfig())?,
        ];
        let [of_agent, of_usual] = [relays[0].kubeconfig(), relays[1].kubeconfig()];
        let agent = Agent::named(node, &programs.agent, "pullwarden", of_agent, "")?;
        let (runtime, pods) = (node.cri_socket(), self.pods);
        let floor = Yardstick::start(node, &programs.floor, &runtime, pods, patience)?;
        let usual = Yardstick::start(node, &programs.usual, of_usual, pods, patience)?;
        agent.until_quiet(self.pods, patience)?;
        let before = self.against.as_deref().map(|program| {
            let before = Agent::named(node, program, "before", &node.agent_kubeconfig(), "")?;
            before.until_quiet(self.pods, patience).map(|()| before)
        });
        let before = before.transpose()?;
        patience.pass("letting them rest", REST)?;

        let member = |name, pid, api| Member { name, pid, api };
        let mut members = vec![
            member("pullwarden", agent.pid(), Some((&relays[0], USER))),
            member("floor", floor.pid(), None),
            member("usual", usual.pid(), Some((&relays[1], USUAL))),
        ];
        members.extend(before.as_ref().map(|b| member("before", b.pid(), None)));
        let span = Duration::from_secs(60) * self.minutes.into();
        let part = |what: &str, meanwhile: &mut dyn FnMut(Duration) -> Result<()>| {
            side_by_side::measure(node, &members, (what, span), patience, meanwhile)
        };
        let (seconds, quiet) = part("measuring the quiet node", &mut |_| Ok(()))?;
        let mut made = 0;
        let (_, busy) = part("measuring while Pods come and go", &mut |passed| {
            if passed < COMING * made {
                return Ok(());
            }
            made += 1;
            create(
                node,
                &crowd::healthy(node, &format!("coming-{made}"), &["sleep", "2"]),
            )
        })?;

        println!(
            "\npullwarden (release, mode observe, default settings), the floor (only ListPodSandbox every 5 s, linked with the same crates) and the usual design\n\
             (kube-rs, a watch of all Pods) side by side on a node with {} healthy Pods, Kubernetes {}, {}.\n\
             Quiet for {seconds:.0} s; CPU from schedstat.\n",
            self.pods,
            node.plan().kubernetes,
            node.plan().runtime.title(),
        );
        let rows =
            |taken: &[Taken]| <[Taken; 3]>::try_from(&taken[..3]).context("three are compared");
        let quiet_well = table::taken(rows(&quiet)?, Some(programs.sizes()?));
        let against_well = [&quiet, &busy].map(|taken| table::against(taken[0], taken.get(3)));
        println!(
            "\nThe same for as long, while {made} healthy Pods, one every {} s, came and went.\n",
            COMING.as_secs()
        );
        let busy_well = table::taken(rows(&busy)?, None);
        println!();
        Ok(quiet_well && busy_well && against_well == [true; 2])
    }
}

/// How many processes wanted a processor, in the last minute: times on a busy machine say little.
fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let of = std::thread::available_parallelism().map_or(1, usize::from);
    let load = text.split_whitespace().next().unwrap_or_default();
    Ok(format!("{load} on {of} processors"))
}

/// Lets the usual design watch all Pods.
pub fn permit_usual(node: &Node) -> Result<()> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": USUAL},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": USUAL},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USUAL},
        "subjects": [{"kind": "User", "name": USUAL}],
    });
    create(
        node,
        &json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]}),
    )
}

//! A node: the handle that tests hold.

mod controllers;
mod devices;
mod options;
mod pulls;
mod remains;
mod start;
mod store;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use self::start::{Held, start};
use crate::cache;
use crate::cgroup::Cgroups;
use crate::component::Component;
use crate::control::{self, Request};
use crate::family::Kind;
use crate::faults::{Fault, Rule, Seen};
use crate::host;
use crate::image::Image;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::registry;
use crate::settings::{FAULTS, REGISTRY};

pub use controllers::RunningController;
pub use devices::Devices;
pub use options::NodeOptions;
pub use pulls::Pulls;

/// What the names of nodes' folders begin with.
const FOLDER: &str = "pwtb-";

/// A running node. Dropping the handle that started it ends it, and so does the end of the process
/// that holds the handle, however it ends.
#[derive(Debug)]
pub struct Node {
    plan: Plan,
    network: Arc<File>,
    /// The cgroup of [`Node::command`]'s processes: a process that writes there is moved in.
    commands: Arc<File>,
    /// Only where this handle started the node and is to end it.
    _held: Option<Held>,
}

impl Node {
    /// Builds what is missing and starts a node that ends with the handle. Returns when the node is
    /// Ready and Pods can be made.
    pub fn start(options: NodeOptions) -> Result<Self> {
        let (plan, held) = start(&options, true)?;
        Self::of(plan, Some(held))
    }

    /// Like `start`, but the node goes on when the handle and the process are gone, until
    /// [`Node::shut_down`].
    pub fn start_detached(options: NodeOptions) -> Result<Self> {
        let (plan, held) = start(&options, false)?;
        // Only a handle that waits for the keeper is given up here; the keeper goes on.
        std::mem::forget(held);
        Self::of(plan, None)
    }

    /// A node that is running already, by its folder. It goes on when the handle is dropped.
    pub fn attach(dir: &Path) -> Result<Self> {
        let plan = Plan::read(dir).context("there is no such testbed")?;
        control::ask(&plan.layout().control_socket(), Request::Status)
            .context("the testbed does not answer")?;
        Self::of(plan, None)
    }

    /// Removes what is left of a node of that name that does not run; whether there was anything.
    /// One that runs is an error.
    pub fn clear(name: &str) -> Result<bool> {
        remains::clear(&Self::folder(name)?, name)
    }

    /// The folder of the node with that name, running or not.
    pub fn folder(name: &str) -> Result<PathBuf> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 24 || !name.chars().all(valid) {
            bail!("a testbed's name is 1 to 24 of a-z, 0-9 and -; {name:?} is not");
        }
        Ok(host::run_folder()?.join(format!("{FOLDER}{name}")))
    }

    fn of(plan: Plan, held: Option<Held>) -> Result<Self> {
        let pid = fs::read_to_string(plan.layout().init_pid()).context("reading the node's pid")?;
        let path = format!("/proc/{pid}/ns/net");
        let network = File::open(&path).with_context(|| format!("opening {path}"))?;
        let path = Cgroups::of(&plan.id)?.commands().join("cgroup.procs");
        let commands = File::options()
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            plan,
            network: Arc::new(network),
            commands: Arc::new(commands),
            _held: held,
        })
    }

    /// Moves the calling thread into the node's network. What it starts from then on is there too;
    /// other threads are not, nor are the files different.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
            .context("entering the node's network")
    }

    /// Runs `work` in the node's network, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter()?;
                work()
            });
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// A command that runs in the node's network, with the host's files, and is killed when the
    /// node ends. (It is put in a cgroup of the node; its pid is that of the program itself.)
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        host::without_proxies(&mut command);
        let network = Arc::clone(&self.network);
        let group = Arc::clone(&self.commands);
        let enter = move || {
            rustix::io::write(&*group, b"0")?;
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes two system calls on files that are
        // open already; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// `kubectl` as the cluster's admin.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = self.command(self.plan.programs.kubernetes.join("kubectl"));
        kubectl.env("KUBECONFIG", self.admin_kubeconfig());
        kubectl
    }

    /// `helm` as the cluster's admin, built now where it is missing; with settings of its own, not the user's.
    pub fn helm(&self) -> Result<Command> {
        let folder = cache::build(&Kind::Helm.default_family()?, Progress::new(false))?;
        let mut helm = self.command(folder.join("helm"));
        helm.env("KUBECONFIG", self.admin_kubeconfig());
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(name, self.dir().join("helm"));
        }
        Ok(helm)
    }

    /// The node's folder.
    pub fn dir(&self) -> &Path {
        &self.plan.dir
    }

    /// What the node is made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn layout(&self) -> Layout {
        self.plan.layout()
    }

    /// For a user in `system:masters`.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.layout().kubeconfig("admin")
    }

    /// For the user `pullwarden`, who has no rights until given some.
    pub fn agent_kubeconfig(&self) -> PathBuf {
        self.layout().kubeconfig("pullwarden")
    }

    /// For the user `usual`, who has no rights until given some.
    pub fn usual_kubeconfig(&self) -> PathBuf {
        self.layout().kubeconfig("usual")
    }

    /// The container runtime's socket.
    pub fn cri_socket(&self) -> PathBuf {
        self.plan.cri_socket()
    }

    /// The kubelet's pods API; there is one from Kubernetes 1.37 on.
    pub fn kubelet_pods_socket(&self) -> PathBuf {
        self.layout().kubelet_pods_socket()
    }

    /// The API server's audit log: a JSON line for each request, at level Metadata; of the kubelet's writes to
    /// the status of Pods the body too.
    pub fn audit_log(&self) -> PathBuf {
        self.layout().audit_log()
    }

    /// A component's log.
    pub fn log(&self, component: Component) -> PathBuf {
        self.layout().log(component.name())
    }

    fn ask(&self, request: Request) -> Result<Vec<Component>> {
        control::ask(&self.layout().control_socket(), request)
    }

    /// The components that run.
    pub fn running(&self) -> Result<Vec<Component>> {
        self.ask(Request::Status)
    }

    /// Starts a component that was stopped and waits until it answers.
    pub fn start_component(&self, component: Component) -> Result<()> {
        self.ask(Request::Start(component)).map(drop)
    }

    /// Ends a component with SIGTERM and waits until it has ended.
    pub fn stop_component(&self, component: Component) -> Result<()> {
        self.ask(Request::Stop(component)).map(drop)
    }

    /// Kills a component with SIGKILL and waits until it is gone.
    pub fn kill_component(&self, component: Component) -> Result<()> {
        self.ask(Request::Kill(component)).map(drop)
    }

    /// Stops a component and starts it again.
    pub fn restart_component(&self, component: Component) -> Result<()> {
        self.stop_component(component)?;
        self.start_component(component)
    }

    /// The machine loses its power: every process is killed, containers too, mounts are gone and `/run` is empty. Its disk stays.
    pub fn power_off(&self) -> Result<()> {
        self.ask(Request::PowerOff).map(drop)
    }

    /// Starts every component again, as after a reboot.
    pub fn power_on(&self) -> Result<()> {
        let components = self.plan.components().iter();
        components
            .copied()
            .try_for_each(|component| self.start_component(component))
    }

    /// The real registry, as image references name it.
    pub fn registry(&self) -> &'static str {
        REGISTRY
    }

    /// The fault registry: the real one's content, with faults by repository.
    pub fn faulty(&self) -> &'static str {
        FAULTS
    }

    /// Pushes a test image: its entrypoint takes `pause` (the default), `sleep SECONDS`, `exit CODE`.
    pub fn push_image(&self, repository: &str, tag: &str) -> Result<()> {
        self.push_large_image(repository, tag, 0)
    }

    /// Pushes a test image with another layer of so many random bytes.
    pub fn push_large_image(&self, repository: &str, tag: &str, bytes: usize) -> Result<()> {
        self.push(repository, tag, &self.image(bytes)?)
    }

    /// A test image with another layer of so many random bytes.
    pub(crate) fn image(&self, bytes: usize) -> Result<Image> {
        Image::new(&self.plan.programs.testimage, bytes)
    }

    /// Pushes an image.
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) -> Result<()> {
        self.inside(|| registry::push(REGISTRY, repository, tag, image))
            .with_context(|| format!("pushing {REGISTRY}/{repository}:{tag}"))
    }

    /// Brings an image to the node, as if it had been pulled under this name.
    pub fn import(&self, reference: &str, image: &Image) -> Result<()> {
        let plan = &self.plan;
        let run = |mut command: Command| {
            let output = command.output().context("running it")?;
            let told = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "it said:\n{told}");
            Ok(())
        };
        self.inside(|| plan.runtime.import(plan, reference, image, run))
            .with_context(|| format!("importing {reference}"))
    }

    /// Takes a blob out of a repository of the registry; manifests go on naming it.
    pub(crate) fn remove_blob(&self, repository: &str, digest: &str) -> Result<()> {
        self.inside(|| registry::remove_blob(REGISTRY, repository, digest))
            .with_context(|| format!("removing {digest} from {repository}"))
    }

    /// Gives a repository of the fault registry a fault, at once.
    pub fn set_fault(&self, repository: &str, fault: Fault) -> Result<()> {
        self.set_rule(repository, fault.into())
    }

    /// Gives a repository a fault that begins after so many more requests for manifests.
    pub fn set_fault_after(&self, repository: &str, fault: Fault, after: u32) -> Result<()> {
        let rule = fault.into();
        self.set_rule(repository, Rule { after, ..rule })
    }

    /// Gives a repository of the fault registry a rule of any kind.
    pub fn set_rule(&self, repository: &str, rule: Rule) -> Result<()> {
        self.inside(|| registry::set_fault(FAULTS, Some(repository), &rule))
            .with_context(|| format!("setting a fault for {repository}"))
    }

    /// Takes a repository's fault away. Requests that hang go on hanging.
    pub fn heal(&self, repository: &str) -> Result<()> {
        self.inside(|| registry::heal(FAULTS, Some(repository)))
            .with_context(|| format!("healing {repository}"))
    }

    /// Gives the whole fault registry a fault: every repository that has none of its own.
    pub fn set_outage(&self, fault: Fault) -> Result<()> {
        self.inside(|| registry::set_fault(FAULTS, None, &fault.into()))
            .context("setting a fault for the whole registry")
    }

    /// Takes the whole registry's fault away; those of repositories stay.
    pub fn end_outage(&self) -> Result<()> {
        self.inside(|| registry::heal(FAULTS, None))
            .context("healing the registry")
    }

    /// What the fault registry was asked, oldest first.
    pub fn registry_log(&self) -> Result<Vec<Seen>> {
        self.inside(|| registry::log(FAULTS))
            .context("reading the fault registry's log")
    }

    /// Ends the node, whoever started it, and waits until nothing is left of it.
    pub fn shut_down(self) -> Result<()> {
        let path = self.layout().keeper_lock();
        let lock = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        self.ask(Request::Shutdown)?;
        lock.lock().context("waiting for the keeper to end")
    }
}

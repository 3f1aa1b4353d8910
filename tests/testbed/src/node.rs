//! A node: the handle that tests hold.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cgroup::Cgroups;
use crate::clock::until;
use crate::component::Component;
use crate::control::{self, Message, Request};
use crate::family::Kind;
use crate::faults::{Fault, Rule, Seen};
use crate::host;
use crate::image::Image;
use crate::layout::Layout;
use crate::plan::{Plan, Programs};
use crate::progress::Progress;
use crate::registry;
use crate::settings::{self, FAULTS, NODE_NAME, REGISTRY};

/// What a node is to be.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Two nodes of one name cannot run at once. Without a name, one is made up.
    pub name: Option<String>,
    /// Kubernetes' version, one of those pinned.
    pub kubernetes: String,
    /// containerd's version, one of those pinned.
    pub containerd: String,
    /// Merged into the KubeletConfiguration: objects key by key, anything else replaced.
    pub kubelet: serde_json::Value,
    /// No progress on standard error.
    pub quiet: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            name: None,
            kubernetes: Kind::Kubernetes.default_version().to_owned(),
            containerd: Kind::Containerd.default_version().to_owned(),
            kubelet: serde_json::Value::Null,
            quiet: false,
        }
    }
}

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

/// Ends the node when dropped.
#[derive(Debug)]
struct Held {
    keeper: Child,
    /// The node ends when the last copy of this end of the pipe is closed.
    lifeline: Option<ChildStdin>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The keeper reports on its own log; there is nobody to tell here.
        let _ = self.keeper.wait();
    }
}

/// Devices on offer; dropping this ends their plugin, and the node has none that are healthy.
#[derive(Debug)]
pub struct Devices {
    plugin: Child,
}

impl Drop for Devices {
    fn drop(&mut self) {
        // It may have been ended with the node.
        let _ = self.plugin.kill();
        let _ = self.plugin.wait();
    }
}

/// How long the kubelet may take to report new devices.
const DEVICES: Duration = Duration::from_secs(30);

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

    /// The folder of the node with that name, running or not.
    pub fn folder(name: &str) -> Result<PathBuf> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 24 || !name.chars().all(valid) {
            bail!("a testbed's name is 1 to 24 of a-z, 0-9 and -; {name:?} is not");
        }
        Ok(host::run_folder()?.join(format!("pwtb-{name}")))
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

    /// The container runtime's socket.
    pub fn cri_socket(&self) -> PathBuf {
        self.layout().cri_socket()
    }

    /// The kubelet's pods API; there is one from Kubernetes 1.37 on.
    pub fn kubelet_pods_socket(&self) -> PathBuf {
        self.layout().kubelet_pods_socket()
    }

    /// The API server's audit log: a JSON line for each request, at level Metadata.
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
        let image = Image::new(&self.plan.programs.testimage, bytes)?;
        self.inside(|| registry::push(REGISTRY, repository, tag, &image))
            .with_context(|| format!("pushing {REGISTRY}/{repository}:{tag}"))
    }

    /// Gives a repository of the fault registry a fault, at once.
    pub fn set_fault(&self, repository: &str, fault: Fault) -> Result<()> {
        self.set_fault_after(repository, fault, 0)
    }

    /// Gives a repository a fault that begins after so many more requests for manifests.
    pub fn set_fault_after(&self, repository: &str, fault: Fault, after: u32) -> Result<()> {
        self.inside(|| registry::set_fault(FAULTS, repository, &Rule { fault, after }))
            .with_context(|| format!("setting a fault for {repository}"))
    }

    /// Takes a repository's fault away. Requests that hang go on hanging.
    pub fn heal(&self, repository: &str) -> Result<()> {
        self.inside(|| registry::heal(FAULTS, repository))
            .with_context(|| format!("healing {repository}"))
    }

    /// What the fault registry was asked, oldest first.
    pub fn registry_log(&self) -> Result<Vec<Seen>> {
        self.inside(|| registry::log(FAULTS))
            .context("reading the fault registry's log")
    }

    /// Offers devices to the kubelet, as a device plugin does, and waits until the node has them.
    /// They go when the handle is dropped.
    pub fn add_devices(&self, resource: &str, count: usize) -> Result<Devices> {
        let path = self.layout().log("device-plugin");
        let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let plugin = self
            .command(&self.plan.testbed)
            .arg("device-plugin")
            .arg("--folder")
            .arg(self.layout().device_plugins())
            .arg(format!("--resource={resource}"))
            .arg(format!("--count={count}"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting a device plugin")?;
        let devices = Devices { plugin };
        let field = format!(
            "-ojsonpath={{.status.allocatable.{}}}",
            resource.replace('.', "\\.")
        );
        let there = until(DEVICES, || {
            let output = self
                .kubectl()
                .args(["get", "node", NODE_NAME, &field])
                .output();
            output.is_ok_and(|o| o.stdout == count.to_string().as_bytes())
        });
        if !there {
            bail!(
                "the node does not have {count} {resource}; the plugin said:\n{}",
                crate::log::tail(&path)
            );
        }
        Ok(devices)
    }

    /// Ends the node, whoever started it, and waits until nothing is left of it.
    pub fn shut_down(self) -> Result<()> {
        let path = self.layout().keeper_lock();
        let lock = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        self.ask(Request::Shutdown)?;
        lock.lock().context("waiting for the keeper to end")
    }
}

/// Starts the keeper and waits until the node is ready. A keeper with a lifeline ends when the
/// other end of its standard input is closed.
fn start(options: &NodeOptions, lifeline: bool) -> Result<(Plan, Held)> {
    host::check_root()?;
    let progress = Progress::new(options.quiet);
    host::need_ip(progress)?;
    let id = match &options.name {
        Some(name) => name.clone(),
        None => settings::random_hex(4)?,
    };
    let dir = Node::folder(&id)?;
    if options.name.is_some() {
        clear(&dir, &id)?;
    }
    // The long part comes before anything is made that would have to be removed.
    let programs = Programs::build(options)?;
    fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    let begun = host::testbed()
        .and_then(|testbed| Plan::make(options, programs, &dir, &id, testbed))
        .and_then(|plan| Ok((keeper(&plan, lifeline)?, plan)));
    let (mut keeper, plan) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            // Nothing runs in it; the error matters more than a folder that stays.
            let _ = fs::remove_dir_all(&dir);
            return Err(error);
        }
    };
    let stdout = keeper.stdout.take();
    let held = Held {
        lifeline: keeper.stdin.take(),
        keeper,
    };
    // On failure the first process ends by itself, and dropping `held` waits for the cleaning up.
    wait_until_ready(
        &plan,
        stdout.context("the keeper has no standard output")?,
        progress,
    )?;
    Ok((plan, held))
}

/// Makes room for a node of that name: one that runs is an error, remains of one are removed.
fn clear(dir: &Path, id: &str) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    if let Ok(node) = Node::attach(dir) {
        bail!(
            "a testbed named {id} is running already (Kubernetes {}, in {}); `testbed down --name {id}` ends it",
            node.plan.kubernetes,
            dir.display()
        );
    }
    let cgroups = Cgroups::of(id)?;
    cgroups.kill_commands()?;
    cgroups
        .remove()
        .with_context(|| format!("{} is neither running nor gone", dir.display()))?;
    fs::remove_dir_all(dir).with_context(|| format!("removing what is left in {}", dir.display()))
}

fn keeper(plan: &Plan, lifeline: bool) -> Result<Child> {
    let path = plan.layout().log("init");
    let log = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let mut keeper = Command::new(&plan.testbed);
    keeper
        .arg("keep")
        .arg(&plan.dir)
        .stdout(Stdio::piped())
        .stderr(log);
    if lifeline {
        keeper.arg("--lifeline").stdin(Stdio::piped());
    } else {
        keeper.stdin(Stdio::null());
    }
    keeper
        .spawn()
        .with_context(|| format!("starting {}", plan.testbed.display()))
}

fn wait_until_ready(plan: &Plan, stdout: ChildStdout, progress: Progress) -> Result<()> {
    for line in BufReader::new(stdout).lines() {
        let line = line.context("hearing from the node's first process")?;
        match serde_json::from_str(&line).with_context(|| format!("decoding {line:?}"))? {
            Message::Step(what, seconds) => progress.took(&what, Duration::from_secs_f64(seconds)),
            Message::Ready => return Ok(()),
            Message::Failed(error) => bail!("the node did not start: {error}"),
        }
    }
    bail!(
        "the node's first process ended without a word; the end of its log:\n{}",
        crate::log::tail(&plan.layout().log("init"))
    )
}

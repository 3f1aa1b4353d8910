//! The first process of a node: furnishes its namespaces, starts the components, reaps orphans,
//! serves the control socket. When it ends, the kernel ends everything else in the node.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cgroup::Cgroups;
use crate::clock::{Stopwatch, until};
use crate::component::Component;
use crate::control::{self, Message, Reply, Request};
use crate::image::Image;
use crate::namespace;
use crate::plan::Plan;
use crate::power;
use crate::settings::PAUSE_IMAGE;
use crate::supervisor::Supervisor;
use crate::systemd;

/// How long a component may take to be ready.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| crate::longest(30));

/// Runs the node in `dir` until it is told to end. With `lifeline`, also until standard input
/// ends, which it does when the process that holds the other end is gone.
pub fn run(dir: &Path, lifeline: bool) -> Result<()> {
    // The keeper cleans up after us, so we never outlive it.
    set_parent_process_death_signal(Some(Signal::KILL)).context("following the keeper")?;
    let outcome = start(dir, lifeline);
    match outcome {
        Ok(never) => match never {},
        Err(error) => {
            tell(&Message::Failed(format!("{error:#}")));
            Err(error)
        }
    }
}

/// Nothing that can be: the first process does not return while all is well.
enum Never {}

fn start(dir: &Path, lifeline: bool) -> Result<Never> {
    let plan = Plan::read(dir)?;
    let cgroups = Cgroups::of(&plan.id)?;
    namespace::furnish(&plan, &cgroups)?;
    if lifeline {
        std::thread::spawn(|| {
            // Nothing is ever written there: this returns when the other end is closed.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    let supervisor = Arc::new(Supervisor::new(plan));
    let reaper = Arc::clone(&supervisor);
    std::thread::spawn(move || reaper.reap());
    let socket = supervisor.plan().layout().control_socket();
    let listener = UnixListener::bind(&socket)
        .with_context(|| format!("listening on {}", socket.display()))?;

    match supervisor.plan().joins {
        None => boot(&supervisor)?,
        Some(_) => join(&supervisor)?,
    }
    tell(&Message::Ready);
    loop {
        let (stream, _) = listener
            .accept()
            .context("accepting on the control socket")?;
        let supervisor = Arc::clone(&supervisor);
        std::thread::spawn(move || serve(&supervisor, stream));
    }
}

/// Starts everything, in an order in which each finds what it needs.
fn boot(supervisor: &Supervisor) -> Result<()> {
    use Component::*;
    start_runtime(supervisor)?;
    for component in [Etcd, Registry, Faults] {
        supervisor.start(component)?;
    }
    step("starting etcd", || ready(supervisor, Etcd))?;
    supervisor.start(Apiserver)?;
    step("starting registries", || {
        ready(supervisor, Registry)?;
        ready(supervisor, Faults)
    })?;
    step("starting the runtime", || runtime_is_ready(supervisor))?;
    step("starting kube-apiserver", || ready(supervisor, Apiserver))?;
    for component in [ControllerManager, Scheduler, Kubelet] {
        supervisor.start(component)?;
    }
    wait_for_node(supervisor)?;
    step("waiting for the default service account", || {
        supervisor.until(ControllerManager, *PATIENCE, || {
            namespace_is_ready(supervisor)
        })
    })?;
    ready(supervisor, Scheduler)
}

/// Starts what makes a node of a cluster that is there.
fn join(supervisor: &Supervisor) -> Result<()> {
    start_runtime(supervisor)?;
    step("starting the runtime", || runtime_is_ready(supervisor))?;
    supervisor.start(Component::Kubelet)?;
    wait_for_node(supervisor)
}

/// Starts the runtime, and before it what makes its control groups.
fn start_runtime(supervisor: &Supervisor) -> Result<()> {
    let plan = supervisor.plan();
    if plan.cgroup_driver.is_systemd() && !systemd::answers() {
        step("starting systemd", || {
            supervisor.start_beside(systemd::command(plan)?, "systemd")?;
            ensure!(
                until(*PATIENCE, systemd::answers),
                "systemd does not answer on {}; its last lines:\n{}",
                systemd::SOCKET,
                crate::log::tail(&plan.layout().log("systemd"))
            );
            Ok(())
        })?;
    }
    supervisor.start(Component::Runtime)
}

fn runtime_is_ready(supervisor: &Supervisor) -> Result<()> {
    ready(supervisor, Component::Runtime)?;
    import_pause(supervisor)
}

fn wait_for_node(supervisor: &Supervisor) -> Result<()> {
    step("waiting for the node to be ready", || {
        supervisor.until(Component::Kubelet, *PATIENCE, || node_is_ready(supervisor))
    })
}

fn step(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let begun = Stopwatch::start();
    work().with_context(|| what.to_owned())?;
    tell(&Message::Step(
        what.to_owned(),
        begun.elapsed().as_secs_f64(),
    ));
    Ok(())
}

/// Waits until a component answers.
fn ready(supervisor: &Supervisor, component: Component) -> Result<()> {
    supervisor.until(component, *PATIENCE, || match component {
        Component::Apiserver => kubectl(supervisor, &["get", "--raw=/readyz"]).is_ok(),
        Component::Runtime => UnixStream::connect(supervisor.plan().cri_socket()).is_ok(),
        _ => component
            .port(supervisor.plan())
            .is_some_and(|port| TcpStream::connect(port).is_ok()),
    })
}

fn import_pause(supervisor: &Supervisor) -> Result<()> {
    let plan = supervisor.plan();
    let image = Image::new(&plan.programs.testimage, 0)?;
    let run = |command| {
        let log = plan.layout().log("import");
        let ran = supervisor.run(command, "import").map(drop);
        ran.with_context(|| format!("the end of its log:\n{}", crate::log::tail(&log)))
    };
    plan.runtime
        .import(plan, PAUSE_IMAGE, &image, run)
        .context("importing the pause image")
}

fn kubectl(supervisor: &Supervisor, arguments: &[&str]) -> Result<String> {
    let plan = supervisor.plan();
    let mut kubectl = Command::new(plan.programs.kubernetes.join("kubectl"));
    kubectl
        .env_clear()
        .env("KUBECONFIG", plan.layout().kubeconfig("admin"))
        .args(arguments);
    supervisor.run(kubectl, "kubectl")
}

/// Ready, and no taint left that keeps Pods away.
fn node_is_ready(supervisor: &Supervisor) -> bool {
    let path = r#"-ojsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints}"#;
    let name = supervisor.plan().place().name;
    kubectl(supervisor, &["get", "node", name, path]).is_ok_and(|output| output == "True")
}

/// What every Pod in the namespace mounts is there.
fn namespace_is_ready(supervisor: &Supervisor) -> bool {
    let wanted = [
        "get",
        "serviceaccount/default",
        "configmap/kube-root-ca.crt",
        "-oname",
    ];
    kubectl(supervisor, &wanted).is_ok()
}

fn serve(supervisor: &Supervisor, mut stream: UnixStream) {
    let request = match stream
        .try_clone()
        .context("reading a request")
        .and_then(control::receive)
    {
        Ok(request) => request,
        Err(error) => {
            // Whoever sent it may be gone; there is nobody else to tell.
            let error = Some(format!("{error:#}"));
            let _ = control::send(
                &mut stream,
                &Reply {
                    error,
                    running: Vec::new(),
                },
            );
            return;
        }
    };
    let done = match request {
        Request::Start(component) => match component {
            Component::Runtime => start_runtime(supervisor),
            _ => supervisor.start(component),
        }
        .and_then(|()| ready(supervisor, component)),
        Request::Stop(component) => supervisor.stop(component),
        Request::Kill(component) => supervisor.kill(component),
        Request::PowerOff => power::off(supervisor),
        Request::Status | Request::Shutdown => Ok(()),
    };
    let error = done.err().map(|error| format!("{error:#}"));
    let _ = control::send(
        &mut stream,
        &Reply {
            error,
            running: supervisor.running(),
        },
    );
    if request == Request::Shutdown {
        std::process::exit(0);
    }
}

/// Tells the starter, who may be gone by now.
fn tell(message: &Message) {
    if let Ok(line) = serde_json::to_string(message) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

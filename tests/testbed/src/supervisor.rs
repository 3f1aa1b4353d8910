//! The processes of a node, as their first process sees them: it starts them, hears of their end,
//! and reaps the orphans (shims and monitors) too.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::clock::until;
use crate::component::Component;
use crate::plan::Plan;

/// How long a component may take to end when asked. This is no patience of a test: the component is killed after it.
const GRACE: Duration = Duration::from_secs(15);

/// Starts and stops components. There is one in a PID namespace: it waits for every child.
#[derive(Debug)]
pub struct Supervisor {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    started: BTreeMap<Component, i32>,
    /// How children ended, by pid.
    ended: HashMap<i32, String>,
    /// How many were started.
    spawned: u64,
}

impl State {
    fn running(&self, component: Component) -> Option<i32> {
        self.started
            .get(&component)
            .copied()
            .filter(|pid| !self.ended.contains_key(pid))
    }
}

impl Supervisor {
    /// No process yet.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The node's plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for children for ever. No child can be lost: one that ends before its pid is noted
    /// is noted here afterwards, as both happen under the lock.
    pub fn reap(&self) {
        loop {
            let spawned = self.state().spawned;
            let Ok(Some((pid, status))) = wait(WaitOptions::empty()) else {
                // No child at the moment: look again when one has been started since.
                let none_since = |state: &mut State| state.spawned == spawned;
                drop(self.changed.wait_while(self.state(), none_since));
                continue;
            };
            let how = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => continue,
            };
            self.state().ended.insert(pid.as_raw_nonzero().get(), how);
            self.changed.notify_all();
        }
    }

    fn spawn(
        &self,
        state: &mut State,
        mut command: Command,
        log: &str,
    ) -> Result<std::process::Child> {
        let programs = &self.plan.programs;
        let path = [
            &programs.runtime,
            &programs.runc,
            &programs.cni,
            &programs.kubernetes,
        ];
        let path: Vec<String> = path.iter().map(|p| p.display().to_string()).collect();
        let log = self.plan.layout().log(log);
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let program = command.get_program().to_owned();
        let child = command
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", path.join(":")),
            )
            .env("HOME", "/root")
            .stdin(Stdio::null())
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        state.ended.remove(&child.id().cast_signed());
        state.spawned += 1;
        self.changed.notify_all();
        Ok(child)
    }

    /// Starts a program that lives as long as the node, and that no test stops.
    pub fn start_beside(&self, mut command: Command, log: &str) -> Result<()> {
        command.stdout(Stdio::null());
        self.spawn(&mut self.state(), command, log).map(drop)
    }

    /// Starts a component that is not running.
    pub fn start(&self, component: Component) -> Result<()> {
        let mut state = self.state();
        if state.running(component).is_some() {
            bail!("{} is running already", component.name());
        }
        let log = self.plan.layout().log(component.name());
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let mut command = component.command(&self.plan);
        command.stdout(output);
        let child = self.spawn(&mut state, command, component.name())?;
        state.started.insert(component, child.id().cast_signed());
        Ok(())
    }

    /// Ends a component and waits until it has ended: SIGTERM and, if need be, SIGKILL.
    pub fn stop(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::TERM)?;
        if self.wait_for_end(component, GRACE) {
            return Ok(());
        }
        self.kill(component)
    }

    /// Kills a component and waits until it is gone.
    pub fn kill(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::KILL)?;
        if !self.wait_for_end(component, GRACE) {
            bail!("{} does not die", component.name());
        }
        Ok(())
    }

    fn signal(&self, component: Component, signal: Signal) -> Result<()> {
        let state = self.state();
        let Some(pid) = state.running(component).and_then(Pid::from_raw) else {
            bail!("{} is not running", component.name());
        };
        // The lock is held: the pid cannot have been given to another process.
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signalling {}", component.name())),
        }
    }

    fn wait_for_end(&self, component: Component, patience: Duration) -> bool {
        let state = self.state();
        let still_running = |state: &mut State| state.running(component).is_some();
        let (_state, waited) = self
            .changed
            .wait_timeout_while(state, patience, still_running)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    /// The components that are running.
    pub fn running(&self) -> Vec<Component> {
        let state = self.state();
        Component::ALL
            .into_iter()
            .filter(|c| state.running(*c).is_some())
            .collect()
    }

    /// How a component that was started has ended, if it has.
    pub fn ended(&self, component: Component) -> Option<String> {
        let state = self.state();
        let pid = state.started.get(&component)?;
        state.ended.get(pid).cloned()
    }

    /// Runs a program to its end and gives what it wrote to standard output; standard error goes
    /// to the log.
    pub fn run(&self, mut command: Command, log: &str) -> Result<String> {
        command.stdout(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child = self.spawn(&mut self.state(), command, log)?;
        let mut output = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout
                .read_to_string(&mut output)
                .context("reading a program's output")?;
        }
        let pid = child.id().cast_signed();
        let mut state = self.state();
        let how = loop {
            if let Some(how) = state.ended.remove(&pid) {
                break how;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        if how != "exit code 0" {
            bail!("{} ended with {how}", program.display());
        }
        Ok(output)
    }

    /// Waits until `ready` says so, as long as `component` runs and `patience` lasts.
    pub fn until(
        &self,
        component: Component,
        patience: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let name = component.name();
        let mut ended = None;
        let answered = until(patience, || {
            ended = self.ended(component);
            ended.is_some() || ready()
        });
        let what = match ended {
            Some(how) => format!("ended with {how}"),
            None if answered => return Ok(()),
            None => format!("is not ready after {} s", patience.as_secs()),
        };
        let log = self.plan.layout().log(name);
        bail!("{name} {what}; its last lines:\n{}", crate::log::tail(&log))
    }
}

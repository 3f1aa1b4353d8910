//! Controllers of queues and workflows beside a node, as processes in its network.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Node;
use crate::cache;
use crate::clock::until;
use crate::controller::{Controller, ControllerOptions, Place, Setup};
use crate::http;
use crate::image::Image;
use crate::progress::Progress;

/// The longest time until a controller answers, or its webhooks do.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| crate::longest(30));

/// A controller that runs. Dropping the handle ends it, and so does the end of the node. Its objects
/// and webhooks stay.
#[derive(Debug)]
pub struct RunningController {
    controller: Controller,
    process: Child,
    log: PathBuf,
}

impl RunningController {
    /// Which one it is.
    pub fn controller(&self) -> Controller {
        self.controller
    }

    /// Its log.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    /// An error with the end of its log if the process has ended.
    pub fn check(&mut self) -> Result<()> {
        let ended = self.process.try_wait();
        match ended.context("asking for the state of a process")? {
            Some(status) => bail!("{}", self.story(&format!("ended ({status})"))),
            None => Ok(()),
        }
    }

    /// Ends it and waits until it has ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.check()?;
        let name = self.controller.name();
        self.process
            .kill()
            .with_context(|| format!("ending {name}"))?;
        self.process
            .wait()
            .with_context(|| format!("waiting for the end of {name}"))
    }

    fn story(&self, what: &str) -> String {
        let name = self.controller.name();
        format!(
            "{name} {what}; its last lines:\n{}",
            crate::log::tail(&self.log)
        )
    }

    /// Waits until `so` is true, as long as the process runs.
    fn wait(&mut self, what: &str, mut so: impl FnMut() -> bool) -> Result<()> {
        let mut state = Ok(());
        let done = until(*PATIENCE, || {
            state = self.check();
            state.is_err() || so()
        });
        state?;
        if !done {
            bail!(
                "{}",
                self.story(&format!("{what} after {} s", PATIENCE.as_secs()))
            );
        }
        Ok(())
    }
}

impl Drop for RunningController {
    fn drop(&mut self) {
        // It may have been ended with the node.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    /// Starts a controller, built now where it is missing, with its CRDs and webhooks. Returns when
    /// it is ready and its webhooks admit objects.
    pub fn start_controller(
        &self,
        controller: Controller,
        options: &ControllerOptions,
    ) -> Result<RunningController> {
        let name = controller.name();
        let family = controller.kind().at(&options.version)?;
        let layout = self.layout();
        let place = Place {
            build: cache::build(&family, Progress::new(false))?,
            dir: self.dir().join("controllers").join(name),
            certificates: layout.webhook_certificates(),
            authority: layout.pki().join("ca.crt"),
            kubeconfig: self.admin_kubeconfig(),
        };
        fs::create_dir_all(&place.dir)
            .with_context(|| format!("making {}", place.dir.display()))?;
        let setup = controller.setup(&place, &options.settings)?;
        self.prepare(&place, &setup)
            .with_context(|| format!("preparing the cluster for {name}"))?;
        let mut running = RunningController {
            controller,
            process: self.spawn_controller(&place, &setup)?,
            log: place.dir.join("log.txt"),
        };
        let (port, path) = setup.ready;
        let address = format!("127.0.0.1:{port}");
        self.inside(|| {
            running.wait("is not ready", || {
                let answer = http::send(&address, "GET", path, "text/plain", Vec::new());
                answer.is_ok_and(|answer| answer.status.is_success())
            })
        })?;
        if !setup.webhooks.is_empty() {
            self.apply(&place, "webhooks.json", &setup.webhooks)
                .with_context(|| format!("registering the webhooks of {name}"))?;
        }
        if let Some(probe) = &setup.probe {
            let probe = place.write("probe.json", probe)?;
            running.wait("admits no object", || {
                let mut kubectl = self.kubectl();
                kubectl
                    .args(["create", "--dry-run=server", "-f"])
                    .arg(&probe);
                kubectl.output().is_ok_and(|output| output.status.success())
            })?;
        }
        Ok(running)
    }

    /// Pushes the images for a controller's Pods and applies its objects.
    fn prepare(&self, place: &Place, setup: &Setup) -> Result<()> {
        for program in &setup.images {
            let image = Image::of_program(&place.build.join(program.name), program.path)?;
            self.push(program.name, "1", &image)?;
        }
        let is_crd = |object: &&Value| object["kind"] == "CustomResourceDefinition";
        let crds: Vec<Value> = setup.objects.iter().filter(is_crd).cloned().collect();
        self.apply(place, "objects.json", &setup.objects)?;
        let path = r#"-ojsonpath={.status.conditions[?(@.type=="Established")].status}"#;
        for crd in &crds {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default();
            // `kubectl wait` fails on a CRD that has no conditions yet.
            let established = until(*PATIENCE, || {
                let output = self.kubectl().args(["get", "crd", name, path]).output();
                output.is_ok_and(|output| output.stdout == b"True")
            });
            if !established {
                bail!("{name} is not established after {} s", PATIENCE.as_secs());
            }
        }
        Ok(())
    }

    fn spawn_controller(&self, place: &Place, setup: &Setup) -> Result<Child> {
        let log = place.dir.join("log.txt");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let program = place.build.join(setup.program);
        let mut command = match &setup.etc {
            None => self.command(&program),
            Some(etc) => {
                let mut command = self.command("unshare");
                let script = "mount --bind \"$0\" /etc && exec \"$@\"";
                command
                    .args(["--mount", "sh", "-c", script])
                    .arg(etc)
                    .arg(&program);
                command
            }
        };
        command
            .args(&setup.arguments)
            .envs(setup.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&place.dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("opening a log twice")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))
    }

    /// Applies objects on the server's side: annotations of the client would be too small for CRDs.
    fn apply(&self, place: &Place, file: &str, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let path = place.write(file, &list)?.display().to_string();
        let wanted = ["apply", "--server-side", "--force-conflicts", "-f", &path];
        self.kubectl_succeeds(&wanted)
    }

    fn kubectl_succeeds(&self, arguments: &[&str]) -> Result<()> {
        let output = self
            .kubectl()
            .args(arguments)
            .output()
            .context("running kubectl")?;
        if !output.status.success() {
            bail!(
                "`kubectl {}` failed:\n{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

//! `testbed vm`: a machine with systemd as its first process and the unified cgroup hierarchy, in
//! which programs run that were built outside.

mod disk;
mod image;
mod machine;
pub mod scenes;
mod shared;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use testbed::{CGROUP_DRIVER, CgroupDriver, Progress};

use self::image::Image;
use self::machine::Machine;
use self::shared::Shared;
use super::Versions;
use super::cargo::{self, Build};

/// Programs that the machine takes, each with the Debian package that brings it.
const NEEDED: [(&str, &str); 3] = [
    ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
    ("/usr/bin/mmdebstrap", "mmdebstrap"),
    ("/usr/sbin/mke2fs", "e2fsprogs"),
];

/// Memory of a machine in MiB, if nobody says otherwise.
const MEMORY: u32 = 6144;

#[derive(Debug, Args)]
pub struct Vm {
    #[command(flatten)]
    versions: Versions,
    /// Memory of the machine, in MiB
    #[arg(long, default_value_t = MEMORY)]
    memory: u32,
    /// The kubelet's cgroup driver on nodes in the machine: cgroupfs or systemd
    #[arg(long, value_name = "NAME", default_value_t)]
    cgroup_driver: CgroupDriver,
    /// The command and its arguments. `testbed` and `pullwarden` are found by their names
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
}

impl Vm {
    pub fn run(self) -> Result<ExitCode> {
        check()?;
        let agent = cargo::build_agent(Build::Debug)?;
        let mut shared = Shared::new(agent.clone())?;
        shared.program("pullwarden", agent);
        shared.components(&self.versions.kubernetes, self.versions.runtime)?;
        shared.set(CGROUP_DRIVER, &self.cgroup_driver.to_string());
        run(&shared, self.memory, &self.command)
    }
}

/// Boots a machine, runs a command in it, and ends as the command did.
fn run(shared: &Shared, memory: u32, command: &[String]) -> Result<ExitCode> {
    let progress = Progress::new(false);
    let image = Image::made(progress)?;
    let folder = Folder::new()?;
    let disk = progress.step("making the disk with the programs", || {
        shared.disk(&folder.0, command)
    })?;
    let code = Machine::start(&image, &disk, &folder.0, memory)?.finish()?;
    Ok(ExitCode::from(code))
}

/// An error that says what to install, where something is missing.
fn check() -> Result<()> {
    testbed::check_root().context("the machine's disk has files of root")?;
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    bail!("a machine needs Debian packages that are missing: `apt-get install {packages}`")
}

/// The folder of one run, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let name = format!("target/vm-{}", std::process::id());
        let folder = cargo::workspace(&name);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next run has a folder of its own; what stays here is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program to its end; an error has the end of what it wrote.
fn done(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.split_at(lines.len().saturating_sub(20)).1.join("\n");
        bail!("{program} failed ({}):\n{last}", output.status);
    }
    Ok(())
}

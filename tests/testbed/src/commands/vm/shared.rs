//! The machine's second disk: programs that were built outside, at the same paths as here, and the
//! command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use testbed::{BUILT, Family, Progress, Runtime};

use super::super::cargo::{self, AGENT};
use super::disk;

/// Where the machine mounts it.
const MOUNT: &str = "/srv/testbed";
/// Folders and files of the workspace that tests read.
const READ: [&str; 5] = ["deploy", "docs", "tests", "README.md", "Cargo.toml"];

/// Contents of the disk.
#[derive(Debug)]
pub struct Shared {
    /// Programs by the names that the command may use.
    programs: BTreeMap<String, PathBuf>,
    /// Components by the folders of their families.
    components: BTreeMap<String, PathBuf>,
    /// The agent that tests install.
    agent: PathBuf,
    /// Environment of the command, beside what every command has.
    environment: BTreeMap<String, String>,
}

impl Shared {
    /// The testbed, and the agent that tests install.
    pub fn new(agent: PathBuf) -> Result<Self> {
        let testbed = std::env::current_exe().context("finding the running program")?;
        Ok(Self {
            programs: BTreeMap::from([("testbed".to_owned(), testbed)]),
            components: BTreeMap::new(),
            agent,
            environment: BTreeMap::new(),
        })
    }

    /// Adds a program.
    pub fn program(&mut self, name: &str, path: PathBuf) {
        self.programs.insert(name.to_owned(), path);
    }

    /// Sets a variable of the command's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Adds what a node of these versions needs, built now where it is missing.
    pub fn components(&mut self, kubernetes: &str, runtime: Runtime) -> Result<()> {
        for family in testbed::families(kubernetes, runtime)? {
            self.component(&family)?;
        }
        Ok(())
    }

    /// Adds a family of programs, built now where it is missing.
    pub fn component(&mut self, family: &Family) -> Result<()> {
        let folder = testbed::build(family, Progress::new(false))?;
        self.components.insert(family.folder(), folder);
        Ok(())
    }

    /// Makes the disk in `folder`, with a command to run.
    pub fn disk(&self, folder: &Path, command: &[String]) -> Result<PathBuf> {
        let tree = folder.join("tree");
        let mut folders = BTreeSet::new();
        let workspace = cargo::workspace("");
        for name in READ {
            link(
                &workspace.join(name),
                &inside(&tree, &workspace.join(name))?,
            )?;
        }
        folders.insert(workspace.clone());
        for program in self.programs.values().chain([&self.agent]) {
            link(program, &inside(&tree, program)?)?;
            if !program.starts_with(&workspace) {
                folders.extend(program.parent().map(Path::to_owned));
            }
        }
        for (family, built) in &self.components {
            link(built, &tree.join("components").join(family))?;
        }
        let run = tree.join("run");
        fs::write(&run, self.script(&folders, &workspace, command))
            .with_context(|| format!("writing {}", run.display()))?;
        let disk = folder.join("shared.ext4");
        disk::make(&disk, &tree)?;
        fs::remove_dir_all(&tree).with_context(|| format!("removing {}", tree.display()))?;
        Ok(disk)
    }

    /// Puts everything where it is on the host, and becomes the command.
    fn script(&self, folders: &BTreeSet<PathBuf>, workspace: &Path, command: &[String]) -> String {
        let mut script = "set -e\nsysctl -qw fs.inotify.max_user_instances=1024\n".to_owned();
        for folder in folders {
            let folder = folder.display();
            let here = quoted(&folder.to_string());
            let there = quoted(&format!("{MOUNT}/files{folder}"));
            script += &format!("mkdir -p {here}\nmount --bind {there} {here}\n");
        }
        let mut environment = self.environment.clone();
        let agent = self.agent.display().to_string();
        for (name, value) in [
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            (AGENT, &agent),
            (BUILT, &format!("{MOUNT}/components")),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        if let Some(testbed) = self.programs.get("testbed") {
            environment.insert("TESTBED_BIN".to_owned(), testbed.display().to_string());
        }
        for (name, value) in environment {
            script += &format!("export {name}={}\n", quoted(&value));
        }
        for (name, path) in &self.programs {
            let path = quoted(&path.display().to_string());
            script += &format!("ln -s {path} /usr/local/bin/{name}\n");
        }
        script += &format!("cd {}\n", quoted(&workspace.display().to_string()));
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        script + &format!("exec {}\n", words.join(" "))
    }
}

/// The place of a host's path on the disk.
fn inside(tree: &Path, path: &Path) -> Result<PathBuf> {
    let relative = path
        .strip_prefix("/")
        .with_context(|| format!("{} is no absolute path", path.display()))?;
    Ok(tree.join("files").join(relative))
}

/// Links a file, or the files of a folder, and copies them where they cannot be linked.
fn link(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("copying {} to {}", from.display(), to.display());
    if from.is_dir() {
        for entry in fs::read_dir(from).with_context(failed)? {
            let name = entry.with_context(failed)?.file_name();
            link(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::copy(from, to).map(drop).with_context(failed),
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_word_as_it_is() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}

//! The container runtime of a node: its settings, its programs, and its log of pulls.

pub mod containerd;
pub mod crio;

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::family::{Family, Kind, PINNED};
use crate::image::Image;
use crate::node::Pulls;
use crate::plan::Plan;

/// A container runtime of a pinned version. As text: `crio:1.36.3`; without a version, the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Runtime {
    family: Family,
}

impl Runtime {
    /// All that are pinned, the default first.
    pub fn all() -> impl Iterator<Item = Self> {
        let runtimes = [Kind::Containerd, Kind::Crio];
        let is_runtime = move |family: &&Family| runtimes.contains(&family.kind);
        PINNED
            .iter()
            .filter(is_runtime)
            .map(|family| Self { family: *family })
    }

    /// Its programs.
    pub fn family(self) -> Family {
        self.family
    }

    /// `containerd` or `crio`.
    pub fn name(self) -> &'static str {
        self.family.kind.name()
    }

    /// Its version.
    pub fn version(self) -> &'static str {
        self.family.version
    }

    /// Returns true for CRI-O, false for containerd.
    pub fn is_crio(self) -> bool {
        self.family.kind == Kind::Crio
    }

    /// Its name and version, as a person says it.
    pub fn title(self) -> String {
        let name = match self.is_crio() {
            true => "CRI-O",
            false => "containerd",
        };
        format!("{name} {}", self.version())
    }

    /// The Debian packages that it needs on a node, each with a file that the package brings.
    pub fn needs(self) -> &'static [(&'static str, &'static str)] {
        match self.is_crio() {
            false => &[],
            true => &[(crio::MONITOR, "conmon")],
        }
    }

    /// Writes the files that it reads.
    pub fn write_settings(self, plan: &Plan) -> Result<()> {
        match self.is_crio() {
            false => containerd::write_settings(plan),
            true => crio::write_settings(plan),
        }
    }

    /// Its command line.
    pub fn command(self, plan: &Plan) -> Command {
        match self.is_crio() {
            false => containerd::command(plan),
            true => crio::command(plan),
        }
    }

    /// Brings an image to the node, as if it had been pulled under this name. The calling thread
    /// must be in the node's network. `run` runs a program to its end.
    pub fn import(
        self,
        plan: &Plan,
        reference: &str,
        image: &Image,
        run: impl FnOnce(Command) -> Result<()>,
    ) -> Result<()> {
        match self.is_crio() {
            false => run(containerd::import(plan, reference, image)?),
            true => crio::import(plan, reference, image),
        }
    }

    /// The pulls of an image in its log.
    pub fn pulls(self, image: &str, log: &str) -> Pulls {
        match self.is_crio() {
            false => containerd::pulls(image, log),
            true => crio::pulls(image, log),
        }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        let version = Kind::Containerd.default_version();
        let kind = Kind::Containerd;
        Self {
            family: Family { kind, version },
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.version())
    }
}

impl From<Runtime> for String {
    fn from(runtime: Runtime) -> Self {
        runtime.to_string()
    }
}

impl TryFrom<String> for Runtime {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for Runtime {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, version) = match text.split_once(':') {
            Some((name, version)) => (name, Some(version.trim_start_matches('v'))),
            None => (text, None),
        };
        let is = |runtime: &Self| {
            runtime.name() == name && version.is_none_or(|version| runtime.version() == version)
        };
        match Self::all().find(is) {
            Some(runtime) => Ok(runtime),
            None => bail!(
                "the runtime {text} is not pinned; there are: {}",
                Self::all()
                    .map(|runtime| runtime.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
}

/// The text of a value that a log has in quotes; all that follows if it is not quoted as expected.
fn unquoted(quoted: &str) -> String {
    let mut escaped = false;
    let end = quoted.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        is_end
    });
    let text = end.and_then(|(end, _)| serde_json::from_str(&quoted[..=end]).ok());
    text.unwrap_or_else(|| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_named_with_or_without_a_version() -> Result<()> {
        assert_eq!("crio".parse::<Runtime>()?.to_string(), "crio:1.36.3");
        assert_eq!("containerd".parse::<Runtime>()?, Runtime::default());
        let old: Runtime = "crio:v1.34.0".parse()?;
        assert_eq!(old.to_string(), "crio:1.34.0");
        assert_eq!(old.family(), Kind::Crio.at("1.34.0")?);
        let text = serde_json::to_string(&old)?;
        assert_eq!(serde_json::from_str::<Runtime>(&text)?, old);
        let error = "docker".parse::<Runtime>().map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err(
                "the runtime docker is not pinned; there are: containerd:2.4.2, \
                 containerd:2.1.9, containerd:1.7.35, crio:1.36.3, crio:1.34.0"
                    .to_owned()
            )
        );
        Ok(())
    }
}

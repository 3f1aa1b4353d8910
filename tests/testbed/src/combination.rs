//! Versions of Kubernetes and of container runtimes that `cargo soak versions::` runs together.

use anyhow::Result;

use crate::family::Kind;
use crate::runtime::Runtime;

/// A version of Kubernetes with a container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// Version of Kubernetes.
    pub kubernetes: &'static str,
    /// Container runtime and its version, as [`Runtime`] reads them.
    pub runtime: &'static str,
    /// Start of the names of its tests.
    pub tests: &'static str,
}

/// Start of the names of all tests for combinations (`tests/cluster/versions.rs`).
pub const ALL_TESTS: &str = "versions::";

/// The tests of the policies in `deploy/`, which need Kubernetes 1.30.
const POLICY_TESTS: &str = "versions::policy_";

const fn all(kubernetes: &'static str, runtime: &'static str) -> Combination {
    Combination {
        kubernetes,
        runtime,
        tests: ALL_TESTS,
    }
}

/// The least set that has each version of Kubernetes and each runtime twice, the newest first. The
/// last one is for the policies alone.
pub const COMBINATIONS: &[Combination] = &[
    all("1.37.2", "containerd:2.4.2"),
    all("1.37.2", "crio:1.36.3"),
    all("1.36.3", "containerd:2.4.2"),
    all("1.36.3", "crio:1.36.3"),
    all("1.34.4", "containerd:2.4.2"),
    all("1.34.4", "crio:1.34.0"),
    all("1.33.13", "containerd:1.7.35"),
    all("1.33.13", "crio:1.34.0"),
    all("1.32.2", "containerd:2.1.9"),
    all("1.32.2", "crio:1.34.0"),
    all("1.31.0", "containerd:1.7.35"),
    all("1.31.0", "containerd:2.1.9"),
    Combination {
        kubernetes: "1.30.14",
        runtime: "containerd:1.7.35",
        tests: POLICY_TESTS,
    },
];

impl Combination {
    /// The container runtime.
    pub fn runtime(&self) -> Result<Runtime> {
        self.runtime.parse()
    }

    /// Its name on a command line: `kubernetes-1.37.2-containerd-2.4.2`.
    pub fn name(&self) -> Result<String> {
        let kubernetes = Kind::Kubernetes.at(self.kubernetes)?;
        let runtime = self.runtime()?.family();
        Ok(format!("{}-{}", kubernetes.folder(), runtime.folder()))
    }

    /// The first cells of its row in docs/compatibility.md, which no other row has.
    pub fn cells(&self) -> Result<String> {
        let tests = match self.tests {
            ALL_TESTS => "all",
            _ => "policy requests",
        };
        let runtime = self.runtime()?.title();
        Ok(format!("| {} | {runtime} | {tests} |", self.kubernetes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_version_is_pinned_and_those_with_all_tests_are_there_twice() -> Result<()> {
        let mut times = BTreeMap::new();
        for combination in COMBINATIONS {
            assert!(combination.name()?.starts_with("kubernetes-1."));
            if combination.tests == ALL_TESTS {
                for version in [combination.kubernetes, combination.runtime] {
                    *times.entry(version).or_insert(0) += 1;
                }
            }
        }
        assert!(times.values().all(|times| *times >= 2), "{times:?}");
        for runtime in Runtime::all() {
            assert!(times.contains_key(&*runtime.to_string()), "{runtime}");
        }
        Ok(())
    }
}

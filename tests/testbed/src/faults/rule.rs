//! What a repository's fault may be.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How a repository misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Not at all.
    Pass,
    /// 404, with a registry's error body.
    Missing,
    /// 401 with a Basic challenge.
    Denied,
    /// 403.
    Forbidden,
    /// The headers never come.
    Hang,
    /// Layers trickle, so that a pull takes this long.
    Slow {
        /// The time that each layer takes; a pull fetches its layers at the same time.
        seconds: u64,
    },
    /// 503.
    Unavailable,
    /// 429.
    TooMany,
}

/// A fault and when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// So many requests for manifests (a pull by tag makes two: HEAD by tag, GET by digest) go
    /// well before.
    #[serde(default)]
    pub after: u32,
}

/// A request that the fault registry has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Milliseconds since 1970.
    pub time: u64,
    /// GET, HEAD, ….
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The answer's status; none while (or because) it does not come.
    pub status: Option<u16>,
}

/// The faults of all repositories.
#[derive(Debug, Default)]
pub struct Rules {
    by_repository: HashMap<String, Rule>,
}

impl Rules {
    /// Gives a repository a fault.
    pub fn set(&mut self, repository: &str, rule: Rule) {
        self.by_repository.insert(repository.to_owned(), rule);
    }

    /// Takes a repository's fault away.
    pub fn heal(&mut self, repository: &str) {
        self.by_repository.remove(repository);
    }

    /// What is to happen to a request with this path.
    pub fn judge(&mut self, path: &str) -> Fault {
        let Some((repository, kind)) = target(path) else {
            return Fault::Pass;
        };
        let Some(rule) = self.by_repository.get_mut(repository) else {
            return Fault::Pass;
        };
        if rule.after > 0 {
            if kind == "manifests" {
                rule.after -= 1;
            }
            return Fault::Pass;
        }
        rule.fault
    }
}

/// The repository of a path and what is asked of it. A repository's name may have slashes.
fn target(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("/v2/")?;
    let kinds = ["manifests", "blobs", "tags", "referrers"];
    kinds.into_iter().find_map(|kind| {
        let at = path.rfind(&format!("/{kind}/"))?;
        Some((&path[..at], kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_its_repositorys_alone() {
        let mut rules = Rules::default();
        rules.set(
            "team/app",
            Rule {
                fault: Fault::Hang,
                after: 0,
            },
        );
        for (path, expected) in [
            ("/v2/team/app/manifests/1", Fault::Hang),
            ("/v2/team/app/blobs/sha256:00", Fault::Hang),
            ("/v2/team/other/manifests/1", Fault::Pass),
            ("/v2/app/manifests/1", Fault::Pass),
            ("/v2/", Fault::Pass),
        ] {
            assert_eq!(rules.judge(path), expected, "{path}");
        }
        rules.heal("team/app");
        assert_eq!(rules.judge("/v2/team/app/manifests/1"), Fault::Pass);
    }

    #[test]
    fn a_fault_may_begin_later() {
        let mut rules = Rules::default();
        rules.set(
            "app",
            Rule {
                fault: Fault::Missing,
                after: 2,
            },
        );
        let mut ask = |path: &str| rules.judge(path);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Pass);
        assert_eq!(ask("/v2/app/blobs/sha256:00"), Fault::Pass);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Pass);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Missing);
    }

    #[test]
    fn rules_are_written_as_documented() {
        let check = |text: &str, rule: Rule| {
            assert_eq!(
                serde_json::from_str::<Rule>(text).ok(),
                Some(rule),
                "{text}"
            );
        };
        check(
            r#"{"fault":"hang"}"#,
            Rule {
                fault: Fault::Hang,
                after: 0,
            },
        );
        check(
            r#"{"fault":"too-many","after":3}"#,
            Rule {
                fault: Fault::TooMany,
                after: 3,
            },
        );
        check(
            r#"{"fault":"slow","seconds":30}"#,
            Rule {
                fault: Fault::Slow { seconds: 30 },
                after: 0,
            },
        );
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"polite"}"#).is_err());
    }
}

//! What a repository's fault may be.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How a repository misbehaves.
///
/// Layers are what is larger than 64 KiB; configurations and other small blobs pass unharmed
/// through the faults that are said to be of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Not at all.
    Pass,
    /// 404, with a registry's error body.
    Missing,
    /// 401 with a Basic challenge.
    Denied,
    /// 401 with a Basic challenge; to users whose names end in 1, 403.
    DeniedByUser,
    /// 401 without a challenge.
    Unchallenged,
    /// 403.
    Forbidden,
    /// 401 with a Bearer challenge; the token server that it names answers with this status.
    Token {
        /// From 400 to 599.
        status: u16,
    },
    /// 401 with a Bearer challenge; a token is given, and with it the answer is 401 and
    /// `insufficient_scope`. So does Docker Hub for what is private and for what is not there.
    InsufficientScope,
    /// 401 with a Bearer challenge, the same again for every token that is given.
    TokenIgnored,
    /// The headers never come.
    Hang,
    /// The headers come, so many seconds late.
    Late {
        /// How late.
        seconds: u64,
    },
    /// Layers trickle, so that a pull takes this long.
    Slow {
        /// The time that each layer takes; a pull fetches its layers at the same time.
        seconds: u64,
    },
    /// Half of each layer comes, and then nothing more.
    Stall,
    /// 503.
    Unavailable,
    /// 429.
    TooMany,
    /// 429 with a `Retry-After` header.
    RetryAfter {
        /// What the header says.
        seconds: u64,
    },
    /// This status, with a registry's error body.
    Status {
        /// From 400 to 599.
        status: u16,
    },
    /// The connection is reset before an answer comes.
    Reset,
    /// The connection is reset in the middle of each layer.
    ResetLayer,
    /// The connection ends in order in the middle of each layer, before what `Content-Length` says.
    Truncated,
    /// Half of each layer, as if that were all of it.
    Short,
    /// Layers of the right size with other bytes.
    Wrong,
    /// What is no JSON, as every manifest.
    Garbage,
    /// A web page with status 200, whatever is asked.
    Html,
    /// An image index that names only an architecture that no testbed runs on.
    OtherPlatform,
    /// The manifest in the format of schema 1, signature and all.
    Schema1,
}

impl Fault {
    /// Whether all that it says can be done: a status must be one of failure.
    pub fn is_possible(self) -> bool {
        match self {
            Self::Token { status } | Self::Status { status } => (400..600).contains(&status),
            _ => true,
        }
    }

    /// True if a client first asks a token server.
    pub fn is_about_tokens(self) -> bool {
        matches!(
            self,
            Self::Token { .. } | Self::TokenIgnored | Self::InsufficientScope
        )
    }
}

/// The requests to a repository that a fault is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All.
    #[default]
    All,
    /// Those for manifests by digest: a pull by tag asks for the tag first.
    Digests,
    /// Those for blobs: layers and configurations.
    Blobs,
    /// Those for signatures, each of which has a tag of its own.
    Signatures,
}

impl Part {
    fn has(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Digests => kind == Kind::Digest,
            Self::Blobs => kind == Kind::Blob,
            Self::Signatures => kind == Kind::Signature,
        }
    }
}

/// A fault, when it begins, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// So many requests for manifests (a pull by tag makes two: HEAD by tag, GET by digest) go
    /// well before.
    #[serde(default)]
    pub after: u32,
    /// All other requests go well.
    #[serde(default)]
    pub part: Part,
}

impl Rule {
    /// The fault in part of what is asked of a repository, at once.
    pub const fn in_part(part: Part, fault: Fault) -> Self {
        Self {
            fault,
            after: 0,
            part,
        }
    }
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self::in_part(Part::All, fault)
    }
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
    /// For repositories that have no fault of their own, and what belongs to none.
    everywhere: Option<Rule>,
}

impl Rules {
    /// Gives a repository a fault; without one, every repository that has none of its own.
    pub fn set(&mut self, repository: Option<&str>, rule: Rule) {
        match repository {
            Some(repository) => {
                self.by_repository.insert(repository.to_owned(), rule);
            }
            None => self.everywhere = Some(rule),
        }
    }

    /// Takes a repository's fault away; without one, that of the whole registry.
    pub fn heal(&mut self, repository: Option<&str>) {
        match repository {
            Some(repository) => {
                self.by_repository.remove(repository);
            }
            None => self.everywhere = None,
        }
    }

    /// What is to happen to a request with this path.
    pub fn judge(&mut self, path: &str) -> Fault {
        let (repository, kind) = target(path).unwrap_or(("", Kind::Other));
        let rule = match self.by_repository.get_mut(repository) {
            Some(rule) => rule,
            None => match &mut self.everywhere {
                Some(rule) => rule,
                None => return Fault::Pass,
            },
        };
        if rule.after > 0 {
            if matches!(kind, Kind::Tag | Kind::Digest) {
                rule.after -= 1;
            }
            return Fault::Pass;
        }
        if rule.part.has(kind) {
            rule.fault
        } else {
            Fault::Pass
        }
    }

    /// The status of the token server's answer for a repository, if it is to refuse.
    pub fn token(&self, repository: &str) -> Option<u16> {
        match self
            .by_repository
            .get(repository)
            .or(self.everywhere.as_ref())
        {
            Some(Rule {
                fault: Fault::Token { status },
                ..
            }) => Some(*status),
            _ => None,
        }
    }
}

/// What is asked of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A manifest by its tag.
    Tag,
    /// A manifest by its digest.
    Digest,
    /// The signature of a manifest.
    Signature,
    /// A layer or a configuration.
    Blob,
    /// Anything else.
    Other,
}

/// The repository of a path and what is asked of it. A repository's name may have slashes.
pub fn target(path: &str) -> Option<(&str, Kind)> {
    let path = path.strip_prefix("/v2/")?;
    let kinds = ["manifests", "blobs", "tags", "referrers"];
    kinds.into_iter().find_map(|kind| {
        let (repository, rest) = path.rsplit_once(&format!("/{kind}/"))?;
        let kind = match kind {
            "manifests" if rest.contains(':') => Kind::Digest,
            "manifests" if rest.ends_with(".sig") => Kind::Signature,
            "manifests" => Kind::Tag,
            "blobs" => Kind::Blob,
            _ => Kind::Other,
        };
        Some((repository, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_its_repositorys_alone() {
        let mut rules = Rules::default();
        rules.set(Some("team/app"), Fault::Hang.into());
        for (path, expected) in [
            ("/v2/team/app/manifests/1", Fault::Hang),
            ("/v2/team/app/blobs/sha256:00", Fault::Hang),
            ("/v2/team/other/manifests/1", Fault::Pass),
            ("/v2/app/manifests/1", Fault::Pass),
            ("/v2/", Fault::Pass),
        ] {
            assert_eq!(rules.judge(path), expected, "{path}");
        }
        rules.heal(Some("team/app"));
        assert_eq!(rules.judge("/v2/team/app/manifests/1"), Fault::Pass);
    }

    #[test]
    fn the_whole_registry_may_fail_but_for_what_has_a_rule() {
        let mut rules = Rules::default();
        rules.set(None, Fault::Unavailable.into());
        rules.set(Some("well"), Fault::Pass.into());
        for (path, expected) in [
            ("/v2/app/manifests/1", Fault::Unavailable),
            ("/v2/", Fault::Unavailable),
            ("/v2/well/manifests/1", Fault::Pass),
        ] {
            assert_eq!(rules.judge(path), expected, "{path}");
        }
        rules.heal(None);
        assert_eq!(rules.judge("/v2/app/manifests/1"), Fault::Pass);
    }

    #[test]
    fn a_fault_may_be_of_a_part() {
        let check = |part: Part, faulty: [bool; 4]| {
            let mut rules = Rules::default();
            rules.set(Some("app"), Rule::in_part(part, Fault::Forbidden));
            let asked = [
                "/v2/app/manifests/1",
                "/v2/app/manifests/sha256:00",
                "/v2/app/blobs/sha256:00",
                "/v2/app/manifests/sha256-00.sig",
            ];
            let found = asked.map(|path| rules.judge(path) == Fault::Forbidden);
            assert_eq!(found, faulty, "{part:?}");
        };
        check(Part::All, [true, true, true, true]);
        check(Part::Digests, [false, true, false, false]);
        check(Part::Blobs, [false, false, true, false]);
        check(Part::Signatures, [false, false, false, true]);
    }

    #[test]
    fn a_fault_may_begin_later() {
        let mut rules = Rules::default();
        let later = Rule {
            after: 2,
            ..Fault::Missing.into()
        };
        rules.set(Some("app"), later);
        let mut ask = |path: &str| rules.judge(path);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Pass);
        assert_eq!(ask("/v2/app/blobs/sha256:00"), Fault::Pass);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Pass);
        assert_eq!(ask("/v2/app/manifests/1"), Fault::Missing);
    }

    #[test]
    fn the_token_server_refuses_where_told() {
        let mut rules = Rules::default();
        rules.set(Some("team/app"), Fault::Token { status: 500 }.into());
        rules.set(Some("other"), Fault::InsufficientScope.into());
        assert_eq!(rules.token("team/app"), Some(500));
        assert_eq!(rules.token("other"), None);
        assert_eq!(rules.token("third"), None);
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
        check(r#"{"fault":"hang"}"#, Fault::Hang.into());
        check(
            r#"{"fault":"too-many","after":3}"#,
            Rule {
                after: 3,
                ..Fault::TooMany.into()
            },
        );
        check(
            r#"{"fault":"slow","seconds":30}"#,
            Fault::Slow { seconds: 30 }.into(),
        );
        check(
            r#"{"fault":"token","status":500}"#,
            Fault::Token { status: 500 }.into(),
        );
        check(r#"{"fault":"schema1"}"#, Fault::Schema1.into());
        check(
            r#"{"fault":"status","status":502,"part":"blobs"}"#,
            Rule::in_part(Part::Blobs, Fault::Status { status: 502 }),
        );
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"polite"}"#).is_err());
        assert!(!Fault::Status { status: 200 }.is_possible());
    }
}

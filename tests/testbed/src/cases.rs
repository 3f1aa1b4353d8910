//! The ways in which a pull can fail that a node can be made to show, each with a name.

mod pod;

use anyhow::{Context, Result};

use crate::faults::{Fault, Part, Rule};
use crate::node::Node;
use crate::runtime::Runtime;
use crate::runtime::crio::own_cases;
use crate::settings::{
    FAULTS, FAULTS_CHALLENGING, FAULTS_DEAF, FAULTS_EXPIRED, FAULTS_HTTP, FAULTS_UNKNOWN,
    FAULTS_WRONG_HOST, REGISTRY,
};

/// The size of the layer that a case's image has for itself. No other image has it, so that it
/// is pulled and not found in the runtime's store.
const LAYER: usize = 1 << 20;
/// A layer that is larger than what a full store has left.
const LARGE_LAYER: usize = 16 << 20;
/// Longer than anyone watches.
const LONG: u64 = 3600;
/// The digest of no image.
const NO_DIGEST: &str = "sha256:1234567812345678123456781234567812345678123456781234567812345678";

/// The variable with the name of a file for the counts of the cases: failures that an agent has
/// counted, and pulls that were made.
pub const COUNTED: &str = "TESTBED_COUNTED";

/// A way to fail. Each has a repository of its own, so that all can be had on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    name: &'static str,
    setup: Setup,
    passwords: usize,
    /// True if it comes from a file that CRI-O alone reads.
    is_of_crio: bool,
}

/// What a case consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    /// A rule of the fault registry.
    Rule(Rule),
    /// Nothing was ever pushed.
    NoRepository,
    /// The repository has another tag.
    NoTag,
    /// The repository has an image, but none of this digest.
    NoDigest,
    /// The manifest names a configuration that is not there.
    NoConfig,
    /// The manifest names a layer that is not there.
    NoLayer,
    /// An image without an index, for another architecture.
    OtherArchitecture,
    /// Another door of the fault registry, whose image is in order.
    Door(&'static str),
    /// A host or port where no registry is, or none that the runtime can ask.
    Nowhere(&'static str),
    /// Text that is no image reference, or an incomplete one.
    NoReference(&'static str),
    /// The runtime's store has no room for the layer.
    FullStore,
}

const fn case(name: &'static str, setup: Setup) -> Case {
    Case {
        name,
        setup,
        passwords: 0,
        is_of_crio: false,
    }
}

const fn of_crio(name: &'static str, setup: Setup) -> Case {
    Case {
        is_of_crio: true,
        ..case(name, setup)
    }
}

const fn fault(name: &'static str, fault: Fault) -> Case {
    in_part(name, Part::All, fault)
}

const fn in_part(name: &'static str, part: Part, fault: Fault) -> Case {
    case(name, Setup::Rule(Rule::in_part(part, fault)))
}

impl Case {
    const fn with_passwords(self, passwords: usize) -> Self {
        Self { passwords, ..self }
    }

    /// All of them, by name.
    const ALL: &[Self] = &[
        fault("basic-challenge", Fault::Denied),
        of_crio("blocked-registry", Setup::Nowhere(own_cases::BLOCKED)),
        of_crio("certificate-alone", Setup::Nowhere(own_cases::CERTIFICATE)),
        case("closed-port", Setup::Nowhere("10.97.0.1:5999")),
        case("connect-timeout", Setup::Nowhere(FAULTS_DEAF)),
        of_crio("credential-helper", Setup::Nowhere(own_cases::HELPER)),
        case("disk-full", Setup::FullStore),
        fault("forbidden", Fault::Forbidden),
        in_part("forbidden-blobs", Part::Blobs, Fault::Forbidden),
        fault("garbage-manifest", Fault::Garbage),
        fault("hang", Fault::Hang),
        fault("html", Fault::Html),
        fault("insufficient-scope", Fault::InsufficientScope),
        case("invalid-name", Setup::NoReference("Not A Reference")),
        fault("late-headers", Fault::Late { seconds: 10 }),
        of_crio("mirror-closed", Setup::Nowhere(own_cases::MIRROR_CLOSED)),
        case("missing-config", Setup::NoConfig),
        case("missing-digest", Setup::NoDigest),
        case("missing-layer", Setup::NoLayer),
        in_part("missing-manifest", Part::Digests, Fault::Missing),
        case("missing-repository", Setup::NoRepository),
        case("missing-tag", Setup::NoTag),
        case("name-server-broken", Setup::Nowhere("registry.broken.test")),
        case("name-server-silent", Setup::Nowhere("registry.silent.test")),
        fault("no-challenge", Fault::Unchallenged),
        case("no-route", Setup::Nowhere("10.99.0.1:5000")),
        case("no-such-host", Setup::Nowhere("registry.absent.test")),
        of_crio("origin-closed", Setup::Nowhere(own_cases::ORIGIN_CLOSED)),
        case("other-architecture", Setup::OtherArchitecture),
        fault("other-platform", Fault::OtherPlatform),
        fault("reset", Fault::Reset),
        fault("reset-layer", Fault::ResetLayer),
        fault("retry-after", Fault::RetryAfter { seconds: 60 }),
        fault("schema-1", Fault::Schema1),
        fault("short-layer", Fault::Short),
        of_crio("short-name", Setup::NoReference("short-name:1")),
        of_crio(
            own_cases::SIGNATURE_DOWN,
            Setup::Rule(Rule::in_part(Part::Signatures, Fault::Unavailable)),
        ),
        of_crio(own_cases::SIGNATURE_MISSING, Setup::Door(FAULTS)),
        of_crio(own_cases::SIGNATURE_REFUSED, Setup::Door(FAULTS)),
        of_crio(own_cases::SIGNATURE_STORE_CLOSED, Setup::Door(FAULTS)),
        fault("slow-layers", Fault::Slow { seconds: LONG }),
        fault("stalled-layer", Fault::Stall),
        fault("status-500", Fault::Status { status: 500 }),
        fault("status-502", Fault::Status { status: 502 }),
        fault("status-503", Fault::Unavailable),
        in_part("status-503-blobs", Part::Blobs, Fault::Unavailable),
        in_part("status-503-digests", Part::Digests, Fault::Unavailable),
        fault("status-504", Fault::Status { status: 504 }),
        case("tls-expired", Setup::Door(FAULTS_EXPIRED)),
        case("tls-none", Setup::Door(FAULTS_HTTP)),
        case("tls-unknown-authority", Setup::Door(FAULTS_UNKNOWN)),
        case("tls-wrong-host", Setup::Door(FAULTS_WRONG_HOST)),
        fault("token-401", Fault::Token { status: 401 }),
        fault("token-403", Fault::Token { status: 403 }),
        fault("token-404", Fault::Token { status: 404 }),
        fault("token-429", Fault::Token { status: 429 }),
        fault("token-500", Fault::Token { status: 500 }),
        fault("token-ignored", Fault::TokenIgnored),
        fault("too-many", Fault::TooMany),
        in_part("too-many-blobs", Part::Blobs, Fault::TooMany),
        in_part("too-many-digests", Part::Digests, Fault::TooMany),
        fault("truncated-layer", Fault::Truncated),
        fault("two-passwords", Fault::DeniedByUser).with_passwords(2),
        case("two-passwords-missing-tag", Setup::NoTag).with_passwords(2),
        fault("wrong-layer", Fault::Wrong),
        fault("wrong-password-basic", Fault::Denied).with_passwords(1),
        fault("wrong-password-token", Fault::Token { status: 401 }).with_passwords(1),
    ];

    /// Returns the cases of nodes with this runtime, by name.
    pub fn of(runtime: Runtime) -> impl Iterator<Item = Self> {
        let cases = Self::ALL.iter().copied();
        cases.filter(move |case| !case.is_of_crio || runtime.is_crio())
    }

    /// The case of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|case| case.name == name)
    }

    /// Its name, which can be a Pod's name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its repository.
    pub fn repository(self) -> String {
        format!("cases/{}", self.name)
    }

    /// Whether a pull by this runtime takes many seconds to fail, or for ever. Some take one of the few
    /// downloads that a runtime makes at a time meanwhile.
    pub fn is_slow(self, runtime: Runtime) -> bool {
        match self.setup {
            // CRI-O comes back as late as it is told, several times in a pull.
            Setup::Rule(Rule {
                fault: Fault::RetryAfter { .. },
                ..
            }) => runtime.is_crio(),
            Setup::Rule(rule) => matches!(
                rule.fault,
                Fault::Hang | Fault::Late { .. } | Fault::Slow { .. } | Fault::Stall
            ),
            Setup::Nowhere(host) => host == FAULTS_DEAF || host.ends_with(".silent.test"),
            _ => false,
        }
    }

    /// True if the kubelet or the runtime refuses its image's name, so that nothing is pulled.
    pub fn is_refused_by_name(self) -> bool {
        matches!(self.setup, Setup::NoReference(_))
    }

    /// Whether it spoils the node for all other images.
    pub fn needs_the_node(self) -> bool {
        self.setup == Setup::FullStore
    }

    /// How many pull secrets its Pods name: with each of them an attempt pulls once more.
    pub fn passwords(self) -> usize {
        self.passwords
    }

    /// Makes it so on a node, and says what image a Pod is to name.
    pub fn prepare(self, node: &Node) -> Result<String> {
        let repository = self.repository();
        self.set_up(node, &repository)
            .with_context(|| format!("preparing the case {}", self.name))
    }

    fn set_up(self, node: &Node, repository: &str) -> Result<String> {
        let of = |host: &str| format!("{host}/{repository}:1");
        Ok(match self.setup {
            Setup::Rule(rule) => {
                node.push_large_image(repository, "1", LAYER)?;
                node.set_rule(repository, rule)?;
                match rule.fault.is_about_tokens() && node.plan().runtime.is_crio() {
                    true => of(FAULTS_CHALLENGING),
                    false => of(FAULTS),
                }
            }
            Setup::NoRepository => of(FAULTS),
            Setup::NoTag => {
                node.push_image(repository, "another")?;
                of(FAULTS)
            }
            Setup::NoDigest => {
                node.push_image(repository, "1")?;
                format!("{FAULTS}/{repository}@{NO_DIGEST}")
            }
            Setup::NoConfig | Setup::NoLayer => {
                let image = node.image(LAYER)?;
                node.push(repository, "1", &image)?;
                let digest = match self.setup {
                    Setup::NoConfig => image.config(),
                    _ => image.last_layer(),
                };
                node.remove_blob(repository, digest.context("the image has no such blob")?)?;
                of(FAULTS)
            }
            Setup::OtherArchitecture => {
                let image = node.image(LAYER)?.for_another_architecture()?;
                node.push(repository, "1", &image)?;
                of(FAULTS)
            }
            Setup::Door(address) => {
                node.push_large_image(repository, "1", LAYER)?;
                of(address)
            }
            Setup::Nowhere(host) => of(host),
            Setup::NoReference(text) => text.to_owned(),
            Setup::FullStore => {
                node.push_large_image(repository, "1", LARGE_LAYER)?;
                node.fill_store()?;
                of(REGISTRY)
            }
        })
    }

    /// Makes its image one that can be pulled, if that is in the registry's power or the store's;
    /// whether it is.
    pub fn heal(self, node: &Node) -> Result<bool> {
        if self.is_of_crio {
            return Ok(false);
        }
        let repository = self.repository();
        let healed = match self.setup {
            Setup::Rule(_) => node.heal(&repository),
            Setup::NoRepository
            | Setup::NoTag
            | Setup::NoConfig
            | Setup::NoLayer
            | Setup::OtherArchitecture => node.push_large_image(&repository, "1", LAYER),
            Setup::FullStore => node.free_store(),
            Setup::NoDigest | Setup::Door(_) | Setup::Nowhere(_) | Setup::NoReference(_) => {
                return Ok(false);
            }
        };
        healed.with_context(|| format!("healing the case {}", self.name))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_could_be_pods() {
        let names: Vec<&str> = Case::ALL.iter().map(|case| case.name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for name in names {
            assert!(name.chars().all(valid), "{name}");
            assert_eq!(Case::by_name(name).map(Case::name), Some(name));
        }
        assert_eq!(Case::by_name("well"), None);
    }

    #[test]
    fn every_fault_can_be_done() {
        for case in Case::ALL {
            if let Setup::Rule(rule) = case.setup {
                assert!(rule.fault.is_possible(), "{}", case.name);
            }
        }
    }
}

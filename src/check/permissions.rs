//! Permissions of the agent's credentials, by SelfSubjectAccessReview: those that are missing, and
//! those that are not needed.

use std::fmt;

use kube::Client;
use serde_json::json;

use super::apiserver::post;
use super::{Finding, Level};
use crate::clock::Clock;
use crate::config::{Config, Evidence};
use crate::judge::{Action, NodeMode, Source};
use crate::report::{FLEET, Guard};

const WHAT: &str = "permissions";

/// A verb and a resource, in all namespaces or of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permission {
    verb: &'static str,
    resource: &'static str,
    /// The permission is for the ConfigMap of the fleet budget only.
    of_fleet: bool,
}

/// All that is asked about: what some configuration needs, and what would be worst in the wrong hands.
const ASKED: [Permission; 27] = [
    of("get", "pods"),
    of("patch", "pods"),
    of("patch", "pods/status"),
    of("create", "events"),
    of("list", "pods"),
    of("watch", "pods"),
    of("delete", "pods"),
    of("get", "namespaces"),
    of("create", "pods"),
    of("update", "pods"),
    of("update", "pods/status"),
    of("create", "pods/exec"),
    of("create", "pods/eviction"),
    of("get", "secrets"),
    of("list", "secrets"),
    of("get", "configmaps"),
    of("list", "configmaps"),
    of("list", "nodes"),
    of("patch", "nodes"),
    of("patch", "nodes/status"),
    of("get", "nodes/proxy"),
    of("update", "events"),
    of("patch", "events"),
    of("delete", "events"),
    of("create", "serviceaccounts/token"),
    of_fleet("get"),
    of_fleet("patch"),
];

const fn of(verb: &'static str, resource: &'static str) -> Permission {
    Permission {
        verb,
        resource,
        of_fleet: false,
    }
}

const fn of_fleet(verb: &'static str) -> Permission {
    Permission {
        verb,
        resource: "configmaps",
        of_fleet: true,
    }
}

/// Meaning of a permission for the agent.
#[derive(Debug, PartialEq, Eq)]
enum Want {
    /// Without it something does not work: how grave that is, and where it comes from.
    Needed(Level, &'static str),
    /// Not needed as it is configured, and part of what is installed.
    Granted,
    /// Nothing that the agent does needs it.
    Unwanted,
}

impl Permission {
    fn wanted(self, config: &Config, kubelet_answers: bool) -> Want {
        const BASE: &str = "apply deploy/base/rbac.yaml";
        let observes = config.policy.mode == NodeMode::Observe;
        let deletes = config.policy.action == Action::Delete;
        if self.of_fleet {
            return match observes || config.policy.fleet.is_none() {
                true => Want::Granted,
                false => Want::Needed(Level::Fault, "apply deploy/base/fleet.yaml"),
            };
        }
        match (self.verb, self.resource) {
            ("get", "pods") | ("create", "events") => Want::Needed(Level::Fault, BASE),
            ("patch", "pods" | "pods/status") if observes => Want::Granted,
            // The Pod itself is patched only where it is not deleted.
            ("patch", "pods") if deletes => Want::Granted,
            ("patch", "pods" | "pods/status") => Want::Needed(Level::Fault, BASE),
            ("list" | "watch", "pods") => match (config.evidence, kubelet_answers) {
                (Evidence::Only(source), _) if source != Source::ApiServer => Want::Unwanted,
                (Evidence::Auto, true) => Want::Needed(
                    Level::Warning,
                    "apply deploy/base/rbac-apiserver.yaml for the time when the kubelet's socket does not answer, or set evidence: kubelet",
                ),
                _ => Want::Needed(Level::Fault, "apply deploy/base/rbac-apiserver.yaml"),
            },
            ("delete", "pods") if deletes && observes => Want::Granted,
            ("delete", "pods") if deletes => Want::Needed(
                Level::Fault,
                "use deploy/components/action-delete, or set action: fail",
            ),
            ("get", "namespaces") if config.policy.scope.reads_namespaces() => Want::Needed(
                Level::Fault,
                "use deploy/components/namespace-labels, or use names alone in scope.namespaces and switch scope.namespaceAnnotations off",
            ),
            _ => Want::Unwanted,
        }
    }

    /// The API server would allow it.
    async fn is_allowed(self, client: &Client, config: &Config) -> Result<bool, String> {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        let mut attributes = json!({"verb": self.verb, "group": "", "resource": resource, "subresource": subresource});
        if self.of_fleet {
            let guard = Guard::new(config.startup.own_pod.clone(), Clock::default());
            attributes["namespace"] = guard.namespace().into();
            attributes["name"] = FLEET.into();
        }
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let review = post(client, path, &body).await?;
        let allowed = review["status"]["allowed"].as_bool();
        allowed.ok_or_else(|| "the API server's answer does not say it".to_owned())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match self.of_fleet {
            true => write!(f, " {FLEET}"),
            false => Ok(()),
        }
    }
}

/// Asks about all of them. `user` is whom the API server takes the agent for.
pub(super) async fn look(
    client: &Client,
    config: &Config,
    kubelet_answers: bool,
    user: &str,
) -> Vec<Finding> {
    let (mut needed, mut missing, mut more) = (0_usize, Vec::new(), Vec::new());
    for permission in ASKED {
        let wanted = permission.wanted(config, kubelet_answers);
        let allowed = match permission.is_allowed(client, config).await {
            Ok(allowed) => allowed,
            Err(error) => {
                return vec![Finding::fault(
                    WHAT,
                    &format!("whether it may {permission} cannot be asked: {error}"),
                    "let the agent's user make selfsubjectaccessreviews, as the ClusterRole system:basic-user does",
                )];
            }
        };
        match wanted {
            Want::Needed(..) if allowed => needed += 1,
            Want::Needed(level, remedy) => {
                let found = format!("{user} may not {permission}");
                missing.push(Finding::new(level, WHAT, &found, remedy));
            }
            Want::Unwanted if allowed => {
                let found = format!("{user} may {permission}, which the agent never does");
                let remedy = "take it out of the roles of that user: whoever takes the agent over has it too";
                more.push(Finding::warning(WHAT, &found, remedy));
            }
            Want::Granted | Want::Unwanted => {}
        }
    }
    let mut findings = Vec::new();
    if missing.is_empty() {
        let found = match more.is_empty() {
            true => format!("all {needed} that are needed, and none that must not be"),
            false => format!("all {needed} that are needed"),
        };
        findings.push(Finding::ok(WHAT, &found));
    }
    findings.extend(missing);
    findings.extend(more);
    findings
}

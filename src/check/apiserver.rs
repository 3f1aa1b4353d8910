//! The API server: whether it answers, its version, and for which node it takes the agent.

use kube::Client;
use kube::core::request::Error as Unsendable;
use serde_json::{Value, json};

use super::Finding;
use crate::api::{ApiError, call};
use crate::config::Config;
use crate::evidence::ApiServer;
use crate::judge::NodeMode;

const WHAT: &str = "API server";
const NODE: &str = "node";

/// From this minor version on a Pod's token says which node it is for.
const OLDEST: u32 = 30;

/// Answer of the API server.
pub(super) struct Server {
    pub(super) findings: Vec<Finding>,
    reached: Option<Reached>,
}

struct Reached {
    client: Client,
    minor: Option<u32>,
    user: String,
}

impl Server {
    /// The way to it, if it answers.
    pub(super) fn client(&self) -> Option<&Client> {
        self.reached.as_ref().map(|reached| &reached.client)
    }

    /// Its minor version, if it is known.
    pub(super) fn minor(&self) -> Option<u32> {
        self.reached.as_ref().and_then(|reached| reached.minor)
    }

    /// Whom it takes the agent for.
    pub(super) fn user(&self) -> &str {
        self.reached.as_ref().map_or("", |reached| &reached.user)
    }
}

/// Asks for its version, and who it takes us for.
pub(super) async fn ask(config: &Config) -> Server {
    let unreached = |finding| Server {
        findings: vec![finding],
        reached: None,
    };
    let api = ApiServer::new(config.startup.kubeconfig.as_deref().map(Into::into));
    let client = match api.client().await {
        Ok(client) => client.clone(),
        Err(error) => {
            let remedy = match config.startup.kubeconfig {
                Some(_) => {
                    "set kubeconfig to a file with the address of the API server and credentials that hold there"
                }
                None => "run it in the agent's Pod, or set kubeconfig",
            };
            return unreached(Finding::fault(
                WHAT,
                &format!("no credentials: {error}"),
                remedy,
            ));
        }
    };
    let version = match get(&client, "/version").await {
        Ok(version) => version,
        Err(error) => {
            return unreached(Finding::fault(
                WHAT,
                &format!("does not answer: {error}"),
                "see that this node (and, in a Pod, its network policy) lets it reach the API server; permissions are looked at once it answers",
            ));
        }
    };
    let minor = minor_of(&version);
    let name = version["gitVersion"].as_str().unwrap_or("of no version");
    let mut findings = vec![match minor {
        Some(minor) if minor >= OLDEST => Finding::ok(WHAT, &format!("answers, Kubernetes {name}")),
        _ => Finding::fault(
            WHAT,
            &format!("answers, Kubernetes {name}"),
            "raise it to Kubernetes 1.30 or later: before, an agent's token does not say which node it is for",
        ),
    }];
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let review = post(
        &client,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        &body,
    )
    .await;
    let user = match &review {
        Ok(review) => review["status"]["userInfo"]["username"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Err(_) => String::new(),
    };
    findings.push(node(config, &review));
    let reached = Some(Reached {
        client,
        minor,
        user,
    });
    Server { findings, reached }
}

/// `30`, of `30` and of `30+`.
fn minor_of(version: &Value) -> Option<u32> {
    let minor = version["minor"].as_str()?;
    let digits = minor
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(minor.len());
    let major = version["major"].as_str() == Some("1");
    minor[..digits].parse().ok().filter(|_| major)
}

/// Checks that the token is for the node that the configuration names.
fn node(config: &Config, review: &Result<Value, String>) -> Finding {
    let own = &config.policy.node;
    let observes = config.policy.mode == NodeMode::Observe;
    let info = match review {
        Ok(review) => &review["status"]["userInfo"],
        Err(error) => {
            return Finding::warning(
                NODE,
                &format!("the API server does not say for whom it takes the agent: {error}"),
                "let the agent's user make selfsubjectreviews, as the ClusterRole system:basic-user does",
            );
        }
    };
    let user = info["username"].as_str().unwrap_or_default();
    match info["extra"]["authentication.kubernetes.io/node-name"][0].as_str() {
        Some(node) if node == own => Finding::ok(
            NODE,
            &format!("the token of {user} is for this node, {own}"),
        ),
        Some(node) => Finding::fault(
            NODE,
            &format!("the token of {user} is for the node {node}, and nodeName is {own}"),
            "set NODE_NAME from spec.nodeName, as deploy/base/daemonset.yaml does: with another node's name every write is denied",
        ),
        None if observes => Finding::ok(
            NODE,
            &format!(
                "{own}; the credentials of {user} are for no node, which is well for mode observe"
            ),
        ),
        None => Finding::warning(
            NODE,
            &format!("{own}; the credentials of {user} do not say which node they are for"),
            "use the token of a Pod (deploy/base/daemonset.yaml): nothing else can be held to one node",
        ),
    }
}

/// A GET.
///
/// # Errors
/// Why there is no answer, or what the API server refused it with.
async fn get(client: &Client, path: &str) -> Result<Value, String> {
    request(client, http::Request::get(path).body(Vec::new())).await
}

/// A POST of a question: nothing is kept of it.
///
/// # Errors
/// Why there is no answer, or what the API server refused it with.
pub(super) async fn post(client: &Client, path: &str, body: &Value) -> Result<Value, String> {
    let request = http::Request::post(path).header(http::header::CONTENT_TYPE, "application/json");
    self::request(client, request.body(body.to_string().into_bytes())).await
}

async fn request(
    client: &Client,
    request: http::Result<http::Request<Vec<u8>>>,
) -> Result<Value, String> {
    let answer = call(client, request.map_err(Unsendable::BuildRequest)).await;
    answer.map_err(|error| match error {
        ApiError::Refused(refused) => format!("{}: {}", refused.code, refused.message()),
        error @ ApiError::NoAnswer(_) => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_versions() {
        for (major, minor, expected) in [
            ("1", "37", Some(37)),
            ("1", "30+", Some(30)),
            ("1", "", None),
            ("2", "1", None),
        ] {
            assert_eq!(
                minor_of(&json!({"major": major, "minor": minor})),
                expected,
                "{major}.{minor}"
            );
        }
        assert_eq!(minor_of(&json!({})), None);
    }
}

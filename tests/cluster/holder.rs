//! The API server as the holder of a token sees it, and who says no to it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use testbed::Node;

use crate::cluster::Cluster;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: String,
    path: String,
    body: Value,
}

impl Ask {
    /// `what` is a method and a path; a body of null is none. A PATCH is a strategic merge patch; a ConfigMap takes it as well.
    pub fn new(what: &str, body: Value) -> Self {
        let (method, path) = what.split_once(' ').unwrap();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body,
        }
    }

    pub fn body(&self) -> &Value {
        &self.body
    }
}

pub struct Holder {
    client: Client,
    /// What was answered otherwise than expected.
    faults: RefCell<Vec<String>>,
}

impl Holder {
    /// The holder of what this client sends.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            faults: RefCell::default(),
        }
    }

    /// An agent's token: bound to a Pod of the service account, it says which node that runs on.
    pub async fn token(cluster: &Cluster, own: &Value) -> String {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"boundObjectRef": {
                "apiVersion": "v1", "kind": "Pod",
                "name": own["metadata"]["name"], "uid": own["metadata"]["uid"],
            }},
        });
        let path = "/api/v1/namespaces/pullwarden/serviceaccounts/pullwarden/token";
        let admin = Self::new(cluster.client.clone());
        let answer = admin.ask(&Ask::new(&format!("POST {path}"), body)).await;
        let token = answer.unwrap()["status"]["token"].clone();
        token.as_str().unwrap().to_owned()
    }

    /// The admin's kubeconfig with another's token, in this folder.
    pub fn kubeconfig(node: &Node, token: &str, dir: &Path) -> PathBuf {
        let text = std::fs::read_to_string(node.admin_kubeconfig()).unwrap();
        let mut config: Value = serde_saphyr::from_str(&text).unwrap();
        for user in config["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": token});
        }
        let path = dir.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// An agent, with its own token.
    pub async fn agent(node: &Node, cluster: &Cluster, own: &Value) -> Self {
        let token = Self::token(cluster, own).await;
        let kubeconfig = Kubeconfig::read_from(node.admin_kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.unwrap();
        config.auth_info = AuthInfo {
            token: Some(token.into()),
            ..AuthInfo::default()
        };
        Self::new(Client::try_from(config).unwrap())
    }

    /// A service account, `namespace:name`, that may do everything.
    pub async fn of_account(node: &Node, account: &str) -> Self {
        let kubeconfig = Kubeconfig::read_from(node.admin_kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.unwrap();
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{account}"));
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
        Self::new(Client::try_from(config).unwrap())
    }

    /// Asks in earnest.
    pub async fn ask(&self, Ask { method, path, body }: &Ask) -> kube::Result<Value> {
        let body = match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body).unwrap(),
        };
        let content_type = match method.as_str() {
            "PATCH" => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder().method(method.as_str()).uri(path);
        let request = request.header("Content-Type", content_type).body(body);
        self.client.request(request.unwrap()).await
    }

    /// Tries it without effect: `allowed`, `forbidden`, `invalid`, or the words of a policy.
    pub async fn tries(&self, ask: &Ask) -> String {
        let mut ask = ask.clone();
        if ask.method != "GET" {
            let separator = if ask.path.contains('?') { '&' } else { '?' };
            ask.path = format!("{}{separator}dryRun=All", ask.path);
        }
        match self.ask(&ask).await {
            Ok(_) => "allowed".to_owned(),
            Err(kube::Error::Api(status)) => match status.code {
                _ if status.message.contains("ValidatingAdmissionPolicy") => status.message.clone(),
                403 => "forbidden".to_owned(),
                422 => "invalid".to_owned(),
                code => format!("{code} {}", status.message),
            },
            Err(error) => error.to_string(),
        }
    }

    /// Notes it if a case is answered otherwise than it expects.
    pub async fn check(&self, case: &Value, ask: &Ask) {
        let expected = case["expect"].as_str().unwrap_or("forbidden");
        let answer = self.tries(ask).await;
        let right = match expected {
            "allowed" | "forbidden" | "invalid" => answer == expected,
            words => answer.contains(words),
        };
        if !right {
            let fault = format!("{}: expected {expected:?}, got {answer:?}", case["what"]);
            self.faults.borrow_mut().push(fault);
        }
    }

    pub fn assert_all_as_expected(&self) {
        let faults = self.faults.borrow();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

//! What the fake API server says of itself and of who asks: its version, its reviews.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What deploy/ grants the agent.
const GRANTED: [&str; 8] = [
    "get pods",
    "patch pods",
    "patch pods/status",
    "create events",
    "list pods",
    "watch pods",
    "get configmaps pullwarden-fleet",
    "patch configmaps pullwarden-fleet",
];

/// What is said.
#[derive(Debug)]
pub struct Reviews {
    /// The minor version.
    pub minor: &'static str,
    /// The node that the credentials are for.
    pub node: Option<&'static str>,
    /// What may be done: a verb and a resource.
    pub allowed: BTreeSet<String>,
}

impl Default for Reviews {
    /// As it is for an agent that was installed as it is shipped.
    fn default() -> Self {
        Self {
            minor: "36",
            node: Some("node1"),
            allowed: GRANTED.map(str::to_owned).into(),
        }
    }
}

impl Reviews {
    /// `GET /version`.
    pub fn version(&self) -> Value {
        json!({"major": "1", "minor": self.minor, "gitVersion": format!("v1.{}.0", self.minor)})
    }

    /// A SelfSubjectReview.
    pub fn user(&self) -> Value {
        let mut info =
            json!({"username": "system:serviceaccount:pullwarden:pullwarden", "extra": {}});
        if let Some(node) = self.node {
            info["extra"]["authentication.kubernetes.io/node-name"] = json!([node]);
        }
        json!({"status": {"userInfo": info}})
    }

    /// A SelfSubjectAccessReview.
    pub fn access(&self, review: &Value) -> Value {
        let asked = &review["spec"]["resourceAttributes"];
        assert_eq!(
            asked["group"], "",
            "all that is asked about is of the core group"
        );
        let text = |key: &str| asked[key].as_str().unwrap();
        let resource = match text("subresource") {
            "" => text("resource").to_owned(),
            sub => format!("{}/{sub}", text("resource")),
        };
        let name = asked["name"].as_str().map(|name| format!(" {name}"));
        let what = format!("{} {resource}{}", text("verb"), name.unwrap_or_default());
        let allowed = self.allowed.contains(&what);
        json!({"status": {"allowed": allowed}})
    }
}

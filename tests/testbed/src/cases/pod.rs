//! The Pod of a case, and the pull secrets that it may name.

use serde_json::{Value, json};

use super::Case;
use crate::settings::{FAULTS, FAULTS_CHALLENGING};

impl Case {
    /// A Pod, named as the case, that pulls this image once and runs it if that goes well.
    pub fn pod(self, image: &str) -> Value {
        let secrets: Vec<Value> = (0..self.passwords)
            .map(|number| json!({"name": secret_name(number)}))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "imagePullSecrets": secrets,
                "containers": [{"name": "main", "image": image}],
            },
        })
    }

    /// The pull secrets that Pods of all cases need in their namespace: for the fault registry, each
    /// of a user of its own, with a wrong password.
    pub fn secrets() -> Vec<Value> {
        let most = Self::ALL.iter().map(|case| case.passwords).max();
        (0..most.unwrap_or_default()).map(secret).collect()
    }
}

fn secret_name(number: usize) -> String {
    format!("wrong-password-{number}")
}

fn secret(number: usize) -> Value {
    let user = json!({"username": format!("user-{number}"), "password": "wrong"});
    let config = json!({"auths": {FAULTS: user, FAULTS_CHALLENGING: user}});
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(number)},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config.to_string()},
    })
}

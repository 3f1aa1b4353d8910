//! The kill switch, deploy/off: whose writes it denies, and how soon.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Node, Stopwatch};

use super::fleet::token;
use super::{PODS, apply, first, until_answered};
use crate::cluster::Cluster;
use crate::holder::{Ask, Holder};
use crate::shapes::{REGISTRY, container, pod};

const SWITCHED_OFF: &str = "writes are switched off";

/// Longest time until the switch is felt.
const SWITCHED_WITHIN: Duration = Duration::from_secs(5);

/// Deletes the objects of a file of deploy/.
fn remove(node: &Node, file: &str) {
    let path = format!("{}/deploy/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut kubectl = node.kubectl();
    let removed = kubectl.args(["delete", "-f", &path]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
}

/// The kill switch: thrown, removed, and thrown again. It is no matter to anybody else.
/// `on` is the name of the agent's node.
pub async fn switch(cluster: &Cluster, (agent, on): (&Holder, &str), write: &Ask, node: &Node) {
    let admin = Holder::new(cluster.client.clone());
    let image = format!("{REGISTRY}/policy/good:1");
    let anybodys = pod("anybodys", vec![container("main", &image)]);
    let anybodys = Ask::new(&format!("POST {PODS}"), anybodys);
    // The label of the agents' dry run, on a Pod from its beginning.
    let mut born = pod("born", vec![container("main", &image)]);
    born["metadata"]["labels"] = json!({ "pullwarden.io/must-be-denied": "1" });
    cluster.create(born).await;
    let label = json!({"metadata": {"labels": {"new": "x"}}});
    let of_born = Ask::new(&format!("PATCH {PODS}/born"), label.clone());
    let agents_token = token(on);
    let labelled = Ask::new(&format!("PATCH {PODS}/running"), label);
    let deleted = Ask::new(&format!("DELETE {PODS}/stuck"), Value::Null);
    let conditions = |pod: &str, condition: &str, unavailable: &str| {
        first(&json!({"pod": pod, "condition": condition, "unavailable": unavailable}))
    };
    for (is_off, expected) in [
        (true, SWITCHED_OFF),
        (false, "allowed"),
        (true, SWITCHED_OFF),
    ] {
        match is_off {
            true => apply(node, &["../off/policy.yaml"]),
            false => remove(node, "off/policy.yaml"),
        }
        let begun = Stopwatch::start();
        until_answered(cluster, agent, write, expected).await;
        eprintln!("{expected:?} after {:?}", begun.elapsed());
        assert!(begun.elapsed() < SWITCHED_WITHIN);
        // The switch denies an agent's token, and nobody else's change of the ConfigMap.
        until_answered(cluster, agent, &agents_token, expected).await;
        for others in [&anybodys, &labelled, &of_born, &deleted, &agents_token] {
            assert_eq!(admin.tries(others).await, "allowed", "{others:?}");
        }
        // Conditions that are True may be set to False at any time, and to nothing else.
        for (pod, unavailable) in [
            ("running", "False"),
            ("forged", "False"),
            ("stuck", "absent"),
        ] {
            let reverted = conditions(pod, "False", unavailable);
            assert_eq!(agent.tries(&reverted).await, "allowed");
        }
        for switched in [
            conditions("stuck", "True", "absent"),
            conditions("unmarked", "False", "absent"),
            // A revert of one of the two is none.
            conditions("forged", "absent", "False"),
        ] {
            let answer = agent.tries(&switched).await;
            assert!(answer.contains(expected), "{switched:?}: {answer}");
        }
        // Whatever the agents' service account is called, they fail no Pod.
        let renamed = Holder::of_account(node, "elsewhere:guard").await;
        for does_what_agents_do in [&conditions("unmarked", "True", "absent"), write] {
            let answer = renamed.tries(does_what_agents_do).await;
            assert!(
                answer.contains(expected),
                "{does_what_agents_do:?}: {answer}"
            );
        }
        assert_eq!(renamed.tries(&deleted).await, "allowed");
        let moved = Holder::of_account(node, "elsewhere:my-pullwarden").await;
        let answer = moved.tries(&deleted).await;
        assert!(answer.contains(expected), "{answer}");
    }
    // Its other limits stand beside it.
    remove(node, "off/policy.yaml");
    until_answered(cluster, agent, write, "allowed").await;
    let foreign = first(&json!({"pod": "elsewhere"}));
    assert!(agent.tries(&foreign).await.contains("own node only"));
}

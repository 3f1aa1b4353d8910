//! The fleet budget's ConfigMap: the entries that an agent's token may add and remove.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use testbed::Stopwatch;

use super::until_answered;
use crate::cluster::Cluster;
use crate::holder::{Ask, Holder};

const FLEET: &str = "/api/v1/namespaces/pullwarden/configmaps/pullwarden-fleet";

/// Patches that are made at once.
const CROWD: usize = 600;

/// Longest time that they may take: the deadline of an agent's request.
static WITHIN: LazyLock<Duration> = LazyLock::new(|| testbed::longest(10));

const VALUE: &str = "namespace=a owner=Job/a registry=r.test image=0123456789abcdef";

/// Seconds since the epoch of an entry that counts.
const NOW: u64 = 1_800_000_000;

fn patch(entries: Value) -> Ask {
    Ask::new(&format!("PATCH {FLEET}"), json!({"data": entries}))
}

/// A token of this node.
pub fn token(node: &str) -> Ask {
    let key = format!("{NOW}.{node}.01234567");
    patch(json!({ key: VALUE }))
}

/// So many entries of another node, all of the same time.
fn crowd(number: u64, at: u64) -> Map<String, Value> {
    let key = |nth| format!("{at}.crowd.{nth:08}");
    (0..number).map(|nth| (key(nth), json!(VALUE))).collect()
}

/// Adds many entries at once, to the same version of the object. One patch is taken, and the API server
/// answers the others at once: it repeats no patch that names a version.
async fn all_at_once(agent: &Holder, node: &str) {
    let version = agent
        .ask(&Ask::new(&format!("GET {FLEET}"), Value::Null))
        .await;
    let version = version.unwrap()["metadata"]["resourceVersion"].clone();
    let key = |nth: usize| format!("{NOW}.{node}.{nth:08}");
    let patch = |nth| {
        let metadata = json!({ "resourceVersion": version });
        let body = json!({"metadata": metadata, "data": {key(nth): VALUE}});
        Ask::new(&format!("PATCH {FLEET}"), body)
    };
    let patches: Vec<Ask> = (0..CROWD).map(patch).collect();
    let begun = Stopwatch::start();
    let answers = join_all(patches.iter().map(|patch| agent.ask(patch))).await;
    eprintln!("{CROWD} patches at once: {:?}", begun.elapsed());
    assert!(begun.elapsed() < *WITHIN, "{:?}", begun.elapsed());
    let codes = answers.into_iter().map(|answer| match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    });
    let (taken, refused): (Vec<_>, Vec<_>) = codes.partition(|code| *code == 200);
    assert_eq!(taken.len(), 1);
    assert!(refused.iter().all(|code| *code == 409), "{refused:?}");
}

/// Tries what an agent may and may not do. `node` is the agent's.
pub async fn fleet(cluster: &Cluster, agent: &Holder, node: &str) {
    let admin = Holder::new(cluster.client.clone());
    let key = |at: u64, node: &str| format!("{at}.{node}.01234567");
    let (own, old) = (key(NOW - 10, node), key(NOW - 3601, "other"));
    let (young, new) = (key(NOW - 3600, "other"), key(NOW, node));
    let there = json!({&own: VALUE, &old: VALUE, &young: VALUE, "note": "x"});
    admin.ask(&patch(there)).await.unwrap();
    let one = "an agent adds one entry of its own node at a time";
    let removes = "an agent removes entries of its own node, and those that are older than an hour";
    let only = "of the fleet budget only the entries may be changed";
    until_answered(
        cluster,
        agent,
        &patch(json!({key(NOW, "other"): VALUE})),
        one,
    )
    .await;

    let many = "x".repeat(1025);
    let cases = [
        ("its token", json!({&new: VALUE}), "allowed"),
        (
            "its token for an old one",
            json!({&new: VALUE, &old: null}),
            "allowed",
        ),
        (
            "its token for its own",
            json!({&new: VALUE, &own: null}),
            "allowed",
        ),
        ("no token any more", json!({&own: null}), "allowed"),
        (
            "two tokens",
            json!({&new: VALUE, key(NOW + 1, node): VALUE}),
            one,
        ),
        ("another node's", json!({key(NOW, "other"): VALUE}), one),
        (
            "a longer node's",
            json!({format!("{NOW}.{node}.x.01234567"): VALUE}),
            one,
        ),
        ("no time", json!({format!("x.{node}.01234567"): VALUE}), one),
        (
            "a long time",
            json!({format!("1{NOW}.{node}.01234567"): VALUE}),
            one,
        ),
        ("no Pod", json!({format!("{NOW}.{node}."): VALUE}), one),
        ("a note", json!({"another": VALUE}), one),
        ("no value", json!({&new: "x"}), one),
        ("a long value", json!({&new: format!("{VALUE}{many}")}), one),
        ("another's value", json!({&young: "x"}), one),
        ("the note's value", json!({"note": VALUE}), one),
        (
            "another's young token",
            json!({&new: VALUE, &young: null}),
            removes,
        ),
        (
            "another's old token for nothing",
            json!({&old: null}),
            removes,
        ),
        ("the note", json!({&new: VALUE, "note": null}), removes),
    ];
    for (what, entries, expected) in cases {
        let case = json!({"what": what, "expect": expected});
        agent.check(&case, &patch(entries)).await;
    }
    let others = [
        (
            "a label",
            "PATCH",
            "",
            json!({"metadata": {"labels": {"a": "b"}}}),
            only,
        ),
        (
            "an owner",
            "PATCH",
            "",
            json!({"metadata": {"finalizers": ["a.test/b"]}}),
            only,
        ),
        (
            "binary data",
            "PATCH",
            "",
            json!({"binaryData": {"a": "AA=="}}),
            only,
        ),
        ("its end", "PATCH", "", json!({"immutable": true}), only),
        ("a read", "GET", "", Value::Null, "allowed"),
        ("an update", "PUT", "", json!({}), "forbidden"),
        ("a deletion", "DELETE", "", Value::Null, "forbidden"),
        (
            "the configuration",
            "PATCH",
            "/../pullwarden",
            json!({"data": {}}),
            "forbidden",
        ),
    ];
    for (what, method, other, body, expected) in others {
        let path = match other {
            "" => FLEET.to_owned(),
            _ => FLEET.replace("pullwarden-fleet", "pullwarden"),
        };
        let case = json!({"what": what, "expect": expected});
        agent
            .check(&case, &Ask::new(&format!("{method} {path}"), body))
            .await;
    }

    // As full as it may be, the API server still decides.
    let mut full = crowd(1023, NOW - 3601);
    for key in [&*own, &old, &young, "note"] {
        full.insert(key.to_owned(), Value::Null);
    }
    admin.ask(&patch(full.into())).await.unwrap();
    let mut instead = crowd(1023, NOW - 3601);
    instead.values_mut().for_each(|value| *value = Value::Null);
    instead.insert(new.clone(), json!(VALUE));
    for (what, entries, expected) in [
        ("the last place", json!({&new: VALUE}), "allowed"),
        ("all that is old", instead.clone().into(), "allowed"),
    ] {
        let case = json!({"what": what, "expect": expected});
        agent.check(&case, &patch(entries)).await;
    }
    admin.ask(&patch(crowd(1, NOW).into())).await.unwrap();
    let case = json!({"what": "one too many", "expect": "at most 1024 entries"});
    agent.check(&case, &patch(json!({&new: VALUE}))).await;
    let mut all = crowd(1023, NOW - 3601);
    all.extend(crowd(1, NOW));
    all.values_mut().for_each(|value| *value = Value::Null);
    admin.ask(&patch(all.into())).await.unwrap();
    all_at_once(agent, node).await;
}

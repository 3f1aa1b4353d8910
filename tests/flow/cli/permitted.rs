//! `pullwarden check` and the API server: versions, permissions, and the proof that the agent is held to its own node.

use super::checking::{Check, node};
use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::Pod;

const OFF: &str = "pods \"agent\" is forbidden: ValidatingAdmissionPolicy 'pullwarden-off' with binding 'pullwarden-off' denied request: pullwarden.io/writes-off: writes are switched off (kubectl delete -k deploy/off switches them on)";

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_one_fault() {
    let node = node().await;
    node.api.down().await;
    let check = Check::of(&node);
    check.finds_only("fault API server: does not answer").await;
    let missing = check.with("kubeconfig", "/proc/self/cwd/none");
    missing
        .finds_only("fault API server: no credentials: reading the kubeconfig /proc/self/cwd/none")
        .await;
    node.api.up().await;
    node.api.refuse_from(Kind::Version, 1, 401, "Unauthorized");
    Check::of(&node)
        .finds_only("does not answer: 401: Unauthorized")
        .await;
}

#[tokio::test]
async fn versions_and_the_node_that_the_token_is_for() {
    let node = node().await;
    let check = Check::of(&node);
    node.api.reviews().minor = "29+";
    check
        .finds_only("fault API server: answers, Kubernetes v1.29+.0")
        .await;
    node.api.reviews().minor = "30";
    assert_eq!(check.finds().await, [""; 0]);
    node.api.reviews().node = Some("node2");
    check
        .finds_only("is for the node node2, and nodeName is node1")
        .await;
    node.api.reviews().node = None;
    check.finds_only("warning node: node1; the credentials of system:serviceaccount:pullwarden:pullwarden do not say").await;
    let observes = Check::of(&node).with("mode", "observe");
    assert_eq!(observes.finds().await, [""; 0]);
    node.api.refuse_from(Kind::UserReview, 1, 403, "no");
    check
        .finds_only("does not say for whom it takes the agent: 403: no")
        .await;
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named() {
    let node = node().await;
    let check = Check::of(&node);
    for may in [
        "get pods",
        "patch pods",
        "patch pods/status",
        "create events",
    ] {
        node.api.reviews().allowed.remove(may);
        let expected =
            format!("fault permissions: system:serviceaccount:pullwarden:pullwarden may not {may}");
        check.finds_only(&expected).await;
        node.api.reviews().allowed.insert(may.to_owned());
    }
    // The API server would only stand in for the kubelet's socket.
    node.api.reviews().allowed.remove("list pods");
    check
        .finds_only(
            "warning permissions: system:serviceaccount:pullwarden:pullwarden may not list pods",
        )
        .await;
    node.kubelet.down().await;
    check
        .finds_only(
            "fault permissions: system:serviceaccount:pullwarden:pullwarden may not list pods",
        )
        .await;
    node.api.refuse_from(Kind::AccessReview, 1, 403, "no");
    check.finds_only("cannot be asked: 403: no").await;
}

#[tokio::test]
async fn what_the_configuration_asks_for_besides() {
    let node = node().await;
    let delete = Check::of(&node).with("action", "delete");
    delete.finds_only("may not delete pods").await;
    let file = node.path().join("config.yaml");
    std::fs::write(
        &file,
        "scope: {namespaces: [{selector: {matchLabels: {env: prod}}, mode: off}]}\n",
    )
    .unwrap();
    let labels = Check::of(&node).with("config", "config.yaml");
    labels.finds_only("may not get namespaces").await;
    node.api
        .reviews()
        .allowed
        .extend(["delete pods".to_owned(), "get namespaces".to_owned()]);
    assert_eq!(labels.with("action", "delete").finds().await, [""; 0]);
    let found = Check::of(&node).finds().await;
    assert_eq!(found.len(), 2, "{found:#?}");
    // An agent that observes needs no right to write, and may have it.
    node.api.reviews().allowed = ["get pods", "create events"].map(str::to_owned).into();
    let observes = Check::of(&node)
        .with("mode", "observe")
        .with("evidence", "kubelet");
    assert_eq!(observes.finds().await, [""; 0]);
}

#[tokio::test]
async fn each_permission_that_is_more_than_needed_is_named() {
    let node = node().await;
    let more = [
        "delete pods",
        "get namespaces",
        "create pods",
        "update pods",
        "update pods/status",
        "create pods/exec",
        "create pods/eviction",
        "get secrets",
        "list secrets",
        "get configmaps",
        "list configmaps",
        "list nodes",
        "patch nodes",
        "patch nodes/status",
        "get nodes/proxy",
        "update events",
        "patch events",
        "delete events",
        "create serviceaccounts/token",
    ];
    node.api.reviews().allowed.extend(more.map(str::to_owned));
    let found = Check::of(&node).finds().await;
    let expected = more.map(|may| format!("warning permissions: system:serviceaccount:pullwarden:pullwarden may {may}, which the agent never does"));
    assert_eq!(found, expected);
    let kubelet_only = Check::of(&node).with("evidence", "kubelet");
    assert_eq!(
        kubelet_only.finds().await.len(),
        more.len() + 2,
        "list and watch"
    );
}

#[tokio::test]
async fn the_guard() {
    let node = Node::observing().await;
    node.kubelet.up();
    let check = Check::of(&node);
    check.finds_only("pullwarden/agent does not exist").await;
    let own = Pod::new("agent").namespace("pullwarden").uid("agent");
    node.api.store().put(&own);
    check
        .finds_only("fault writes: nothing holds this agent to its own node")
        .await;
    let observes = Check::of(&node).with("mode", "observe");
    observes
        .finds_only("warning writes: nothing holds this agent to its own node")
        .await;
    node.api
        .refuse_from(Kind::TryPatch, node.api.count(Kind::TryPatch) + 1, 403, OFF);
    check
        .finds_only("warning writes: the API server denies every write at present")
        .await;
    let by_hand = Check::of(&node).with("own-pod", "");
    by_hand
        .finds_only(
            "warning writes: whether the API server holds the agent to its own node was not tried",
        )
        .await;
}

#[tokio::test]
async fn a_denial_that_is_not_a_policys() {
    let node = Node::observing().await;
    node.kubelet.up();
    node.api.refuse_from(
        Kind::TryPatch,
        1,
        403,
        "pods \"agent\" is forbidden: User \"x\" cannot patch resource",
    );
    Check::of(&node)
        .finds_only("warning writes: whether this agent is held to its own node is not proved")
        .await;
    let observes = Check::of(&node).with("mode", "observe");
    assert!(observes.finds().await.is_empty());
    let text = Check::of(&node).run("text").await.stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
}

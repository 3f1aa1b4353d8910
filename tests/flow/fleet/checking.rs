//! `pullwarden check` and the fleet budget.

use serde_json::Value;

use crate::cli::checking::Check;
use crate::support::apiserver::Kind;
use crate::support::node::Node;

/// The level and the text of the finding about the fleet budget.
async fn finding(check: Check<'_>) -> (String, String) {
    let output = check.run("json").await;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    let of_fleet = findings.iter().find(|f| f["what"] == "fleet budget");
    let text = |key: &str| of_fleet.unwrap()[key].as_str().unwrap().to_owned();
    (text("level"), text("found"))
}

#[tokio::test]
async fn it_reads_the_object_and_says_what_is_wrong_with_it() {
    let node = Node::observing().await;
    let there = "the ConfigMap pullwarden/pullwarden-fleet";
    let found = |level: &str, text: &str| (level.to_owned(), format!("{there} {text}"));
    assert_eq!(finding(Check::of(&node)).await, found("ok", "has 0 tokens"));
    let note = ("note".to_owned(), "hello".to_owned());
    node.api.store().fleet.fill([note]);
    let unreadable = r#"cannot be read: the entry "note" is no token"#;
    assert_eq!(finding(Check::of(&node)).await, found("fault", unreadable));
    node.api.store().fleet.delete();
    assert_eq!(
        finding(Check::of(&node)).await,
        found("fault", "does not exist")
    );
    let observing = Check::of(&node).with("mode", "observe");
    assert_eq!(finding(observing).await, found("warning", "does not exist"));
    assert_eq!(node.api.count(Kind::PatchFleet), 0);
}

#[tokio::test]
async fn an_enforcing_agent_needs_to_read_and_patch_the_object() {
    let node = Node::observing().await;
    node.api
        .reviews()
        .allowed
        .remove("patch configmaps pullwarden-fleet");
    let output = Check::of(&node).run("json").await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("may not patch configmaps pullwarden-fleet"),
        "{text}"
    );
    let off = Check::of(&node).with("fleet-budget-enabled", "off");
    let (level, found) = finding(off).await;
    assert_eq!(level, "warning");
    assert!(found.starts_with("switched off"), "{found}");
}

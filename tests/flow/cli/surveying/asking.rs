//! The requests of a survey, and the errors if one is refused.

use serde_json::{Value, json};

use super::{Cluster, failed, many};
use crate::support::apiserver::{Act, Kind};
use crate::support::pod::Pod;

#[tokio::test]
async fn a_large_list_is_read_in_pages_and_nothing_else_is_asked() {
    let cluster = Cluster::of(many(1200, 200)).await;
    cluster
        .api
        .store()
        .put(&Pod::bad("runs").phase("Running").running("c"));
    let survey = cluster.json(&[]).await;
    assert_eq!(survey["pods"]["pending"], 1200);
    assert_eq!(survey["pods"]["waitingForImages"], 1200);
    assert_eq!(survey["rows"].as_array().unwrap().len(), 200);
    assert_eq!(survey["rows"][0]["pods"], 6);
    assert_eq!(
        (&survey["requests"], &survey["notes"]),
        (&json!(3), &json!([]))
    );
    let log = cluster.api.log();
    let tokens: Vec<Option<&str>> = log
        .iter()
        .map(|request| {
            let value = |key: &str| {
                let pair = request.query.iter().find(|(k, _)| k == key);
                pair.map(|(_, value)| value.as_str())
            };
            assert_eq!((request.kind, value("limit")), (Kind::List, Some("500")));
            assert_eq!(value("fieldSelector"), Some("status.phase=Pending"));
            assert_eq!(value("resourceVersion"), None);
            value("continue")
        })
        .collect();
    assert_eq!(tokens, [None, Some("500"), Some("1000")]);
}

#[tokio::test]
async fn a_list_that_became_too_old_is_begun_anew() {
    let cluster = Cluster::of(many(600, 2)).await;
    let gone = || Act::Refuse(410, "The provided continue parameter is too old");
    cluster.api.at(Kind::List, 2, gone());
    let survey = cluster.json(&[]).await;
    assert_eq!(survey["pods"]["pending"], 600);
    assert_eq!(
        survey["notes"],
        json!(["the list became too old while it was read, and was begun 2 times"])
    );
    assert_eq!(cluster.api.count(Kind::List), 4);
    cluster.api.refuse_from(Kind::List, 5, 410, "too old");
    let complaint = cluster.complaint(&[]).await;
    assert!(
        complaint.contains("ask for one namespace at a time"),
        "{complaint}"
    );
    assert_eq!(cluster.api.count(Kind::List), 4 + 3);
}

#[tokio::test]
async fn who_may_not_list_is_told_which_command_helps() {
    let cluster = Cluster::of([]).await;
    cluster
        .api
        .refuse_from(Kind::List, 1, 403, "pods is forbidden");
    let all = cluster.complaint(&[]).await;
    assert!(
        all.starts_with("pullwarden: listing the Pods of all namespaces: 403 pods is forbidden; `kubectl auth can-i list pods -A`")
            && all.contains("`--namespace NAME`"),
        "{all}"
    );
    let one = cluster.complaint(&["-n", "team-a"]).await;
    assert!(
        one.contains("of namespace team-a: 403") && one.contains("can-i list pods -n team-a`"),
        "{one}"
    );
    assert_eq!(cluster.api.count(Kind::List), 2);
}

#[tokio::test]
async fn other_answers_are_told_too() {
    for (code, part) in [
        (401, "`kubectl auth whoami`"),
        (429, "try again later"),
        (500, "500 planned"),
    ] {
        let cluster = Cluster::of([]).await;
        cluster.api.refuse_from(Kind::List, 1, code, "planned");
        let complaint = cluster.complaint(&[]).await;
        assert!(complaint.contains(part), "{complaint}");
    }
    let cluster = Cluster::of([]).await;
    cluster.api.at(Kind::List, 1, Act::Drop);
    let complaint = cluster.complaint(&[]).await;
    assert!(
        complaint.contains("listing the Pods of all namespaces: "),
        "{complaint}"
    );
}

#[tokio::test]
async fn one_namespace_is_asked_for_by_its_path() {
    let other = Pod::bad("other").namespace("team-a").not_found();
    let cluster = Cluster::of([Pod::bad("p").not_found(), other]).await;
    let survey = cluster
        .json(&["--namespace", "team-a", "--by", "namespace"])
        .await;
    assert_eq!(survey["namespace"], "team-a");
    assert_eq!(survey["rows"][0]["name"], "team-a");
    assert_eq!(survey["pods"]["pending"], 1);
    assert_eq!(cluster.api.log()[0].path, "/api/v1/namespaces/team-a/pods");
}

#[tokio::test]
async fn labels_are_read_only_where_the_rules_need_them() {
    let pods = ["a", "b"].map(|name| Pod::bad(name).namespace("team-a").not_found());
    let other = Pod::bad("c").namespace("team-b").not_found();
    let creating = Pod::bad("d").namespace("team-c");
    let cluster = Cluster::of(pods.into_iter().chain([other, creating])).await;
    cluster.api.store().label("team-a", json!({"env": "prod"}));
    cluster.write(
        "labels.yaml",
        "mode: enforce\nscope: {namespaces: [{selector: {matchLabels: {env: prod}}, mode: 'off'}]}\n",
    );
    let asked = ["--config", "labels.yaml", "--by", "namespace"];
    let actions = |survey: &Value| -> Vec<Value> {
        let rows = survey["rows"].as_array().unwrap();
        rows.iter()
            .map(|row| row["would"][0]["action"].clone())
            .collect()
    };
    assert_eq!(actions(&cluster.json(&asked).await), ["exempt", "fail"]);
    assert_eq!(cluster.api.count(Kind::GetNamespace), 2);
    cluster.api.refuse_from(Kind::GetNamespace, 3, 403, "no");
    let survey = cluster.json(&asked).await;
    assert_eq!(actions(&survey), ["unknown", "unknown"]);
    assert_eq!(
        survey["notes"],
        json!(["namespaces that could not be read: 2, the first of them team-a: 403 no"])
    );
    assert_eq!(cluster.api.count(Kind::GetNamespace), 4);
}

#[tokio::test]
async fn the_list_of_failed_pods_has_its_notes_too() {
    let mut odd = failed("odd", 1);
    odd.0["spec"]["containers"] = json!("none");
    let cluster = Cluster::of([odd, failed("a", 1)]).await;
    let gone = Act::Refuse(410, "The provided continue parameter is too old");
    cluster.api.at(Kind::List, 2, gone);
    let survey = cluster.json(&["--failed"]).await;
    assert_eq!(survey["failed"]["pods"], 1);
    assert_eq!(
        survey["notes"],
        json!([
            "Failed Pods that could not be read: 1",
            "the list became too old while it was read, and was begun 2 times"
        ])
    );
}

#[tokio::test]
async fn pods_that_were_failed_lately_are_counted_if_asked() {
    let mut others = Pod::bad("others").phase("Failed");
    others.0["status"]["conditions"][0]["reason"] = json!("Evicted");
    let mut foreign = failed("d", 1);
    foreign.0["status"]["conditions"][0]["reason"] = json!("\u{1b}[2J");
    let pods = [
        failed("a", 1),
        failed("b", 59),
        failed("c", 61),
        foreign,
        others,
    ];
    let cluster = Cluster::of(pods).await;
    assert!(cluster.json(&[]).await.get("failed").is_none());
    assert_eq!(cluster.api.count(Kind::List), 1);
    let survey = cluster.json(&["--failed"]).await;
    assert_eq!(
        survey["failed"],
        json!({"withinSeconds": 3600, "pods": 3, "byCause": {"ImageNotFound": 2, "other": 1}})
    );
    assert_eq!(
        (cluster.api.count(Kind::List), &survey["requests"]),
        (3, &json!(2))
    );
}

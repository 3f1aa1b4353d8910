//! The configuration: its layers, its faults, and its form in the node's log.

use std::collections::BTreeMap;
use std::time::Duration;

use pullwarden::config::kinds::Address;
use pullwarden::config::{Config, KEYS, load};
use pullwarden::judge::{BehindMirror, NodeMode, PodMode};
use serde_json::json;

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    load(&BTreeMap::new(), variable, Some(file.path())).map_err(|faults| {
        faults
            .0
            .iter()
            .map(|f| format!("{}: {}", f.path, f.problem))
            .collect()
    })
}

#[test]
fn defaults_are_complete_and_valid() {
    let config = load_text("nodeName: n\n", &[]).unwrap();
    assert_eq!(config.policy.mode, NodeMode::Observe);
    assert_eq!(config.poll, Duration::from_secs(5));
    assert_eq!(config.brake.budget.pods, 10);
    assert!(config.policy.excludes("kube-system"));
}

#[test]
fn every_fault_is_listed_with_its_path() {
    let text = "mode: loud\npol: 5s\nthresholds:\n  permanent: {failures: 0, fro: 1m}\n  denied: 3\nscope:\n  restartPolicies: [Never, Sometimes]\ncriSocket: run/x\nbudget: {per: soon}\npoll: 1ms\n";
    assert_eq!(
        load_text(text, &[]).unwrap_err(),
        [
            "pol: is not a known key",
            "thresholds.denied: is not a mapping",
            "thresholds.permanent.fro: is not a known key",
            "mode: \"loud\" is none of observe, opt-in, enforce",
            "thresholds.permanent.failures: \"0\" is not a whole number from 1",
            "scope.restartPolicies[1]: \"Sometimes\" is none of Never, OnFailure, Always",
            "budget.per: \"soon\" is not a duration like 10s, 2m, 1h",
            "poll: must lie between 100ms and 60s",
            "criSocket: \"run/x\" is not an absolute path",
            "nodeName: is not given, and the environment has no NODE_NAME",
        ]
    );
}

#[test]
fn flags_go_over_environment_over_file() {
    let text = "nodeName: file\npoll: 7s\nwarmUp: 1m\n";
    let config = load_text(
        text,
        &[("PULLWARDEN_NODE_NAME", "env"), ("PULLWARDEN_POLL", "6s")],
    );
    let config = config.unwrap();
    assert_eq!(config.policy.node, "env");
    assert_eq!(config.poll, Duration::from_secs(6));
    let flags = BTreeMap::from([("poll", "4s".to_owned()), ("nodeName", "flag".to_owned())]);
    let config = load(&flags, |_| Some("9s".to_owned()), None);
    assert!(config.is_err(), "the environment's faults are found too");
    let config = load(&flags, |_| None, None).unwrap();
    assert_eq!(
        (config.policy.node.as_str(), config.poll.as_secs()),
        ("flag", 4)
    );
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let empty: Vec<(String, &str)> = KEYS.iter().map(|key| (key.variable(), "")).collect();
    let mut empty: Vec<(&str, &str)> = empty
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    empty.extend([("NODE_NAME", ""), ("POD_NAMESPACE", ""), ("POD_NAME", "")]);
    let text = "nodeName: file\npoll: 7s\n";
    assert_eq!(load_text(text, &empty), load_text(text, &[]));
    let missing = "nodeName: is not given, and the environment has no NODE_NAME";
    assert_eq!(load_text("", &empty).unwrap_err(), [missing]);
}

#[test]
fn an_empty_file_changes_nothing() {
    assert!(load_text("# nothing\n", &[("NODE_NAME", "n")]).is_ok());
    assert!(load_text("", &[("NODE_NAME", "n")]).is_ok());
}

#[test]
fn damaged_yaml_is_one_fault() {
    assert_eq!(
        load_text("mode: [", &[("NODE_NAME", "n")])
            .unwrap_err()
            .len(),
        1
    );
}

#[test]
fn every_fault_in_the_rules_for_namespaces_is_listed() {
    let text = "scope:\n  namespaces:\n\
        \x20 - {names: [a], mode: enforce}\n\
        \x20 - {mode: off}\n\
        \x20 - {names: a, mode: off, nmaes: []}\n\
        \x20 - {selector: {}, mode: off}\n\
        \x20 - {selector: {matchExpressions: [{key: a, operator: In, values: []}]}, mode: off}\n\
        \x20 - {selector: {matchExpressions: [{key: a, operator: Is}]}, mode: off}\n\
        \x20 - {selector: {matchLabels: {a: [b]}}}\n\
        \x20 - 3\n";
    let faults = load_text(text, &[("NODE_NAME", "n")]).unwrap_err();
    let at = |at: &str| format!("scope.namespaces[{at}");
    assert_eq!(
        faults,
        [
            at("0].mode: \"enforce\" is none of off, observe"),
            at("1]: has neither names nor a selector"),
            at("2].names: invalid type: string \"a\", expected a sequence"),
            at("2].nmaes: unknown field `nmaes`, expected one of `names`, `selector`, `mode`"),
            at("3]: the selector requires nothing, so it would take everything"),
            at("4]: the operators In and NotIn need values"),
            at(
                "5].selector.matchExpressions[0].operator: unknown variant `Is`, expected one of \
                `In`, `NotIn`, `Exists`, `DoesNotExist`"
            ),
            at("6].selector.matchLabels.a: a list is not expected here"),
            at("7]: invalid type: integer `3`, expected a mapping"),
        ]
    );
}

#[test]
fn registries_behind_a_mirror_are_a_list_or_all() {
    let of = |value: &str| {
        let text = format!("nodeName: n\nbehindMirror: {value}\n");
        load_text(&text, &[]).map(|config| config.policy.behind_mirror)
    };
    let only = |names: [&str; 2]| BehindMirror::Only(names.map(str::to_owned).into());
    assert_eq!(
        load_text("nodeName: n\n", &[])
            .unwrap()
            .policy
            .behind_mirror,
        BehindMirror::default()
    );
    assert_eq!(of("all").unwrap(), BehindMirror::All);
    assert_eq!(of("[]").unwrap(), BehindMirror::default());
    let known = of("[index.docker.io, docker.io, '[::1]:5000']").unwrap();
    assert_eq!(known, only(["docker.io", "[::1]:5000"]));
    assert_eq!(
        of("everything").unwrap_err(),
        ["behindMirror: is not a list"]
    );
    let hint =
        "is not a registry as an image reference names it, like docker.io or registry.example:5000";
    assert_eq!(
        of("[r.test, nginx, 'https://r.test', r.test/a, '']").unwrap_err(),
        [
            format!("behindMirror[1]: \"nginx\" {hint}"),
            format!("behindMirror[2]: \"https://r.test\" {hint}"),
            format!("behindMirror[3]: \"r.test/a\" {hint}"),
            format!("behindMirror[4]: \"\" {hint}"),
        ]
    );
}

#[test]
fn rules_are_read_as_kubernetes_writes_selectors() {
    let config = Config::judged_by(json!({"scope": {"namespaces": [
        {"names": ["a", "b"], "mode": "off"},
        {"selector": {"matchLabels": {"env": "prod"},
            "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]}, "mode": "observe"},
    ]}}));
    let read = config.unwrap().policy.scope.namespaces;
    assert_eq!((read[0].mode, read[0].names.len()), (PodMode::Off, 2));
    let selector = read[1].selector.as_ref().unwrap();
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    };
    assert!(selector.matches(&labels(&[("env", "prod")])));
    assert!(!selector.matches(&labels(&[("env", "prod"), ("team", "x")])));
    assert!(!selector.matches(&labels(&[])));
}

/// Older logs must be read by newer agents, and the other way round.
#[test]
fn the_form_in_the_log_is_fixed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text =
        "scope: {namespaces: [{selector: {matchLabels: {env: prod}}, mode: off}]}\nwarmUp: 90s\n";
    std::fs::write(file.path(), text).unwrap();
    let expressions = json!([{"key": "env", "operator": "In", "values": ["prod"]}]);
    assert_eq!(
        Config::to_judge_by(file.path()).unwrap().judging(),
        json!({
            "mode": "observe",
            "action": "fail",
            "imagePullFailureCount": null,
            "imagePullFailureCountMin": 1,
            "imagePullFailureCountMax": null,
            "thresholds": {
                "permanent": {"failures": 5, "for": "10m"},
                "denied": {"failures": 5, "for": "15m"},
                "corrupt": {"failures": 5, "for": "15m"},
                "transient": {"failures": 12, "for": "6h"},
            },
            "behindMirror": [],
            "scope": {
                "restartPolicies": ["Never", "OnFailure"],
                "excludeNamespaces": ["kube-system"],
                "namespaces": [{"mode": "off", "selector": {"matchExpressions": expressions}}],
                "namespaceAnnotations": "off",
                "pods": [],
            },
            "budget": {"pods": 10, "perOwner": 3, "per": "10m"},
            "fleetBudget": {
                "enabled": "on", "window": "10m", "pods": 30, "perRegistry": 20,
                "perNamespace": 20, "perOwner": 10, "namespaces": [],
            },
            "registryBrake": {"repositories": 3, "within": "15m", "atMost": "1h"},
            "newNodeBrake": "1h",
            "warmUp": "1m 30s",
            "secondOpinion": "off",
            "ownerEvents": "on",
        })
    );
}

#[test]
fn what_is_written_down_is_read_the_same() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in [
        "",
        "behindMirror: all\n",
        "behindMirror: [docker.io, 'registry.example:5000', localhost]\n",
        "mode: enforce\naction: delete\nimagePullFailureCount: 3\nsecondOpinion: on\nwarmUp: 0s\n",
        "thresholds: {permanent: {failures: 2, for: 90s500ms}}\nbudget: {pods: 7, per: 1h30m}\n\
         scope:\n  restartPolicies: [Always]\n  excludeNamespaces: []\n  namespaces:\n\
         \x20 - {names: [a, b], mode: off}\n\
         \x20 - {selector: {matchLabels: {env: prod}, matchExpressions: [{key: k, operator: NotIn, values: [x]}, {key: l, operator: Exists}, {key: m, operator: DoesNotExist}]}, mode: observe}\n",
    ] {
        std::fs::write(file.path(), text).unwrap();
        let config = Config::to_judge_by(file.path()).unwrap();
        let again = Config::judged_by(config.judging()).unwrap();
        assert_eq!(again, config, "{text}");
    }
}

#[test]
fn what_a_newer_version_has_written_is_a_fault() {
    assert!(Config::judged_by(json!({"mode": "loud"})).is_err());
    assert!(Config::judged_by(json!({"mood": "loud"})).is_err());
    assert!(Config::judged_by(json!([])).is_err());
}

#[test]
fn an_address_needs_no_brackets_and_always_a_port() {
    for (text, address) in [
        ("127.0.0.1:9797", "127.0.0.1:9797"),
        ("[::]:9797", "[::]:9797"),
        ("[fd00:10::7]:9797", "[fd00:10::7]:9797"),
        ("fd00:10::7:9797", "[fd00:10::7]:9797"),
        ("::1:9797", "[::1]:9797"),
        (":::9797", "[::]:9797"),
        ("1:2:3:4:5:6:7:8:9797", "[1:2:3:4:5:6:7:8]:9797"),
        ("::ffff:10.0.0.1:9797", "[::ffff:10.0.0.1]:9797"),
    ] {
        let read: Address = text.parse().unwrap();
        assert_eq!(read.0.to_string(), address, "{text}");
    }
    for text in [
        "",
        ":9797",
        "127.0.0.1",
        "::1",
        "fd00::9797",
        "[::1]",
        "[::1:9797",
        "1:2:3:4:5:6:7:8",
        "::1:70000",
        "node1:9797",
        "127.0.0.1:",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

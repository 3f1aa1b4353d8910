//! What can be said of deploy/ without a cluster: it asks for this version, and names only keys that there are.

use std::path::{Path, PathBuf};

use pullwarden::config::{Given, KEYS};
use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    // What Helm makes of its templates is compared with the rest: tests/cluster/chart.rs.
    let entries = entries.filter(|path| !path.ends_with("templates"));
    let below = entries.flat_map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    below
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect()
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

#[test]
fn the_image_is_of_this_version() {
    let image = concat!(
        "image: ghcr.io/pullwarden/pullwarden:",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    for file in ["base/daemonset.yaml", "../docs/examples/clean-nodes.yaml"] {
        let text = std::fs::read_to_string(deploy().join(file)).unwrap();
        assert!(text.contains(image), "{file}: not {image}");
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let text = std::fs::read_to_string(deploy().join("chart/Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn the_dockerfile_is_of_this_version() {
    let text = std::fs::read_to_string(deploy().join("Dockerfile")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        format!("image.version=\"{version}\""),
        format!("pullwarden:{version} ."),
    ] {
        assert!(text.contains(&line), "not {line}");
    }
    // The build is the one that `testbed image` makes: nothing of the builder's in the last stage.
    let (_, last) = text.split_once("\nFROM scratch\n").unwrap();
    let copies = last.lines().filter(|line| line.starts_with("COPY "));
    assert_eq!(
        copies.collect::<Vec<_>>(),
        ["COPY --from=build /pullwarden /pullwarden"]
    );
}

/// Whoever looks for a folder finds what it is for.
#[test]
fn every_overlay_and_component_is_in_the_readme() {
    let readme = std::fs::read_to_string(deploy().join("README.md")).unwrap();
    for folder in ["overlays", "components"] {
        for entry in std::fs::read_dir(deploy().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(readme.contains(&name), "{folder}/{name}");
        }
    }
}

/// Else an apply, an upgrade or a prune would turn the switch.
#[test]
fn the_kill_switch_is_part_of_nothing_else() {
    let off = std::fs::read_to_string(deploy().join("off/policy.yaml")).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&off).unwrap();
    assert_eq!(objects.len(), 4);
    for (pair, name) in objects
        .chunks(2)
        .zip(["pullwarden-off", "pullwarden-off-fleet"])
    {
        for object in pair {
            assert_eq!(object["metadata"], json!({ "name": name }));
            let spec = &object["spec"];
            assert!(spec["paramKind"].is_null() && spec["paramRef"].is_null());
        }
        assert_eq!(pair[1]["spec"]["policyName"], name);
    }
    for path in files(&deploy()) {
        if path.starts_with(deploy().join("off")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("paramKind"), "{}", path.display());
        let own = text.lines().filter(|line| !line.trim().starts_with('#'));
        for line in own {
            let is_named = line.contains("pullwarden-off") || line.ends_with("/off");
            assert!(!is_named, "{}: {line}", path.display());
        }
    }
}

/// The agent annotates a Pod exactly where the policy lets it.
#[test]
fn the_policy_and_the_agent_have_the_same_bound() {
    let text = std::fs::read_to_string(deploy().join("base/policy.yaml")).unwrap();
    let most = pullwarden::pod_fields::MOST_ANNOTATIONS;
    let bound = format!("size(variables.oldAnnotations) <= {most}\n");
    assert!(text.contains(&bound), "not {bound}");
}

/// The rule is the one that the agent's condition meets, and nobody has it who did not ask.
#[test]
fn the_job_policy_waits_for_our_condition_and_refuses_nothing() {
    let text = std::fs::read_to_string(deploy().join("components/job-policy/jobpolicy.yaml"));
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text.unwrap()).unwrap();
    let [policy, binding] = &objects[..] else {
        panic!("{objects:?}");
    };
    let spec = &policy["spec"];
    assert_eq!(spec["failurePolicy"], "Ignore");
    let rules = spec["matchConstraints"]["resourceRules"]
        .as_array()
        .unwrap();
    let expected = json!({
        "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"],
    });
    assert_eq!(*rules, [expected]);
    let patch = spec["mutations"][0]["jsonPatch"]["expression"].as_str();
    let condition = format!("? \"{CONDITION}\" : \"{CONDITION_UNAVAILABLE}\"");
    for part in [condition.as_str(), "status: \"True\""] {
        assert!(patch.unwrap().contains(part), "not {part}");
    }

    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    let labels = json!({"pullwarden.io/job-policy": "enabled"});
    let expected = json!({"namespaceSelector": {"matchLabels": labels}});
    assert_eq!(binding["spec"]["matchResources"], expected);
}

/// A Pod's address may be of either kind, and has no brackets.
#[test]
fn the_admin_address_is_one_for_every_pod() {
    let text = std::fs::read_to_string(deploy().join("base/daemonset.yaml")).unwrap();
    let set: Value = serde_saphyr::from_str(&text).unwrap();
    let variables = set["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let named = |variable: &&Value| variable["name"] == "PULLWARDEN_ADMIN_ADDRESS";
    let variable = variables.as_array().unwrap().iter().find(named).unwrap();
    for (pod, address) in [("10.0.0.7", "10.0.0.7:9797"), ("fd00::7", "[fd00::7]:9797")] {
        let value = variable["value"]
            .as_str()
            .unwrap()
            .replace("$(POD_IP)", pod);
        let flags = [("adminAddress", value), ("nodeName", "n".to_owned())];
        let config = Given::new(flags.into(), |_| None, None).load().unwrap();
        assert_eq!(config.startup.admin_address.0.to_string(), address);
    }
}

/// Pods of such nodes run elsewhere.
#[test]
fn no_agent_is_put_on_a_node_that_is_no_machine() {
    let text = std::fs::read_to_string(deploy().join("base/daemonset.yaml")).unwrap();
    let set: Value = serde_saphyr::from_str(&text).unwrap();
    let required = &set["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = required["nodeSelectorTerms"].as_array().unwrap();
    assert_eq!(terms.len(), 1, "one term that matches would be enough");
    for (key, value) in [
        ("eks.amazonaws.com/compute-type", "fargate"),
        ("type", "virtual-kubelet"),
        ("virtualization", "virtualnode2"),
    ] {
        let expected = json!({"key": key, "operator": "NotIn", "values": [value]});
        let expressions = terms[0]["matchExpressions"].as_array().unwrap();
        assert!(expressions.contains(&expected), "not {expected}");
    }
}

#[test]
fn every_variable_is_a_key() {
    let mut seen = 0;
    for path in files(&deploy()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- name: PULLWARDEN_"));
        for name in names {
            let variable = format!("PULLWARDEN_{name}");
            assert!(
                KEYS.iter().any(|key| key.variable() == variable),
                "{variable} in {}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn every_configuration_is_without_faults() {
    let mut seen = 0;
    for path in files(&deploy()) {
        let text = std::fs::read_to_string(&path).unwrap();
        // The block under `config.yaml: |`, in a manifest or in a patch of one.
        let Some((before, block)) = text.split_once("config.yaml: |\n") else {
            continue;
        };
        let indent = before.lines().last().unwrap().len() + 2;
        let lines = block
            .lines()
            .take_while(|line| line.len() > indent && line[..indent].trim().is_empty());
        let config: String = lines.map(|line| format!("{}\n", &line[indent..])).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &config).unwrap();
        let variable = |name: &str| match name {
            "NODE_NAME" | "POD_NAMESPACE" | "POD_NAME" => Some("any".to_owned()),
            _ => None,
        };
        let mut given = Given::new(Default::default(), variable, Some(file.path().to_owned()));
        given
            .load()
            .unwrap_or_else(|faults| panic!("{}: {faults}", path.display()));
        let parsed: Value = serde_saphyr::from_str(&config).unwrap();
        assert!(parsed["mode"].is_string(), "{config}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

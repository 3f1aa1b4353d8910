//! The numbers that the alerts and the dashboard of deploy/ go by: what they show, and that their names are the code's.

use std::collections::BTreeSet;
use std::path::Path;

use prometheus_client::registry::Registry;
use pullwarden::judge::{BRAKES, Cause, Effect, NodeMode, Note, Outcome, Source};
use pullwarden::metrics::{ByBrake, ByDecision, ByMode, BySource, LABELS, Metrics};
use serde_json::json;

use crate::support::apiserver::Kind;
use crate::support::generated::assert_generated;
use crate::support::node::{Agent, Node};
use crate::support::pod::{BAD, Pod};
use crate::support::until;

/// What `/metrics` would answer.
pub fn shown(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

async fn until_shown(agent: &Agent, line: &str) {
    until(line, async || {
        shown(&agent.metrics).lines().any(|shown| shown == line)
    })
    .await;
}

#[tokio::test]
async fn who_is_stuck_and_how_long_it_took() {
    let node = Node::counting_to(2).await;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    until_shown(&agent, r#"pullwarden_mode{mode="enforce"} 1"#).await;
    assert!(!shown(&agent.metrics).contains("pullwarden_stuck_pods{"));
    node.fail_to(&agent, &pod, 1).await;
    let stuck = r#"pullwarden_stuck_pods{cause="ImageNotFound",class="permanent"}"#;
    until_shown(&agent, &format!("{stuck} 1")).await;
    node.advance(std::time::Duration::from_secs(400));
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    let failed = r#"pullwarden_pods_failed_total{cause="ImageNotFound",class="permanent"} 1"#;
    until_shown(&agent, failed).await;
    let text = shown(&agent.metrics);
    for line in [
        r#"pullwarden_failed_after_seconds_bucket{le="300.0"} 0"#,
        r#"pullwarden_failed_after_seconds_bucket{le="600.0"} 1"#,
        "pullwarden_failed_after_seconds_count 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    node.remove(&pod);
    until_shown(&agent, &format!("{stuck} 0")).await;
}

#[tokio::test]
async fn registries_are_shown_to_those_who_ask() {
    for is_on in [true, false] {
        let mut node = Node::counting_to(2).await;
        node.config.registry_metrics = is_on;
        let pod = Pod::bad("p");
        node.add(&pod);
        let agent = node.agent();
        node.fail_to(&agent, &pod, 1).await;
        let stuck = r#"pullwarden_stuck_pods{cause="ImageNotFound",class="permanent"} 1"#;
        until_shown(&agent, stuck).await;
        let shows = |line: &str| shown(&agent.metrics).lines().any(|shown| shown == line);
        let of_registry = r#"pullwarden_registry_stuck_pods{registry="r.test"} 1"#;
        assert_eq!(shows(of_registry), is_on);
        node.fail_once(&pod);
        node.asked(Kind::PostEvent, 1).await;
        let failed = r#"pullwarden_pods_failed_total{cause="ImageNotFound",class="permanent"} 1"#;
        until_shown(&agent, failed).await;
        let of_registry = r#"pullwarden_registry_pods_failed_total{registry="r.test"} 1"#;
        assert_eq!(shows(of_registry), is_on);
        node.remove(&pod);
        until("no registry has stuck Pods", async || {
            !shown(&agent.metrics).contains("pullwarden_registry_stuck_pods{")
        })
        .await;
    }
}

#[tokio::test]
async fn who_is_only_announced_has_not_failed() {
    let mut node = Node::counting_to(1).await;
    node.config.policy.mode = NodeMode::Observe;
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    until_shown(&agent, r#"pullwarden_mode{mode="observe"} 1"#).await;
    let text = shown(&agent.metrics);
    assert!(text.contains("pullwarden_pods_condemned_total{"), "{text}");
    assert!(!text.contains("pullwarden_pods_failed_total{"), "{text}");
}

/// The value of a series without labels.
fn value(agent: &Agent, name: &str) -> f64 {
    let text = shown(&agent.metrics);
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap()
}

#[tokio::test]
async fn what_was_given_back_is_what_it_asked_for_for_a_day_at_most() {
    let node = Node::counting_to(1).await;
    let pod = Pod::bad("p").requests(json!({
        "cpu": "500m", "memory": "2Gi", "example.com/gpu": "4", "ephemeral-storage": "1Gi",
    }));
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    until_shown(
        &agent,
        r#"pullwarden_pods_failed_total{cause="ImageNotFound",class="permanent"} 1"#,
    )
    .await;
    let cpu = "pullwarden_given_back_cpu_core_seconds_total ";
    node.advance(std::time::Duration::from_secs(3600));
    until("an hour is counted", async || value(&agent, cpu) >= 1800.0).await;
    assert!(value(&agent, cpu) < 1900.0);
    node.advance(std::time::Duration::from_secs(30 * 86400));
    until("a day is counted", async || value(&agent, cpu) >= 43200.0).await;
    node.turns(2).await;
    for (name, amount) in [
        (cpu, 0.5),
        (
            "pullwarden_given_back_memory_byte_seconds_total ",
            2_147_483_648.0,
        ),
        ("pullwarden_given_back_device_seconds_total ", 4.0),
    ] {
        let days = value(&agent, name) / amount / 86400.0;
        assert!((days - 1.0).abs() < 1e-6, "{name}: {days} days");
    }
}

/// An alert on a rise sees the first one only where there was a 0 before it.
#[test]
fn what_an_alert_waits_for_begins_at_0() {
    let text = shown(&Metrics::default());
    for line in [
        r#"pullwarden_pull_failures_total{cause="Unrecognised",class="unknown"} 0"#,
        r#"pullwarden_writes_total{step="take-back",result="ok"} 0"#,
        r#"pullwarden_writes_total{step="take-back",result="error"} 0"#,
        r#"pullwarden_would_fail_then_started_total{because="held"} 0"#,
        r#"pullwarden_would_fail_then_started_total{because="spared"} 0"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

/// A metric as `/metrics` shows it.
struct Shown {
    name: String,
    kind: String,
    help: String,
    /// Labels of its samples.
    labels: Vec<String>,
}

impl Shown {
    /// Endings of the names of its samples. The first is for people.
    fn endings(&self) -> &'static [&'static str] {
        match self.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["", "_bucket", "_sum", "_count"],
            _ => &[""],
        }
    }

    fn row(&self) -> String {
        let Self {
            name,
            kind,
            help,
            labels,
        } = self;
        let ending = self.endings()[0];
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("; {}", labels.join(", ")),
        };
        format!("| `{name}{ending}` | {kind}{labels} | {help} |\n")
    }
}

/// A Pod was failed.
fn failed() -> Effect {
    Effect::Note(Note::Ended {
        pod: Pod::bad("p").view().id(),
        request: None,
        image: BAD.to_owned(),
        ending: Outcome::Written.into(),
        marked: false,
        after: None,
    })
}

/// Every metric, in the order of the groups.
fn registered() -> Vec<Shown> {
    let Metrics {
        pods,
        writes,
        registries,
        sources,
        agent,
    } = &Metrics::default();
    // A family without a series has no sample, and so no labels.
    let (cause, word) = (Cause::Denied.into(), "any");
    for family in [&pods.due, &writes.failed] {
        family.get_or_create(&cause).inc();
    }
    pods.stuck.get_or_create(&cause).inc();
    registries.show_stuck(&[("r.test", 1)].into());
    registries.count(&[failed()]);
    let decision = ByDecision { decision: word };
    pods.verdicts.get_or_create(&decision).inc();
    pods.held.get_or_create(&ByBrake { brake: word }).inc();
    agent.mode.get_or_create(&ByMode { mode: word }).inc();
    let source = BySource { source: word };
    sources.evidence_source.get_or_create(&source).inc();
    let metrics = Metrics {
        pods: pods.clone(),
        writes: writes.clone(),
        registries: registries.clone(),
        sources: sources.clone(),
        agent: agent.clone(),
    };
    let text = shown(&metrics);
    let named = |kind: &str| {
        let prefix = format!("# {kind} ");
        let lines = text
            .lines()
            .filter_map(move |line| line.strip_prefix(&prefix));
        let named = lines.filter_map(|line| line.split_once(' '));
        named.map(|(name, rest)| (name.to_owned(), rest.to_owned()))
    };
    let mut all: Vec<Shown> = named("HELP")
        .zip(named("TYPE"))
        .map(|((name, help), (_, kind))| {
            let start = format!("\n{name}");
            let sample = text.split(&start).nth(1).unwrap_or_default();
            let labels = sample.lines().next().and_then(|line| line.split_once('{'));
            let labels = labels
                .into_iter()
                .flat_map(|(_, labels)| labels.split("\","));
            let labels = labels.filter_map(|label| label.split_once('='));
            let labels = labels
                .map(|(label, _)| label.to_owned())
                .filter(|label| label != "le");
            Shown {
                labels: labels.collect(),
                help: help.trim_end_matches('.').to_owned(),
                name,
                kind,
            }
        })
        .collect();
    // The rows of the groups, two metrics by registry, and two of the process, which come first.
    let rows = include_str!("../../../src/metrics.rs")
        .matches(" = \"")
        .count();
    assert_eq!(all.len(), rows + 4, "{text}");
    all.rotate_left(2);
    all
}

#[test]
fn the_page_has_every_metric_and_label() {
    let all = registered();
    let of_agent = all
        .iter()
        .position(|metric| metric.name == "pullwarden_sandboxes");
    let (of_pods, of_agent) = all.split_at(of_agent.unwrap());
    for (which, metrics) in [("Pods", of_pods), ("the agent", of_agent)] {
        let rows: String = metrics.iter().map(Shown::row).collect();
        let begin = format!("<!-- The metrics of {which} begin. -->\n");
        let end = format!("<!-- The metrics of {which} end. -->");
        let table = format!("| | type, labels | |\n|---|---|---|\n{rows}");
        assert_generated("docs/metrics.md", [&begin, &end], &table);
    }
    let quoted = |names: &[&str]| format!(" It is one of `{}`.", names.join("`, `"));
    let labels = LABELS.iter().map(|(label, about)| {
        let values = match *label {
            "brake" => quoted(&BRAKES.map(|brake| brake.name)),
            "source" => quoted(&Source::ALL.map(Source::as_str)),
            _ => String::new(),
        };
        format!("- `{label}`: {about}{values}\n")
    });
    let marks = ["<!-- The labels begin. -->\n", "<!-- The labels end. -->"];
    assert_generated("docs/metrics.md", marks, &labels.collect::<String>());
}

/// All words of a text that look like a metric or an alert of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let begins = ["pullwarden_", "process_", "Pullwarden"];
    words
        .filter(|word| begins.iter().any(|begin| word.starts_with(begin)))
        .map(str::to_owned)
        .collect()
}

fn texts(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            into.push((path.display().to_string(), text));
        }
    }
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The alerting rules of deploy/.
fn rules() -> Vec<serde_json::Value> {
    let file: serde_json::Value =
        serde_saphyr::from_str(&text_of("deploy/components/monitoring/rules.yaml")).unwrap();
    let rules = file["spec"]["groups"][0]["rules"].as_array().unwrap();
    rules.clone()
}

#[test]
fn every_metric_and_every_alert_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["deploy", "docs"] {
        texts(&root.join(folder), &mut files);
    }
    let names = registered().into_iter().flat_map(|metric| {
        let endings = metric.endings().iter();
        endings.map(move |ending| format!("{}{ending}", metric.name))
    });
    let rules = rules();
    let alerts = rules.iter().filter_map(|rule| rule["alert"].as_str());
    let names: BTreeSet<String> = names.chain(alerts.map(str::to_owned)).collect();
    let mut seen = 0;
    for (path, text) in &files {
        for name in named(text) {
            assert!(names.contains(&name), "{path} names {name}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn every_alert_has_a_section_in_the_runbook() {
    let rules = rules();
    let runbook = text_of("docs/runbook.md");
    let tests = text_of("deploy/components/monitoring/rules-test.yaml");
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: BTreeSet<&str> = sections.filter(|s| s.starts_with("Pullwarden")).collect();
    let mut alerts = BTreeSet::new();
    for rule in &rules {
        let alert = rule["alert"].as_str().unwrap();
        let link = rule["annotations"]["runbook_url"].as_str().unwrap();
        let section = format!("/docs/runbook.md#{}", alert.to_lowercase());
        assert!(link.ends_with(&section), "{link}");
        assert!(tests.contains(alert), "{alert} is not tried");
        alerts.insert(alert);
    }
    assert_eq!(alerts, sections);
}

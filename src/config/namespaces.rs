use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::value::text_of;
use crate::judge::{NamespaceRule, PodMode, Requirement, Selector};

/// What is wrong, and where.
type Problems = Vec<(String, String)>;

/// Reads the rules for namespaces: `{names: […], selector: {matchLabels, matchExpressions}, mode: off | observe}`, the selector as Kubernetes has it.
///
/// # Errors
/// Every fault that was found, with its path.
pub(super) fn rules(path: &str, value: &Value) -> Result<Vec<NamespaceRule>, Problems> {
    let mut problems = Problems::new();
    let Value::Array(items) = value else {
        return Err(vec![(path.to_owned(), "is not a list".to_owned())]);
    };
    let mut rules = Vec::new();
    for (index, item) in items.iter().enumerate() {
        rules.extend(rule(&format!("{path}[{index}]"), item, &mut problems));
    }
    match problems.is_empty() {
        true => Ok(rules),
        false => Err(problems),
    }
}

fn rule(path: &str, value: &Value, problems: &mut Problems) -> Option<NamespaceRule> {
    let map = mapping(path, value, &["names", "selector", "mode"], problems)?;
    let names = map
        .get("names")
        .map(|value| texts(&format!("{path}.names"), value, problems));
    let selector = map.get("selector");
    let selector = selector.map(|value| selector_of(&format!("{path}.selector"), value, problems));
    let modes = [PodMode::Off, PodMode::Observe];
    let mode = map.get("mode").and_then(Value::as_str);
    let mode = modes.into_iter().find(|m| Some(m.as_str()) == mode);
    if mode.is_none() {
        problems.push((format!("{path}.mode"), "is none of off, observe".to_owned()));
    }
    if names.is_none() && selector.is_none() {
        problems.push((
            path.to_owned(),
            "has neither names nor a selector".to_owned(),
        ));
    }
    Some(NamespaceRule {
        names: names.unwrap_or_default(),
        selector,
        mode: mode?,
    })
}

fn selector_of(path: &str, value: &Value, problems: &mut Problems) -> Selector {
    let mut requirements = Vec::new();
    let Some(map) = mapping(path, value, &["matchLabels", "matchExpressions"], problems) else {
        return Selector(requirements);
    };
    if let Some(labels) = map.get("matchLabels") {
        let path = format!("{path}.matchLabels");
        match labels {
            Value::Object(labels) => {
                for (key, value) in labels {
                    match text_of(value) {
                        Ok(text) => requirements.push(Requirement::In(key.clone(), [text].into())),
                        Err(problem) => problems.push((format!("{path}.{key}"), problem)),
                    }
                }
            }
            _ => problems.push((path, "is not a mapping".to_owned())),
        }
    }
    if let Some(expressions) = map.get("matchExpressions") {
        let path = format!("{path}.matchExpressions");
        match expressions {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    requirements.extend(expression(&path, item, problems));
                }
            }
            _ => problems.push((path, "is not a list".to_owned())),
        }
    }
    if requirements.is_empty() && problems.is_empty() {
        problems.push((
            path.to_owned(),
            "requires nothing, so it would take every namespace".to_owned(),
        ));
    }
    Selector(requirements)
}

fn expression(path: &str, value: &Value, problems: &mut Problems) -> Option<Requirement> {
    let map = mapping(path, value, &["key", "operator", "values"], problems)?;
    let key = map
        .get("key")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if key.is_empty() {
        problems.push((format!("{path}.key"), "is not given".to_owned()));
    }
    let values = map.get("values");
    let values = values.map(|value| texts(&format!("{path}.values"), value, problems));
    let values = values.unwrap_or_default();
    let operator = map
        .get("operator")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let wants_values = matches!(operator, "In" | "NotIn");
    if wants_values == values.is_empty() {
        let problem = if wants_values {
            "are needed"
        } else {
            "are not expected"
        };
        problems.push((
            format!("{path}.values"),
            format!("{problem} with this operator"),
        ));
    }
    match operator {
        "In" => Some(Requirement::In(key, values)),
        "NotIn" => Some(Requirement::NotIn(key, values)),
        "Exists" => Some(Requirement::Exists(key)),
        "DoesNotExist" => Some(Requirement::DoesNotExist(key)),
        _ => {
            let problem = "is none of In, NotIn, Exists, DoesNotExist".to_owned();
            problems.push((format!("{path}.operator"), problem));
            None
        }
    }
}

fn mapping<'a>(
    path: &str,
    value: &'a Value,
    known: &[&str],
    problems: &mut Problems,
) -> Option<&'a Map<String, Value>> {
    let Value::Object(map) = value else {
        problems.push((path.to_owned(), "is not a mapping".to_owned()));
        return None;
    };
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        problems.push((format!("{path}.{key}"), "is not a known key".to_owned()));
    }
    Some(map)
}

fn texts(path: &str, value: &Value, problems: &mut Problems) -> BTreeSet<String> {
    let Value::Array(items) = value else {
        problems.push((path.to_owned(), "is not a list".to_owned()));
        return BTreeSet::new();
    };
    let mut out = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        match text_of(item) {
            Ok(text) => _ = out.insert(text),
            Err(problem) => problems.push((format!("{path}[{index}]"), problem)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_read_as_kubernetes_writes_selectors() {
        let read = rules(
            "n",
            &json!([
                {"names": ["a", "b"], "mode": "off"},
                {"selector": {"matchLabels": {"env": "prod"},
                    "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["x"]}]}, "mode": "observe"},
            ]),
        )
        .unwrap();
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

    #[test]
    fn every_fault_is_found() {
        let value = json!([
            {"mode": "enforce"},
            {"names": "a", "mode": "off", "nmaes": []},
            {"selector": {}, "mode": "off"},
            {"selector": {"matchExpressions": [{"key": "", "operator": "Is"}, {"key": "a", "operator": "In"}]}, "mode": "off"},
            3,
        ]);
        let problems: Vec<String> = rules("n", &value)
            .unwrap_err()
            .into_iter()
            .map(|(path, problem)| format!("{path}: {problem}"))
            .collect();
        assert_eq!(
            problems,
            [
                "n[0].mode: is none of off, observe",
                "n[0]: has neither names nor a selector",
                "n[1].nmaes: is not a known key",
                "n[1].names: is not a list",
                "n[3].selector.matchExpressions[0].key: is not given",
                "n[3].selector.matchExpressions[0].operator: is none of In, NotIn, Exists, DoesNotExist",
                "n[3].selector.matchExpressions[1].values: are needed with this operator",
                "n[4]: is not a mapping",
            ]
        );
        let empty = rules("n", &json!([{"selector": {}, "mode": "off"}])).unwrap_err();
        assert!(empty[0].1.contains("every namespace"));
    }
}

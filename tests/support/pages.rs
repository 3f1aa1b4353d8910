//! Pages of a list, as the fake API server answers them, and its reader of queries.

use serde_json::{Value, json};

use super::store::Refusal;

/// The part of a list that a request asks for: Pods of one namespace or of all, from the token on,
/// so many at once. A token is the number of Pods before, and `old` is one that is too old.
pub fn page(
    mut list: Value,
    namespace: &str,
    query: impl Fn(&str) -> String,
) -> Result<Value, Refusal> {
    let token = query("continue");
    if token == "old" {
        let message = "The provided continue parameter is too old".to_owned();
        return Err(Refusal(410, "Expired", message));
    }
    let items = list["items"].as_array().unwrap().iter();
    let mut items: Vec<Value> = items
        .filter(|pod| namespace.is_empty() || pod["metadata"]["namespace"] == namespace)
        .cloned()
        .collect();
    let from = token.parse().unwrap_or(0).min(items.len());
    let most = query("limit").parse().unwrap_or(usize::MAX);
    let mut rest = items.split_off(from);
    if rest.len() > most {
        rest.truncate(most);
        list["metadata"]["continue"] = json!((from + most).to_string());
    }
    list["items"] = rest.into();
    Ok(list)
}

/// The pairs of a query.
pub fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().replace('+', " ");
    for part in parts {
        let (code, rest) = part.split_at(2);
        out.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        out.push_str(&rest.replace('+', " "));
    }
    out
}

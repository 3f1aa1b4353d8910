//! Names the admission plugin that refused a write, as far as the API server names it.

use crate::api::Refused;

/// Code with which the policy that holds agents denies a write that changes a label or an annotation
/// which no agent changes. The agent sends no such write, so another admission plugin has changed it.
pub const ALTERED: &str = "pullwarden.io/altered";

/// Longest name of a plugin, or of a label with its prefix and a word before it.
const LONGEST: usize = 340;

/// Returns a phrase for people about the admission plugin that refused a write; `None` if the API
/// server names none.
pub(super) fn refusal(refused: &Refused) -> Option<String> {
    if let Some(denial) = refused.denial_with(ALTERED) {
        let changed = quoted(denial, "", ": ").unwrap_or("a label or annotation");
        return Some(format!(
            "another admission plugin changes {changed} in the agent's write"
        ));
    }
    let message = refused.message();
    if let Some(name) = quoted(message, "admission webhook \"", "\" denied the request") {
        return Some(format!("admission webhook \"{name}\" refuses the write"));
    }
    const CALLING: &str = "Internal error occurred: failed calling webhook \"";
    if let Some(name) = quoted(message, CALLING, "\": ") {
        return Some(format!("admission webhook \"{name}\" does not answer"));
    }
    let policies = ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"];
    policies.into_iter().find_map(|kind| {
        let begins = format!("{kind} '");
        let name = |denial| quoted(denial, &begins, "' with binding '");
        let name = refused.denials().find_map(name)?;
        Some(format!("{kind} \"{name}\" refuses the write"))
    })
}

/// Returns the name between a text's beginning and what follows. A plugin's own words stand behind
/// that, so they cannot name another one.
fn quoted<'a>(text: &'a str, begins: &str, follows: &str) -> Option<&'a str> {
    let (name, _) = text.strip_prefix(begins)?.split_once(follows)?;
    let is_name = |name: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/ ".contains(c);
        !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_plain)
    };
    Some(name).filter(is_name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn named(message: &str, cause: &str) -> Option<String> {
        let details = json!({ "causes": [{ "message": cause }] });
        let body = json!({ "status": "Failure", "message": message, "details": details });
        let body = body.to_string();
        let refused = Refused::new(StatusCode::FORBIDDEN, &HeaderMap::new(), body.as_bytes());
        refusal(&refused)
    }

    #[test]
    fn a_plugin_is_named_as_the_api_server_names_it() {
        for (message, cause, expected) in [
            (
                r#"admission webhook "validate.kyverno.svc-fail" denied the request: no deadlines"#,
                "",
                Some(r#"admission webhook "validate.kyverno.svc-fail" refuses the write"#),
            ),
            (
                r#"admission webhook "w.example" denied the request without explanation"#,
                "",
                Some(r#"admission webhook "w.example" refuses the write"#),
            ),
            (
                r#"Internal error occurred: failed calling webhook "w.example": context deadline exceeded"#,
                "",
                Some(r#"admission webhook "w.example" does not answer"#),
            ),
            (
                "",
                "ValidatingAdmissionPolicy 'no-deadlines' with binding 'b' denied request: no",
                Some(r#"ValidatingAdmissionPolicy "no-deadlines" refuses the write"#),
            ),
            (
                "",
                "ValidatingAdmissionPolicy 'pullwarden-pods' with binding 'b' denied request: pullwarden.io/altered: label a.example/team: no",
                Some("another admission plugin changes label a.example/team in the agent's write"),
            ),
            (
                "",
                "ValidatingAdmissionPolicy 'pullwarden-pods' with binding 'b' denied request: pullwarden.io/altered: label \"x\": no",
                Some("another admission plugin changes a label or annotation in the agent's write"),
            ),
            // Words of somebody else, and names that are none.
            (
                r#"no: admission webhook "w" denied the request: no"#,
                "",
                None,
            ),
            (
                "admission webhook \"a\nb\" denied the request: no",
                "",
                None,
            ),
            (r#"pods "p" is forbidden: User "x" cannot patch"#, "", None),
            (
                "",
                "denied: ValidatingAdmissionPolicy 'x' with binding 'b'",
                None,
            ),
        ] {
            assert_eq!(
                named(message, cause).as_deref(),
                expected,
                "{message}{cause}"
            );
        }
    }
}

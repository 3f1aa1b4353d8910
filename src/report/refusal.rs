//! What an error of the API server means for a request about a Pod.

use std::time::Duration;

use super::guard::is_off;
use crate::api::{ApiError, Refused};
use crate::judge::{Ending, Outcome};

/// Why a request about a Pod did not do what it should.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The Pod has changed or was replaced: worth a new look.
    Moved(String),
    /// There is no such Pod.
    Gone,
    /// The API server, or a policy of it, denies the write, and would again. Nothing of it was made.
    Denied {
        /// [`Outcome::Denied`] for this write, or [`Outcome::Barred`] for more than this Pod.
        outcome: Outcome,
        /// The API server's words.
        why: String,
    },
    /// No answer, or one that may be another after a pause: this one, if the API server asks for it.
    Failed(String, Option<Duration>),
}

impl Refusal {
    /// Returns whether it is certain that nothing was written.
    pub(super) fn is_definite(&self) -> bool {
        !matches!(self, Self::Failed(..))
    }

    /// Returns what the same answer means for a read. A denied read says nothing of this Pod's writes:
    /// an API server that has just started denies all reads until it knows its own rules.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Denied { why, .. } => Self::Denied {
                outcome: Outcome::Barred,
                why,
            },
            other => other,
        }
    }

    /// The text in the node's log.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Gone => "gone",
            Self::Denied { why, .. } | Self::Moved(why) | Self::Failed(why, _) => why,
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone => Outcome::Gone.into(),
            Refusal::Denied { outcome, why } => Self::with(outcome, why),
            Refusal::Moved(why) | Refusal::Failed(why, _) => Self::with(Outcome::Refused, why),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::NoAnswer(why) => Self::Failed(why, None),
            ApiError::Refused(refused) => Self::of(&refused),
        }
    }
}

impl Refusal {
    fn of(refused: &Refused) -> Self {
        let why = refused.to_string();
        match refused.code {
            404 if refused.is_not_found() => Self::Gone,
            404 => Self::Failed(why, None),
            409 => Self::Moved(why),
            // The Pod of this name is another one: the API server takes the UID for a change of an immutable field.
            422 if refused.is_about("metadata.uid") => Self::Moved(why),
            _ if refused.passes() => Self::Failed(why, refused.retry_after),
            // A policy or a webhook may choose any code.
            _ => Self::Denied {
                outcome: match is_off(refused) {
                    true => Outcome::Barred,
                    false => Outcome::Denied,
                },
                why,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    fn refusal(code: u16, details: &Value) -> Refusal {
        let body = json!({ "status": "Failure", "message": "no", "details": details });
        let code = code.try_into().unwrap();
        Refusal::of(&Refused::new(
            code,
            &HeaderMap::new(),
            body.to_string().as_bytes(),
        ))
    }

    fn denied(code: u16, cause: &str) -> Option<Outcome> {
        let details = json!({ "causes": [{ "message": cause }] });
        match refusal(code, &details) {
            Refusal::Denied { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    #[test]
    fn a_denial_says_whether_other_writes_are_denied_too() {
        let by = |policy: &str, message: &str| {
            format!(
                "ValidatingAdmissionPolicy '{policy}' with binding 'b' denied request: {message}"
            )
        };
        let off = by(
            "pullwarden-writes",
            "pullwarden.io/writes-off: writes are switched off (x)",
        );
        assert_eq!(denied(403, &off), Some(Outcome::Barred));
        let pods = by(
            "pullwarden-pods",
            "pullwarden: an agent changes Pending Pods only",
        );
        for code in [400, 401, 403, 413, 422] {
            assert_eq!(denied(code, &pods), Some(Outcome::Denied), "{code}");
        }
        assert_eq!(denied(500, &pods), None);
    }

    #[test]
    fn another_uid_is_known_by_its_field() {
        let field = |field: &str| json!({ "causes": [{ "field": field, "message": "immutable" }] });
        let moved = refusal(422, &field("metadata.uid"));
        assert!(matches!(moved, Refusal::Moved(_)));
        let denied = refusal(422, &field("spec.activeDeadlineSeconds"));
        assert!(matches!(denied, Refusal::Denied { .. }));
        let quoted = refusal(422, &json!({ "causes": [{ "message": "metadata.uid" }] }));
        assert!(matches!(quoted, Refusal::Denied { .. }));
    }
}

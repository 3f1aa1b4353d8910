//! Meaning of an error of the API server for a request about a Pod.

use std::time::Duration;

use super::account::{Step, Trace};
use super::guard::is_off;
use super::plugin::refusal;
use crate::api::{ApiError, Refused};
use crate::judge::{Ending, Outcome};

/// Reason why a request about a Pod failed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The Pod has changed or was replaced: worth a new look.
    Moved(String),
    /// There is no such Pod.
    Gone,
    /// The API server, or a policy of it, denies the write, and would again. Nothing of it was made.
    Denied {
        /// [`Outcome::Denied`] for this write, [`Outcome::Off`] for all writes, or
        /// [`Outcome::Barred`] for a read.
        outcome: Outcome,
        /// The API server's words.
        why: String,
        /// The admission plugin that refuses, in a phrase, if the API server names it.
        by: Option<String>,
    },
    /// No answer, or one that may be another after a pause.
    Failed {
        /// The API server's words, or the reason why there is no answer.
        why: String,
        /// The pause that the API server asks for.
        asked: Option<Duration>,
        /// The admission plugin that failed, in a phrase, if the API server names it.
        by: Option<String>,
    },
}

impl Refusal {
    /// Returns whether it is certain that nothing was written.
    pub(super) fn is_definite(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }

    /// Returns what the same answer means for a read. A denied read says nothing of this Pod's writes:
    /// an API server that has just started denies all reads until it knows its own rules.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Denied { why, by, .. } => Self::Denied {
                outcome: Outcome::Barred,
                why,
                by,
            },
            other => other,
        }
    }

    /// The text in the node's log.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Gone => "gone",
            Self::Denied { why, .. } | Self::Moved(why) | Self::Failed { why, .. } => why,
        }
    }

    /// Returns the trace of a request that ended with this refusal, or well.
    pub(super) fn trace(step: Step, refusal: Option<&Self>) -> Trace {
        Trace {
            step,
            result: refusal.map_or("ok", Self::text).to_owned(),
            asked: match refusal {
                Some(Self::Failed { asked, .. }) => *asked,
                _ => None,
            },
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        let (outcome, why, by) = match refusal {
            Refusal::Gone => return Outcome::Gone.into(),
            Refusal::Denied { outcome, why, by } => (outcome, why, by),
            // A plugin that fails to answer refuses like one that says no, for as long as it is away.
            Refusal::Failed { why, by, .. } if by.is_some() => (Outcome::Denied, why, by),
            Refusal::Moved(why) | Refusal::Failed { why, .. } => (Outcome::Refused, why, None),
        };
        Self {
            refusal: by,
            ..Self::with(outcome, why)
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::NoAnswer(why) => Self::failed(why),
            ApiError::Refused(refused) => Self::of(&refused),
        }
    }
}

impl Refusal {
    const fn failed(why: String) -> Self {
        Self::Failed {
            why,
            asked: None,
            by: None,
        }
    }

    fn of(refused: &Refused) -> Self {
        let (why, by) = (refused.to_string(), refusal(refused));
        match refused.code {
            404 if refused.is_not_found() => Self::Gone,
            404 => Self::failed(why),
            409 => Self::Moved(why),
            // The Pod of this name is another one: the API server takes the UID for a change of an immutable field.
            422 if refused.is_about("metadata.uid") => Self::Moved(why),
            _ if refused.passes() => Self::Failed {
                why,
                asked: refused.retry_after,
                by,
            },
            // A policy or a webhook may choose any code.
            _ => Self::Denied {
                outcome: match is_off(refused) {
                    true => Outcome::Off,
                    false => Outcome::Denied,
                },
                why,
                by,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    fn answered(code: u16, details: &Value) -> Refusal {
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
        match answered(code, &details) {
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
            "pullwarden-off",
            "pullwarden.io/writes-off: writes are switched off (x)",
        );
        assert_eq!(denied(403, &off), Some(Outcome::Off));
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
        let moved = answered(422, &field("metadata.uid"));
        assert!(matches!(moved, Refusal::Moved(_)));
        let denied = answered(422, &field("spec.activeDeadlineSeconds"));
        assert!(matches!(denied, Refusal::Denied { .. }));
        let quoted = answered(422, &json!({ "causes": [{ "message": "metadata.uid" }] }));
        assert!(matches!(quoted, Refusal::Denied { .. }));
    }
}

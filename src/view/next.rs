//! Next steps of a Pod, for `status` and `explain`.

use serde::{Deserialize, Serialize};

use super::facts::View;
use crate::judge::{Decision, Latest, Reason, Stage};
use crate::pod_fields::CONDITION;

/// One thing that has to happen before the verdict on a Pod can be another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// Sentence for people.
    pub text: String,
    /// Seconds until then, at the earliest; absent if time is not what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_seconds: Option<u64>,
}

impl NextStep {
    /// Warning about a failed Pod: the exit code that the kubelet gives its containers may match a
    /// rule of the Job that was not meant for it.
    pub fn after_failing() -> Self {
        Self::now(&format!(
            "if the Job makes the same Pod again, put its rule on {CONDITION} before any rule on exit code 137: \
             the kubelet gives that code to the containers of a failed Pod, and the first matching rule decides"
        ))
    }

    fn now(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            in_seconds: None,
        }
    }

    fn after(reason: &Reason) -> Option<Self> {
        let left = reason.left().map(|left| left.as_secs());
        Some(Self {
            text: reason.next()?,
            in_seconds: left.filter(|seconds| *seconds > 0),
        })
    }
}

/// Returns the next steps of a Pod; with an image, only those that concern the image.
pub(super) fn next(view: &View<'_>, latest: &Latest, image: Option<&str>) -> Vec<NextStep> {
    let record = view.judge.ledger().pod(&latest.view.uid);
    let rules = view.judge.policy().rules_for(&latest.view);
    let observed = rules.is_ok_and(|rules| !rules.enforce());
    if observed && record.is_some_and(|record| record.stage == Stage::Announced) {
        let text = "nothing: this Pod is only observed; an Event says what would be done";
        return vec![NextStep::now(text)];
    }
    if let Decision::Fail(_) = latest.verdict.decision {
        return vec![NextStep::now("the report to the API server is under way")];
    }
    let mut reasons = latest.reasons(view.now);
    if latest.is_braked() {
        // The brake says more of the next failure.
        reasons.retain(|reason| !matches!(reason, Reason::AwaitsNextFailure { .. }));
    }
    let concerned = |reason: &&Reason| reason.concerns(image);
    let mut next: Vec<NextStep> = Vec::new();
    for step in reasons.iter().filter(concerned).filter_map(NextStep::after) {
        if !next.contains(&step) {
            next.push(step);
        }
    }
    next
}

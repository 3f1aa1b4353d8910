//! Answers to the questions of `status`, `explain` and the gauges, as functions of what is known.
//!
//! A [`View`] is read-only and needs no agent. Nothing here waits, reads a clock or touches a file.

mod explain;
mod facts;
mod next;
mod notes;
mod reason;
mod status;
mod totals;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use explain::{Exemption, Explanation, ImageExplained, Known, explain};
pub use facts::{EvidenceState, Facts, GuardTried, Unrecognised, View};
pub use next::NextStep;
pub use reason::{Decided, ReasonKind, ReasonShown};
pub use status::{
    Counted, FailingImage, FleetBudget, PodStatus, Progress, SpentLimit, Status, status,
};
pub use totals::{held, stuck, stuck_by_registry};

/// Question to the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Ask {
    /// Asks for a [`Status`].
    Status,
    /// Asks for an [`Explanation`] of one Pod.
    Explain {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
    },
}

impl Ask {
    /// Returns the answer as JSON. `why_not` returns the reason why the node's Pod of this namespace
    /// and name is not judged, if it is not.
    ///
    /// # Errors
    /// If the answer has no form in JSON.
    pub fn answer(
        &self,
        view: &View<'_>,
        why_not: impl Fn(&str, &str) -> Option<String>,
    ) -> serde_json::Result<Value> {
        match self {
            Self::Status => serde_json::to_value(status(view)),
            Self::Explain { namespace, pod } => {
                let why_not = why_not(namespace, pod);
                serde_json::to_value(explain(view, namespace, pod, why_not))
            }
        }
    }
}

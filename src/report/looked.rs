//! Result of the last check of a Pod before it is written to.

use super::conditions::Ours;
use crate::judge::{PodView, Reason};

/// Result of the last check.
pub(super) enum Looked {
    /// The Pod as it is to be failed, and our conditions on it.
    Due(Box<PodView>, Ours),
    /// A reason not to fail the Pod.
    NotDue(Reason),
    /// An earlier try was made, though its answer was lost.
    Written,
}

//! The fields of a Pod that the agent writes when it fails the Pod. `report` writes them, and
//! `evidence` reads them back.

/// The condition on each Pod that is failed. A Job's `podFailurePolicy` matches it.
pub const CONDITION: &str = "pullwarden.io/ImagePullFailed";

/// The condition beside it where no node could pull the image. A `podFailurePolicy` cannot match a
/// condition's reason, so a Job of many Pods needs a condition of its own.
pub const CONDITION_UNAVAILABLE: &str = "pullwarden.io/ImageUnavailable";

/// The annotation with the time at which the Pod was failed, in RFC 3339.
pub const ANNOTATION_FAILED_AT: &str = "pullwarden.io/failed-at";

/// Number of annotations up to which a Pod is given [`ANNOTATION_FAILED_AT`]. The admission policy
/// compares them one by one, in quadratic time; of a Pod with more it lets none be changed.
pub const MOST_ANNOTATIONS: usize = 256;

/// `spec.activeDeadlineSeconds`: the smallest there is, passed since the Pod was started.
pub const DEADLINE: i64 = 1;

//! Everything that follows from an event.

use std::time::Duration;

use super::{Because, Cause, Complaint, Ending, FailRequest, PodId, Undone, Verdict};

/// One thing to be done, or to be told. The agent does it; a replay only reads it.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Report a Pod: fail it, or say that it would be failed.
    Report(Box<FailRequest>),
    /// Revert our conditions on a Pod.
    Revert(PodId),
    /// Ask the API server whether a Pod that left Pending has started.
    AskWhetherStarted {
        /// The Pod.
        pod: PodId,
        /// The image for which the Pod would have been failed.
        image: String,
        /// Reason why the Pod was not failed.
        because: Because,
    },
    /// Ask the API server for a namespace, unless it was read lately.
    AskNamespace {
        /// The namespace.
        namespace: String,
    },
    /// Tell the author of a Pod about annotations that cannot be read.
    TellAuthor {
        /// The Pod.
        pod: PodId,
        /// The faults.
        complaints: Vec<Complaint>,
    },
    /// Watch a Pod: there is something to judge.
    Watch {
        /// UID of the Pod.
        uid: String,
    },
    /// Stop watching a Pod for a while: there is nothing to judge.
    Rest {
        /// UID of the Pod.
        uid: String,
        /// Reason, for people.
        why: String,
    },
    /// Stop watching a Pod for good: it is not Pending any more.
    Stop {
        /// UID of the Pod.
        uid: String,
    },
    /// Write something down, for people.
    Note(Note),
}

/// Something that people want to know.
#[derive(Clone, Debug)]
pub enum Note {
    /// A failed pull was counted.
    PullFailed {
        /// The Pod.
        pod: PodId,
        /// The image.
        image: String,
        /// Cause of the failure.
        cause: Cause,
        /// Number of failures counted so far.
        failures: u32,
        /// The failure itself was not seen, but the pause after it.
        inferred: bool,
        /// The error.
        error: String,
    },
    /// An image was pulled after failures.
    Healed {
        /// The Pod.
        pod: PodId,
        /// The image.
        image: String,
    },
    /// A Pod that would have been failed has started.
    StartedAfterAll {
        /// The Pod.
        pod: PodId,
        /// The image for which the Pod would have been failed.
        image: String,
        /// Reason why the Pod was not failed.
        because: Because,
    },
    /// A verdict that differs from the one before, or was given on something new.
    Verdict {
        /// The Pod.
        pod: PodId,
        /// The verdict.
        verdict: Box<Verdict>,
    },
    /// A Pod is too large to be judged. Said once of each Pod.
    TooLarge {
        /// The Pod.
        pod: PodId,
    },
    /// The report on a Pod has ended.
    Ended {
        /// The Pod.
        pod: PodId,
        /// The request; `None` if it was not made by this run of the agent.
        request: Option<Box<FailRequest>>,
        /// The image for which the Pod was to be failed.
        image: String,
        /// Result of the report.
        ending: Ending,
        /// One of our conditions may be True on the Pod.
        marked: bool,
        /// Time from the first counted failure, as far as known.
        after: Option<Duration>,
    },
    /// A try to revert our conditions has ended.
    Reverted {
        /// The Pod.
        pod: PodId,
        /// Result of the try.
        undone: Undone,
    },
    /// A Pod of which something was known is not Pending any more.
    Left {
        /// The Pod.
        pod: PodId,
        /// Time since both writes were made; `None` if the agent has not failed the Pod.
        written: Option<Duration>,
        /// Failures had been counted.
        had_failures: bool,
    },
    /// A Pod has not been on the node for long, and nothing is known of it any more.
    Forgotten {
        /// UID of the Pod.
        uid: String,
    },
}

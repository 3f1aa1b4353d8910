//! Everything that can change what is known of a node.

use std::collections::BTreeSet;

use super::{Aftermath, Because, Ending, Moment, Namespaces, PodId, PodView, Settings, Undone};

/// One thing that happened. [`Judge::step`](super::Judge::step) is given each of them in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// A source reported a Pod.
    Observed(Box<PodView>),
    /// A Pod is not Pending any more, or gone.
    Left {
        /// UID of the Pod.
        uid: String,
        /// The Pod as it is now, where the source reports it.
        view: Option<Box<PodView>>,
    },
    /// An image came to the node.
    ImageArrived {
        /// Its tag or digest.
        image: String,
        /// Time of arrival; `None` if it came at some time since the node was started.
        at: Option<Moment>,
    },
    /// The API server reported a namespace.
    NamespaceRead {
        /// The namespace.
        namespace: String,
        /// All namespaces that are known now.
        known: Namespaces,
    },
    /// The configuration has changed.
    Configured(Box<Settings>),
    /// Time has passed.
    Tick,
    /// The report on a Pod has ended.
    Reported {
        /// The Pod.
        pod: PodId,
        /// The image for which the Pod was to be failed.
        image: String,
        /// Result of the report.
        ending: Ending,
        /// One of our conditions may be True on the Pod; `None` if the report has not found out.
        marked: Option<bool>,
    },
    /// A try to revert our conditions has ended, or the log of a run whose state is lost says that one may be True.
    Reverted {
        /// The Pod.
        pod: PodId,
        /// Result of the try.
        undone: Undone,
    },
    /// The API server was asked what became of a Pod that had left Pending.
    Followed {
        /// The Pod.
        pod: PodId,
        /// The image for which the Pod would have been failed.
        image: String,
        /// Reason why the Pod was not failed.
        because: Because,
        /// Fate of the Pod.
        became: Aftermath,
    },
    /// These Pods, by UID, are on the node, and no others.
    OnNode(BTreeSet<String>),
    /// Nothing is to be known of a Pod any more.
    Forgotten {
        /// UID of the Pod.
        uid: String,
    },
    /// The journal has begun a new file: the next verdict on each Pod is to be written down.
    NewFile,
}

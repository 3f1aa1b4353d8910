//! Evidence: what is reported about this node's Pending Pods. CRI does not tell why a container is missing.
//!
//! A source, the kubelet or the API server, is opened only while something is unsettled, and says what it sees as [`Sighting`]s.
//! Whichever it is, the same Pod gives the same [`PodView`].

mod annotations;
mod apiserver;
mod container;
mod core_v1;
mod kubelet;
mod list;
mod namespace;
mod owners;
mod paged;
mod pending;
mod pod;
mod protobuf;
mod requests;
mod size;
mod volumes;

use std::collections::BTreeSet;
use std::time::Duration;

pub use apiserver::{ApiServer, client_of_person};
pub use core_v1::Pod;
pub use kubelet::watch as watch_kubelet;
pub use namespace::namespace;
pub(crate) use paged::Paged;
pub use pending::watch;
pub use protobuf::pod_from_protobuf;
pub use requests::{Requests, amounts, is_device};

use crate::api::ApiError;
use crate::judge::PodView;

/// Word of a source of evidence.
#[derive(Debug)]
pub enum Sighting {
    /// A Pod as last reported.
    Seen(Box<PodView>),
    /// The Pod of this UID is not Pending any more, or gone; with the Pod as it is now, where the source tells.
    Left(String, Option<Box<PodView>>),
    /// All that is Pending was named: these UIDs.
    Complete(BTreeSet<String>),
    /// Nothing has changed, and the source is still there.
    Alive,
    /// The source cannot be reached, or has broken off. To be opened anew.
    Lost(Lost),
}

/// End of a source, or of a request to it.
#[derive(Debug)]
pub struct Lost {
    /// Reason, for people.
    pub why: String,
    /// Time for which the source asks to be left alone (`Retry-After`).
    pub asked: Option<Duration>,
}

impl From<String> for Lost {
    fn from(why: String) -> Self {
        Self { why, asked: None }
    }
}

impl From<ApiError> for Lost {
    fn from(error: ApiError) -> Self {
        Self {
            why: error.to_string(),
            asked: error.asked(),
        }
    }
}

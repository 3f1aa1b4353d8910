//! Evidence: what is reported about this node's Pending Pods. CRI does not tell why a container is missing.
//!
//! A source is opened only while something is unsettled, and says what it sees as [`Sighting`]s.

mod apiserver;
mod pod;

use std::collections::BTreeSet;

pub use apiserver::{open, watch};
pub use pod::Pod;

use crate::judge::PodView;

/// What a source of evidence says.
#[derive(Debug)]
pub enum Sighting {
    /// A Pod as last reported.
    Seen(Box<PodView>),
    /// The Pod of this UID is not Pending any more, or gone.
    Left(String),
    /// All that is Pending was named: these UIDs.
    Complete(BTreeSet<String>),
    /// The source cannot be reached, or has broken off. To be opened anew.
    Lost(String),
}

//! pullwarden fails Pods whose images cannot be pulled, so that they stop holding a node's capacity.
//!
//! ```text
//!  cri ──► sandboxes that are unsettled? ── none ──► sleep until the next poll (no API request at all)
//!                      │ some
//!                      ▼
//!  evidence: what is reported of this node's Pending Pods, by the kubelet's socket or the API server
//!                      │ PodView
//!                      ▼
//!  judge (pure): cause ◄─ message     ledger ◄─ counts     policy, brake
//!                      │ Verdict { Settle | Wait | Hold | Fail } and every reason
//!                      ▼
//!  state (atomic) ──► report: last look ─► condition ─► deadline ─► the kubelet ends the Pod
//!                      └──► Event, metrics, node's log
//! ```
//!
//! The modules, in reading order:

pub mod fleet;
pub mod judge;
pub mod text;

mod api;
mod deadline;
mod socket;

pub mod pod_fields;

pub mod cri;
pub mod evidence;
pub mod images;
pub mod journal;
pub mod report;
pub mod state;

pub mod view;

pub mod agent;
pub mod replay;

pub mod admin;
pub mod clock;
pub mod config;
pub mod control;
pub mod duty;
pub use text::escaping;
pub mod metrics;
pub mod permissions;
pub mod process;
pub mod shutdown;
pub mod telemetry;

pub mod check;
pub mod survey;

pub mod cli;

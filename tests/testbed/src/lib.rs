//! One real Kubernetes node, built and run for pullwarden's tests and its demo.
//!
//! Components are built from pinned Go modules (`family`, `cache`), written their configuration
//! (`plan`, `settings`) and started in namespaces of their own: a [`keeper`] on the host, an
//! [`init`] inside. Tests hold a [`Node`].
//!
//! ```no_run
//! use testbed::{Fault, Node, NodeOptions};
//!
//! let node = Node::start(NodeOptions::default())?;
//! node.push_image("app", "1")?;
//! node.set_fault("broken", Fault::Hang)?;
//! node.kubectl().args(["run", "a", "--image=127.0.0.1:5000/app:1"]).status()?;
//! node.enter()?; // this thread, and what it starts, is in the node's network from here on
//! # Ok::<(), anyhow::Error>(())
//! ```

mod cache;
mod clock;
mod combination;
mod family;
mod host;
mod log;
mod progress;
pub mod random;
mod waits;

mod component;
mod controller;
mod image;
mod layout;
mod network;
mod pki;
mod place;
mod plan;
mod runtime;
mod settings;

mod cgroup;
mod control;
pub mod init;
pub mod keeper;
mod namespace;
mod power;
mod supervisor;
mod systemd;

pub mod fakes;
pub mod faults;
mod http;
mod registry;

pub mod device_plugin;

mod node;

mod cases;

pub use cases::{COUNTED, Case};
pub use combination::{ALL_TESTS, COMBINATIONS, Combination};
pub use component::Component;
pub use controller::{Controller, ControllerOptions};
pub use family::{Family, Kind, PINNED};
pub use faults::{Fault, Part, Rule, Seen};
pub use node::{Devices, Node, NodeOptions, Pulls, RunningController};
pub use progress::Progress;
pub use runtime::Runtime;
pub use systemd::{CgroupDriver, VARIABLE as CGROUP_DRIVER};

pub use cache::kept::kept;
pub use cache::{BUILT, build};
pub use clock::{Stopwatch, unix_micros, until};
pub use host::{check_root, variable};
pub use image::Image;
pub use log::tail;
pub use network::{Ip, Network};
pub use place::Place;
pub use plan::families;
pub use waits::{longest, longest_after};

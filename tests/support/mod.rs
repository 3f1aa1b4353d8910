//! What the scenarios stand on: fakes that do what KUBELET.md says, and an agent to run on them.

pub mod allowed;
pub mod apiserver;
pub mod asked;
pub mod fault;
pub mod fleet_object;
pub mod generated;
pub mod imports;
pub mod judge;
pub mod kubelet;
pub mod node;
pub mod node_log;
pub mod pages;
pub mod pod;
pub mod race;
pub mod random;
pub mod recorder;
pub mod registry;
pub mod reviews;
pub mod schema;
pub mod simulation;
pub mod store;
pub mod worker;

use std::sync::LazyLock;
use std::time::Duration;

/// Longer than anything here takes.
pub static DEADLINE: LazyLock<Duration> = LazyLock::new(|| testbed::longest(10));

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold in time, saying what was waited for.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(*DEADLINE, wait).await;
    assert!(waited.is_ok(), "waited in vain until {what}");
}

//! The preflight: whether an agent of this configuration would find what it needs on this node, and what is more than it needs.
//!
//! It looks and asks, and writes nothing: not to the node, and to the API server only what is a question or a dry run.

mod agent;
mod apiserver;
mod evidence;
mod finding;
mod fleet;
mod folders;
mod guard;
mod permissions;
mod socket;

pub use finding::{Finding, Level};

use crate::config::Config;

/// Looks at everything. The findings come in the order in which they are best read.
pub async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        configured(config),
        socket::runtime(&config.startup.cri_socket).await,
    ];
    let kubelet = evidence::ask(config).await;
    let server = apiserver::ask(config).await;
    findings.push(evidence::judge(config, &kubelet, server.minor()));
    findings.push(folders::state(&config.startup.state_dir));
    findings.push(folders::log(&config.startup.log_dir));
    findings.extend(agent::look(config).await);
    let may = match server.client() {
        Some(client) => {
            let user = server.user();
            let mut may = permissions::look(client, config, kubelet.answers(), user).await;
            may.push(guard::look(client, config).await);
            may.push(fleet::look(client, config).await);
            may
        }
        None => Vec::new(),
    };
    findings.extend(server.findings);
    findings.extend(may);
    findings
}

fn configured(config: &Config) -> Finding {
    let found = format!(
        "node {}, mode {}, evidence {}",
        config.policy.node,
        config.policy.mode.as_str(),
        config.evidence.as_str()
    );
    Finding::ok("configuration", &found)
}

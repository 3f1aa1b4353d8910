//! `pullwarden run`: the agent and the servers around it.

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Command};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use super::arguments;
use crate::admin::{Admin, Health};
use crate::agent::Surroundings;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::{admin, agent, control, shutdown, telemetry};

/// Questions that may wait for the agent.
const QUESTIONS: usize = 4;

/// Control socket, removed at the end: a status command that finds none says so at once.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// Note for everybody who lets the agent write.
const PENDING: &str = "Only Pods in phase Pending are failed. A Pod is Pending until each of its containers has started: \
    if its main container runs while a sidecar's image cannot be pulled, it is failed as a whole, and the main container ends with it.";

pub(super) fn command() -> Command {
    Command::new("run")
        .about("Run the agent of this node")
        .after_help(format!(
            "{PENDING}\n\n{}",
            arguments::examples([
                (
                    "The agent of a node, as the manifests start it",
                    "pullwarden run --config /etc/pullwarden/config.yaml"
                ),
                (
                    "An agent by hand that only observes",
                    "pullwarden run --node-name node-1 --kubeconfig /root/.kube/config"
                ),
            ])
        ))
        .arg(arguments::config())
        .args(arguments::keys())
}

/// Runs every task, and ends if one of them ends.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let mut given = arguments::given(matches);
    let config = given.load()?;
    telemetry::init(config.startup.log_format.0);
    let clock = Clock::default();
    let health = Health::default();
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);

    let admin_listener = admin::bind(config.startup.admin_address.0).await?;
    let control_socket = config.startup.control_socket.clone();
    let (sender, questions) = mpsc::channel(QUESTIONS);
    let (trigger, shutdown) = shutdown::channel();
    let (on_duty, duty) = oneshot::channel();
    let admin = Admin {
        health: health.clone(),
        registry,
        clock: clock.clone(),
        poll: config.poll,
        started: clock.now(),
    };
    let surroundings = Surroundings {
        clock,
        given,
        metrics,
        health,
        questions,
        shutdown,
        on_duty: Some(on_duty),
    };
    let answers = async {
        // An agent in standby must not take the socket of the one on duty.
        match duty.await {
            Ok(_duty) => {
                let listener = control::bind(&control_socket).await?;
                let _socket = Removed(&control_socket);
                match control::serve(listener, sender).await {}
            }
            // The agent has ended, and its result says why.
            Err(_) => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        ended = agent::run(config, surroundings) => ended,
        never = admin::serve(admin_listener, admin) => match never {},
        failed = answers => failed,
        failed = trigger.on_signal() => {
            match failed.context("listening to signals") {
                Ok(()) => bail!("nobody listens to signals any more"),
                Err(error) => Err(error),
            }
        }
    };
    result
}

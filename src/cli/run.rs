use anyhow::{Context as _, bail};
use clap::ArgMatches;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use crate::admin::{Admin, Health};
use crate::agent::Surroundings;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::{admin, agent, control, shutdown, telemetry};

/// Questions that may wait for the agent.
const QUESTIONS: usize = 4;

/// `pullwarden run`: every task is watched, and if one ends the agent ends.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let mut given = super::given(matches);
    let config = given.load()?;
    telemetry::init(config.log_format);
    let clock = Clock::default();
    let health = Health::default();
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);

    let admin_listener = admin::bind(config.admin_address).await?;
    let control_listener = control::bind(&config.control_socket).await?;
    let control_socket = config.control_socket.clone();
    let (sender, questions) = mpsc::channel(QUESTIONS);
    let (trigger, shutdown) = shutdown::channel();
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
    };
    let result = tokio::select! {
        ended = agent::run(config, surroundings) => ended,
        never = admin::serve(admin_listener, admin) => match never {},
        never = control::serve(control_listener, sender) => match never {},
        failed = trigger.on_signal() => {
            match failed.context("listening to signals") {
                Ok(()) => bail!("nobody listens to signals any more"),
                Err(error) => Err(error),
            }
        }
    };
    // The next agent would replace it; a status command that finds none says so at once.
    let _ = std::fs::remove_file(control_socket);
    result
}

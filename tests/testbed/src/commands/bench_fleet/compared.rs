//! The scene of the same Job with nobody, and with clients of the usual design.

use anyhow::Result;

use super::agents;
use super::asked::Log;
use super::scenes::{Scenes, count};
use super::table::Table;
use super::usual::{self, Usual};
use crate::commands::bench_node::permit_usual;

/// (e) The same Job with nobody, and with clients of the usual design.
pub fn usual(scenes: &Scenes<'_>, table: &mut Table) -> Result<()> {
    permit_usual(scenes.node)?;
    scenes.cluster.clear()?;
    let nobody = scenes.job_alone("nobody")?;
    let clients = scenes.sizes.usual;
    let mut log = Log::from_now(scenes.node.audit_log(), usual::USER)?;
    scenes.cluster.clear()?;
    let all = Usual::start(scenes.node, &scenes.programs[1], clients, scenes.patience)?;
    let cpu = scenes.job_alone("usual")?;
    let pids = all.pids();
    let (sizes, connections) = (agents::sizes(&pids)?, agents::connections(&pids)?);
    let asked = log.read()?;
    let (each, as_many) = (f64::from(clients), f64::from(scenes.sizes.agents));
    table.title(&format!(
        "(e) The same Job with {clients} clients of the usual design, each with a watch of all Pods;\n    \
         in brackets: extrapolated in proportion to {as_many} clients"
    ));
    let extrapolated = |value: f64| value * as_many / each;
    let row = |what: &str, value: f64, unit: &str| {
        let value = format!("{value:.0} ({:.0}){unit}", extrapolated(value));
        table.tell(what, &value);
    };
    row("requests to the API server", count(asked.len()), "");
    row("connections to it", count(connections), "");
    row("proportional memory (PSS)", sizes.proportional, " MiB");
    table.tell(
        "  of one, anonymous",
        &format!("{:.2} MiB", sizes.anonymous / each),
    );
    table.tell(
        "CPU of the API server, the kubelets' requests too",
        &format!("{cpu:.1} s"),
    );
    table.tell("  the same Job with nobody", &format!("{nobody:.1} s"));
    row("  the difference", cpu - nobody, " s");
    Ok(())
}

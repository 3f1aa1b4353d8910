//! `pullwarden replay --fleet`: the logs of many nodes on one time line, with the fleet budget.

use std::io;
use std::path::{Path, PathBuf};

use super::printing::complain;
use super::replay_output::{Complaints, Output, unjudged};
use crate::config::Config;
use crate::replay::{self, Fleet, Replay, Section, Tally, Timeline};

/// Returns the logs below each folder, and each file as it is.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn logs_in(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => add_below(path, &mut logs)?,
            false => logs.push(path.clone()),
        }
    }
    Ok(logs)
}

fn add_below(folder: &Path, logs: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            add_below(&path, logs)?;
        } else if name.contains(".jsonl") {
            logs.push(path);
        }
    }
    Ok(())
}

/// Replays the nodes together. Returns the sums of each policy, and whether all could be judged.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn run(
    nodes: Vec<Vec<Section>>,
    policies: &[(String, Config)],
    out: &mut Output<'_>,
) -> io::Result<(Vec<Tally>, bool)> {
    let fleets: Vec<Fleet> = policies.iter().map(|_| Fleet::default()).collect();
    let judged = |_: &Vec<Section>| Replay::in_fleet(policies, &fleets);
    let mut replays: Vec<Replay> = nodes.iter().map(judged).collect();
    let mut complaints: Vec<Vec<Complaints>> = nodes
        .iter()
        .map(|node| node.iter().map(Complaints::of).collect())
        .collect();
    let names: Vec<String> = nodes.iter().map(|node| node[0].node.clone()).collect();
    let mut timeline = Timeline::of(nodes)?;
    let mut well = true;
    while let Some(next) = timeline.next_line()? {
        let complaints = &mut complaints[next.node][next.section];
        match next.record {
            Ok(record) => {
                let taken = replays[next.node].take(&record, &mut |row| out.row(&row));
                for fault in taken.err().into_iter().flat_map(|faults| faults.0) {
                    well = false;
                    let what = format!("the configuration in force: {fault}");
                    complaints.tell(next.number, &what);
                }
            }
            Err(problem) => complaints.tell(next.number, &problem),
        }
        if out.is_broken() {
            break;
        }
    }
    let mut sums = Vec::new();
    complaints.into_iter().flatten().for_each(Complaints::end);
    for (mut replay, name) in replays.into_iter().zip(names) {
        if !replay.has_judged() {
            complain(&unjudged(&name));
            well = false;
            continue;
        }
        replay.end(&mut |row| out.row(&row));
        replay::add_up(&mut sums, &replay);
    }
    Ok((sums, well))
}

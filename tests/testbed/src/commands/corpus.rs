//! `testbed corpus`: what real pull errors look like, as the kubelet reports them.

mod entry;
mod watch;
mod wording;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use testbed::{Case, Kind, Node, NodeOptions, Progress};

use self::entry::Entry;
use self::watch::Watch;
use self::wording::stable;
use super::kubectl::{create, kubectl};
use super::{Versions, cargo};

/// How long Pods may take to show why they wait, and that the kubelet backs off.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(100, 10));
/// In MiB; all images of all cases and their snapshots fit in.
const STORE: u64 = 512;

#[derive(Debug, Args)]
pub struct Corpus {
    #[command(flatten)]
    versions: Versions,
    /// Write nothing; fail if the committed file says something else
    #[arg(long)]
    check: bool,
    /// Only those cases whose names contain one of these; they are printed, not written
    #[arg(conflicts_with = "check")]
    filter: Vec<String>,
}

impl Corpus {
    pub fn run(self) -> Result<ExitCode> {
        testbed::check_root().context("the errors come from a real node: run it as root")?;
        let node = Node::start(NodeOptions {
            kubelet: json!({"serializeImagePulls": false, "registryPullQPS": 0}),
            store_mib: Some(STORE),
            ..self.versions.node()
        })?;
        let entries = self.collect(&node)?;
        drop(node);
        if !self.filter.is_empty() {
            print!("{}", Entry::file(&entries)?);
            return Ok(ExitCode::SUCCESS);
        }
        let path = self.path();
        if !self.check {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("making {}", folder.display()))?;
            }
            fs::write(&path, Entry::file(&entries)?)
                .with_context(|| format!("writing {}", path.display()))?;
            println!("{} messages are in {}", entries.len(), path.display());
            return Ok(ExitCode::SUCCESS);
        }
        let committed =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let differences = entry::differences(&Entry::read(&committed)?, &entries);
        for difference in &differences {
            println!("{difference}\n");
        }
        Ok(match differences.len() {
            0 => {
                println!("{} is what is seen now.", path.display());
                ExitCode::SUCCESS
            }
            count => {
                println!(
                    "{count} of {} messages differ from {}; `cargo corpus` writes it anew.",
                    entries.len(),
                    path.display()
                );
                ExitCode::FAILURE
            }
        })
    }

    fn path(&self) -> PathBuf {
        let Versions {
            kubernetes,
            runtime,
        } = &self.versions;
        let kubelet = match kubernetes == Kind::Kubernetes.default_version() {
            true => String::new(),
            false => format!("-kubelet-{kubernetes}"),
        };
        cargo::workspace(&format!(
            "tests/data/pull-errors/{}{kubelet}.jsonl",
            runtime.family().folder()
        ))
    }

    /// What each case's Pod shows, by case.
    fn collect(&self, node: &Node) -> Result<Vec<Entry>> {
        let secrets = json!({"apiVersion": "v1", "kind": "List", "items": Case::secrets()});
        create(node, &secrets)?;
        let wanted = |case: &Case| {
            self.filter.is_empty() || self.filter.iter().any(|part| case.name().contains(part))
        };
        let cases: Vec<Case> = Case::of(self.versions.runtime).filter(wanted).collect();
        let progress = Progress::new(false);
        let mut entries = Vec::new();
        // A download that hangs would hold up others, a full store would spoil them.
        let (alone, together): (Vec<Case>, Vec<Case>) =
            cases.iter().partition(|case| case.needs_the_node());
        let (slow, quick): (Vec<Case>, Vec<Case>) = together
            .iter()
            .partition(|case| case.is_slow(self.versions.runtime));
        for (what, group) in [
            ("pulls that fail", quick),
            ("pulls that take their time", slow),
            ("pulls that need the node", alone),
        ] {
            if !group.is_empty() {
                entries.extend(progress.step(what, || self.observe(node, &group))?);
            }
        }
        entries.sort_by(|a, b| (&a.case, a.is_back_off()).cmp(&(&b.case, b.is_back_off())));
        Ok(entries)
    }

    /// Makes a Pod for each case and waits for what it shows.
    fn observe(&self, node: &Node, cases: &[Case]) -> Result<Vec<Entry>> {
        let mut watch = Watch::start(node, cases)?;
        let mut pods = Vec::new();
        for case in cases {
            pods.push(case.pod(&case.prepare(node)?));
        }
        create(
            node,
            &json!({"apiVersion": "v1", "kind": "List", "items": pods}),
        )?;
        watch.until_all_are_seen(*PATIENCE)?;
        let mut entries = Vec::new();
        for (case, reason, message) in watch.seen() {
            entries.push(Entry {
                case: case.name().to_owned(),
                kubelet: self.versions.kubernetes.clone(),
                reason,
                message: stable(&message, node.dir()),
            });
        }
        kubectl(node, &["delete", "pods", "--all", "--wait=false"])?;
        Ok(entries)
    }
}

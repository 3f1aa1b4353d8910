//! `testbed long-log`: a log of a node as long as one likes, and what it takes to replay it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use testbed::Stopwatch;

use super::cargo;
use super::process::{Memory, mib};

/// Another policy beside the one that was in force.
const OTHER: &str = "mode: enforce\nimagePullFailureCount: 1\nwarmUp: 0s\n";
/// How long a replay by a debug build may take.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| testbed::longest(360));
/// What the kubelet says of an image that is not there.
const ERROR: &str = "failed to pull and unpack image \"r.test/bad:1\": failed to resolve image: r.test/bad:1: not found";
/// So many Pods fail at the same time.
const TOGETHER: u64 = 20;
/// So often each fails.
const FAILURES: u64 = 5;

#[derive(Debug, Args)]
pub struct LongLog {
    /// How long the log is, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// The program that replays it, instead of a release build of this one
    #[arg(long)]
    program: Option<PathBuf>,
}

impl LongLog {
    pub fn run(self) -> Result<ExitCode> {
        let program = match self.program {
            Some(program) => program,
            None => cargo::build_agent(cargo::Build::Release)?,
        };
        let dir = std::env::temp_dir().join(format!("pullwarden-long-log-{}", std::process::id()));
        fs::create_dir_all(&dir).context("making a folder for the log")?;
        let measured = measure(&program, &dir, self.mib * 1024 * 1024);
        fs::remove_dir_all(&dir).context("removing the log")?;
        measured?;
        Ok(ExitCode::SUCCESS)
    }
}

fn measure(program: &Path, dir: &Path, bytes: u64) -> Result<()> {
    let (log, other) = (dir.join("pulls.jsonl"), dir.join("other.yaml"));
    fs::write(&other, OTHER).context("writing a policy")?;
    let pods = write(&log, bytes).context("writing the log")?;
    let size = mib(fs::metadata(&log).context("looking at the log")?.len());
    println!("{size:.0} MiB, {pods} Pods; replayed by the policy in force and another");
    let begun = Stopwatch::start();
    let mut child = Command::new(program)
        .args(["replay", "-o", "json", "--config"])
        .args([&other, &log])
        .stdout(File::create(dir.join("out.json")).context("making the output")?)
        .stdin(Stdio::null())
        .spawn()
        .context("starting pullwarden")?;
    let (mut peak, mut ended) = (0_f64, None);
    let is_over = || {
        // It may just have ended.
        if let Ok(memory) = Memory::of(child.id()) {
            peak = peak.max(memory.peak);
        }
        ended = child.try_wait().transpose();
        ended.is_some()
    };
    if !testbed::until(*PATIENCE, is_over) {
        // It may end by itself at this moment.
        let _ = child.kill();
    }
    let status = ended.context("pullwarden does not come to an end")??;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "pullwarden failed ({status})");
    println!(
        "{seconds:.1} s, {:.0} MiB a second, {peak:.1} MiB at most",
        size / seconds
    );
    let out = fs::read(dir.join("out.json")).context("reading the output")?;
    let out: Value = serde_json::from_slice(&out).context("the output is no JSON")?;
    for sum in out["summary"].as_array().into_iter().flatten() {
        println!("{sum}");
    }
    Ok(())
}

/// Writes a log of at least so many bytes; how many Pods come and go in it.
fn write(file: &Path, bytes: u64) -> Result<u64> {
    let mut out = BufWriter::new(File::create(file)?);
    let written = std::cell::Cell::new(0);
    let mut put = |second: u64, mut line: Value| -> Result<()> {
        let moment = json!({"secs": second, "nanos": 0});
        let (days, clock) = (second / 86400, second % 86400);
        let (hour, minute) = (clock / 3600, clock / 60 % 60);
        let (year, month, day) = (2020 + days / 336, 1 + days / 28 % 12, 1 + days % 28);
        let date = format!("{year:04}-{month:02}-{day:02}");
        line["time"] = json!(format!("{date}T{hour:02}:{minute:02}:{:02}Z", clock % 60));
        line["at"] = moment.clone();
        line["ticked"] = moment;
        let text = format!("{line}\n");
        written.set(written.get() + text.len() as u64);
        Ok(out.write_all(text.as_bytes())?)
    };
    put(0, start())?;
    let (mut pods, mut second) = (0, 10);
    while written.get() < bytes {
        for nth in 0..FAILURES {
            let pause = format!("Back-off pulling image \"r.test/bad:1\": ErrImagePull: {ERROR}");
            for (reason, message, wait) in [
                ("ErrImagePull", ERROR, 0),
                ("ImagePullBackOff", pause.as_str(), 10),
            ] {
                for pod in pods..pods + TOGETHER {
                    let state = json!({"Waiting": {"reason": reason, "message": message}});
                    let view = view(pod, "Pending", state);
                    put(
                        second + 60 * nth + wait,
                        json!({"kind": "view", "view": view}),
                    )?;
                }
            }
        }
        second += 60 * FAILURES;
        for pod in pods..pods + TOGETHER {
            let view = view(pod, "Started", json!("Running"));
            let view = (pod % 3 == 0).then_some(view);
            let line = json!({"kind": "left", "namespace": "default", "pod": format!("pod-{pod}"),
                "uid": format!("uid-{pod}"), "written": false, "view": view});
            put(second, line)?;
        }
        (pods, second) = (pods + TOGETHER, second + 60);
    }
    out.flush()?;
    Ok(pods)
}

fn start() -> Value {
    json!({"kind": "start", "version": "0", "node": "node1", "boot": "b", "counts": "none", "state": null,
        "config": {"mode": "observe", "imagePullFailureCount": 3, "warmUp": "0s"}})
}

fn view(pod: u64, phase: &str, state: Value) -> Value {
    json!({"uid": format!("uid-{pod}"), "namespace": "default", "name": format!("pod-{pod}"), "resource_version": "",
        "node": "node1", "phase": phase, "deleting": false, "mirror": false, "restart_policy": "Never", "annotations": {},
        "owner": {"kind": "Job", "name": format!("job-{pod}"), "uid": format!("owner-{pod}")}, "marked": false, "ending": false,
        "source": "apiserver", "first": false,
        "containers": [{"name": "c", "image": "r.test/bad:1", "pull_policy": "IfNotPresent", "state": state}]})
}

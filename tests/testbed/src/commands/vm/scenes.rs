//! `cargo soak vm::`: the demo, the install as shipped and some tests, in a machine.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use testbed::{CGROUP_DRIVER, CgroupDriver, Kind, Stopwatch};

use super::super::Versions;
use super::super::cargo::{self, Build};
use super::shared::Shared;
use super::{MEMORY, check, run};

/// Prefix of the names of these scenes.
pub const SCENES: &str = "vm::";

/// The install as shipped.
const INSTALL: [&str; 1] =
    ["deployed::as_shipped_it_observes_enforces_is_switched_off_and_leaves_only_its_counts"];

/// Tests that share one node, and one that restarts its parts.
const TESTS: [&str; 10] = [
    "exact::condemned_at_exactly_the_nth_failure",
    "exact::by_the_api_server",
    "containers::bad_init_container_is_failed",
    "containers::one_running_and_one_bad_container_are_failed",
    "containers::two_containers_of_one_bad_image_count_each_attempt_once",
    "healing::image_pushed_after_two_failures_runs_and_nothing_is_written",
    "jobs::job_with_a_pod_failure_policy_fails_after_one_pod",
    "jobs::bare_pod_is_failed_and_told_why",
    "restart::killed_between_failures_the_counts_go_on",
    "recovery::agent_recovers_from_a_restarted_runtime_and_an_absent_api_server",
];

/// A command in a machine of its own.
struct Scene {
    name: String,
    driver: CgroupDriver,
    command: Vec<String>,
}

/// Runs the scenes whose names contain one of the filters, and prints how each went.
pub fn play(versions: &Versions, filters: &[String]) -> Result<ExitCode> {
    check()?;
    let mut shared = Shared::new(cargo::build_agent(Build::Static)?)?;
    shared.program("pullwarden", cargo::build_agent(Build::Debug)?);
    shared.program("cluster", tests()?);
    shared.components(&versions.kubernetes, versions.runtime)?;
    for kind in [Kind::Helm, Kind::Crane] {
        shared.component(&kind.default_family()?)?;
    }
    shared.set("TESTBED_KUBERNETES", &versions.kubernetes);
    shared.set("TESTBED_RUNTIME", &versions.runtime.to_string());
    // Without hardware virtualization one node keeps both CPUs busy.
    shared.set("TESTBED_NODES", "1");
    let mut played = Vec::new();
    for scene in scenes(versions) {
        let name = scene.name;
        if !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        println!("\n── {name}");
        shared.set(CGROUP_DRIVER, &scene.driver.to_string());
        let begun = Stopwatch::start();
        let code = run(&shared, MEMORY, &scene.command)?;
        let seconds = begun.elapsed().as_secs_f64();
        played.push((name, seconds, code == ExitCode::SUCCESS));
    }
    println!("\nDebian 13 in qemu, systemd, cgroup v2:");
    for (name, seconds, well) in &played {
        let how = if *well { "passed" } else { "FAILED" };
        println!("{name:<24} {seconds:>6.0} s  {how}");
    }
    ensure!(!played.is_empty(), "no scene has such a name");
    Ok(match played.iter().all(|(_, _, well)| *well) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Every scene, with each of the kubelet's cgroup drivers.
fn scenes(versions: &Versions) -> Vec<Scene> {
    let runtime = versions.runtime.to_string();
    let kubernetes = versions.kubernetes.as_str();
    let demo = [
        "testbed",
        "demo",
        "--kubernetes",
        kubernetes,
        "--runtime",
        &runtime,
    ];
    let cluster = ["cluster", "--exact", "--nocapture", "--test-threads=64"];
    let commands = [
        ("demo", demo.to_vec()),
        ("install", [&cluster[..], &INSTALL].concat()),
        ("tests", [&cluster[..], &TESTS].concat()),
    ];
    let scene = |driver: CgroupDriver, (name, command): &(&str, Vec<&str>)| Scene {
        name: format!("{SCENES}{driver}::{name}"),
        driver,
        command: command.iter().map(|&word| word.to_owned()).collect(),
    };
    [CgroupDriver::Cgroupfs, CgroupDriver::Systemd]
        .into_iter()
        .flat_map(|driver| commands.iter().map(move |command| scene(driver, command)))
        .collect()
}

/// Builds the tests on a real node and says where their program is.
fn tests() -> Result<PathBuf> {
    let mut cargo = cargo::cargo();
    cargo
        .args([
            "test",
            "--no-run",
            "--package=pullwarden",
            "--features=real-node",
        ])
        .args(["--test=cluster", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = cargo.output().context("running cargo")?;
    ensure!(
        output.status.success(),
        "`cargo test --no-run` failed ({})",
        output.status
    );
    let found = output
        .stdout
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| cargo::executable(&line))
        .find(|(name, _)| name == "cluster");
    let (_, program) = found.context("cargo named no program `cluster`")?;
    Ok(program)
}

//! A tour of a node, on a real one (as root): a Pod that runs, Pods whose images cannot be pulled, a
//! component that is killed. With the argument `hold`, then holds the node until it is killed.
#![allow(clippy::print_stdout, reason = "the tour is for people")]
#![allow(
    clippy::disallowed_methods,
    reason = "a real node is waited for in real time"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testbed::{Component, Fault, Node, NodeOptions};

fn main() -> Result<()> {
    let mut options = NodeOptions::default();
    let mut hold = false;
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("kubernetes", version)) => version.clone_into(&mut options.kubernetes),
            Some(("runtime", runtime)) => options.runtime = runtime.parse()?,
            None if argument == "hold" => hold = true,
            _ => bail!("usage: tour [kubernetes=VERSION] [runtime=NAME:VERSION] [hold]"),
        }
    }
    let begun = Instant::now();
    let node = Node::start(options)?;
    println!(
        "ready after {:.1} s in {}",
        begun.elapsed().as_secs_f64(),
        node.dir().display()
    );

    node.push_image("app", "1")?;
    node.push_large_image("big", "1", 8 << 20)?;
    for (repository, fault) in [
        ("missing", Fault::Missing),
        ("denied", Fault::Denied),
        ("forbidden", Fault::Forbidden),
        ("unavailable", Fault::Unavailable),
        ("too-many", Fault::TooMany),
        ("big", Fault::Slow { seconds: 8 }),
    ] {
        node.set_fault(repository, fault)?;
    }
    run(&node, "good", "127.0.0.1:5000/app:1")?;
    wait(&node, "good", "{.status.phase}", "Succeeded")?;
    for repository in ["missing", "denied", "forbidden", "unavailable", "too-many"] {
        run(&node, repository, &format!("127.0.0.1:5001/{repository}:1"))?;
        let reason = "{.status.containerStatuses[0].state.waiting.reason}";
        wait(&node, repository, reason, "ErrImagePull")?;
        println!(
            "{repository}: {}",
            get(
                &node,
                repository,
                "{.status.containerStatuses[0].state.waiting.message}"
            )?
        );
    }
    let begun = Instant::now();
    run(&node, "slow", "127.0.0.1:5001/big:1")?;
    wait(&node, "slow", "{.status.phase}", "Succeeded")?;
    ensure!(
        begun.elapsed() > Duration::from_secs(6),
        "the slow pull was not slow"
    );

    node.set_fault("hang", Fault::Hang)?;
    run(&node, "hanging", "127.0.0.1:5001/hang:1")?;
    let asked = Instant::now();
    while !node
        .registry_log()?
        .iter()
        .any(|seen| seen.path.starts_with("/v2/hang/"))
    {
        ensure!(
            asked.elapsed() < testbed::longest(10),
            "nobody asked for the hanging image"
        );
        std::thread::sleep(Duration::from_millis(100));
    }

    for component in [Component::Runtime, Component::Kubelet, Component::Apiserver] {
        node.restart_component(component)?;
        node.kill_component(component)?;
        ensure!(
            !node.running()?.contains(&component),
            "{} runs",
            component.name()
        );
        node.start_component(component)?;
    }
    let devices = node.add_devices("pullwarden.test/device", 3)?;
    node.restart_component(Component::Kubelet)?;
    let limits = r#"{"spec":{"containers":[{"name":"device","image":"127.0.0.1:5000/app:1","args":["exit","0"],"resources":{"limits":{"pullwarden.test/device":"2"}}}]}}"#;
    run_with(
        &node,
        "device",
        "127.0.0.1:5000/app:1",
        &["--overrides", limits],
    )?;
    wait(&node, "device", "{.status.phase}", "Succeeded")?;
    drop(devices);
    println!("{} components run", node.running()?.len());
    node.enter()?;
    let inside = Command::new("ip").args(["-brief", "address"]).output()?;
    println!("{}", String::from_utf8_lossy(&inside.stdout));
    if hold {
        let mut sleeper = node.command("sleep").arg("1000").spawn()?;
        println!(
            "holding; pid {}, with a command of pid {}",
            std::process::id(),
            sleeper.id()
        );
        sleeper.wait()?;
    }
    Ok(())
}

fn run(node: &Node, name: &str, image: &str) -> Result<()> {
    run_with(node, name, image, &["--", "sleep", "1"])
}

fn run_with(node: &Node, name: &str, image: &str, more: &[&str]) -> Result<()> {
    let mut kubectl = node.kubectl();
    kubectl
        .args(["run", name, "--restart=Never", "--image", image])
        .args(more);
    let output = kubectl.output()?;
    ensure!(
        output.status.success(),
        "kubectl run: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn get(node: &Node, pod: &str, path: &str) -> Result<String> {
    let path = format!("-ojsonpath={path}");
    let output = node.kubectl().args(["get", "pod", pod, &path]).output()?;
    String::from_utf8(output.stdout).context("kubectl's output")
}

fn wait(node: &Node, pod: &str, path: &str, expected: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = get(node, pod, path)?;
        if found == expected {
            println!(
                "{pod}: {expected} after {:.1} s",
                begun.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        ensure!(
            begun.elapsed() < testbed::longest(10),
            "{pod}: {path} is {found:?}, not {expected}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

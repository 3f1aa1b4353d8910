//! The kubectl commands of docs/observability.md for the whole cluster, run as they stand there.

use testbed::Node;

use crate::agent::Plan;
use crate::bed::{Bed, Group};
use crate::shapes::{REGISTRY, container, pod};

/// The kubectl commands of the section on the whole cluster.
fn commands() -> Vec<&'static str> {
    let page = include_str!("../../docs/observability.md");
    let (_, answer) = page.split_once("## In the whole cluster\n").unwrap();
    let (answer, _) = answer.split_once("\n## ").unwrap();
    let commands = answer.lines().filter(|line| line.starts_with("kubectl "));
    commands.collect()
}

/// What a command prints, by a shell whose kubectl is the node's.
fn run(node: &Node, command: &str) -> String {
    let programs = node.plan().programs.kubernetes.display();
    let path = std::env::var("PATH").unwrap();
    let output = node
        .command("sh")
        .args(["-c", command])
        .env("PATH", format!("{programs}:{path}"))
        .env("KUBECONFIG", node.admin_kubeconfig())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_commands_of_the_documentation_find_what_was_failed_and_what_would_be() {
    let bed = Bed::of(Group::Main);
    let text = "mode: observe\nimagePullFailureCount: 1\nwarmUp: 0s\n";
    let _observes = Plan::new(&bed.node, "own-asked", text).start();
    let node = &bed.node;
    let image = |repository: &str| format!("{REGISTRY}/{repository}/missing:1");
    bed.run("own-asked", |cluster| {
        let image = image("own-asked");
        async move {
            let bad = pod("observed", vec![container("main", &image)]);
            cluster.create(bad).await;
            let said = || async {
                let events = cluster.events("observed").await;
                (!events.is_empty()).then_some(())
            };
            cluster.until("the Event", said).await;
        }
    });
    bed.run("asked", |cluster| {
        let image = image("asked");
        async move {
            let bad = pod("ended", vec![container("main", &image)]);
            cluster.create(bad).await;
            cluster.until_failed("ended").await;
            // The Event is the last that is written.
            let said = || async {
                let events = cluster.events("ended").await;
                (!events.is_empty()).then_some(())
            };
            cluster.until("the Event", said).await;
        }
    });
    let [failed, causes, events, would] = commands().try_into().unwrap();

    let failed = run(node, failed);
    let line = failed
        .lines()
        .find(|line| line.starts_with("asked/ended: ImageNotFound: "));
    assert!(
        line.is_some_and(|line| line.contains(&image("asked"))),
        "{failed}"
    );
    assert!(!failed.contains("observed"), "{failed}");

    let causes = run(node, causes);
    let counted = |line: &str| line.split_whitespace().nth(1) == Some("ImageNotFound");
    assert!(causes.lines().any(counted), "{causes}");

    let of = |events: &str, namespace: &str, name: &str| {
        let about = format!("pod/{name}");
        let mut lines = events.lines();
        lines.any(|line| line.starts_with(&format!("{namespace} ")) && line.contains(&about))
    };
    let events = run(node, events);
    assert!(
        of(&events, "asked", "ended") && !events.contains("observed"),
        "{events}"
    );
    let would = run(node, would);
    assert!(
        of(&would, "own-asked", "observed") && !would.contains("pod/ended"),
        "{would}"
    );
}

use serde_json::Value;

use crate::agent::Agent;
use crate::bed::{Bed, Group};
use crate::cluster::assert_failed_by_us;
use crate::shapes::{FAULTY, REGISTRY, container, pod};

/// Time of the last failure of Pod `a` that the agent has counted, in Unix microseconds.
fn last_failure_counted(agent: &Agent) -> i64 {
    let mut failures = agent.lines_of("failure");
    failures.retain(|line| line["pod"] == "a");
    let time = failures.last().unwrap()["time"].as_str().unwrap();
    time.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

#[test]
pub fn killed_between_failures_the_counts_go_on() {
    let bed = Bed::of(Group::Main);
    let mut agent = Agent::enforcing(&bed.node, "own-kill").start();
    bed.run("own-kill", |cluster| {
        let (bed, agent) = (&bed, &mut agent);
        async move {
            let image = format!("{FAULTY}/kill/missing:1");
            cluster
                .create(pod("a", vec![container("main", &image)]))
                .await;
            let mut away = Vec::new();
            for wanted in 1..=2 {
                let counted = || async { (agent.failures("a") == wanted).then_some(()) };
                cluster.until(&format!("failure {wanted}"), counted).await;
                let counted = last_failure_counted(agent);
                agent.kill();
                agent.start_again();
                let back = || async { (agent.failures("a") >= 1).then_some(agent.failures("a")) };
                let after = cluster.until("the agent to be back", back).await;
                assert_eq!(after, wanted, "as many as before");
                // It sees failures only from when its source of evidence is open.
                let open = || async { agent.source() };
                cluster.until("the source to be open", open).await;
                away.push(counted..testbed::unix_micros());
            }
            assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &image);
            let log = bed.node.registry_log().unwrap();
            let manifest = "/v2/kill/missing/manifests/1";
            let mut attempts: Vec<i64> = log
                .iter()
                .filter(|seen| seen.path == manifest)
                .map(|seen| i64::try_from(seen.time).unwrap() * 1000)
                .collect();
            // In one pull CRI-O asks twice, for an image and for an artifact. Pulls are ten seconds apart at least.
            attempts.dedup_by(|next, last| *next - *last < 1_000_000);
            assert_eq!(agent.failures_that_decided("a", &image), 3);
            // The kubelet may report an attempt some seconds later, to no agent. So what was made
            // after the last failure that was counted, and before the source was open, may be missed.
            let is_away = |at: &&i64| away.iter().any(|away| away.contains(*at));
            let most = 3 + attempts.iter().filter(is_away).count();
            assert!(
                (3..=most).contains(&attempts.len()),
                "{attempts:?} {away:?}"
            );
        }
    });
}

#[test]
fn damaged_state_file_is_set_aside_and_the_agent_goes_on() {
    let bed = Bed::of(Group::Main);
    let plan = Agent::enforcing(&bed.node, "own-damaged");
    let agent = plan
        .after("echo '{\"version\": 1, \"ledger' > $STATE/state.json")
        .start();
    bed.run("own-damaged", |cluster| {
        let agent = &agent;
        async move {
            let image = format!("{REGISTRY}/damaged/missing:1");
            cluster
                .create(pod("a", vec![container("main", &image)]))
                .await;
            assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &image);
            assert!(
                agent.log().contains("the state file cannot be used"),
                "{}",
                agent.log()
            );
            assert!(agent.state_dir().join("state.json.damaged").exists());
            let kept = std::fs::read_to_string(agent.state_dir().join("state.json")).unwrap();
            serde_json::from_str::<Value>(&kept).unwrap();
        }
    });
}

#[test]
fn on_a_full_disk_the_agent_goes_on() {
    let bed = Bed::of(Group::Main);
    let plan = Agent::enforcing(&bed.node, "own-full-disk");
    let full = "mount -t tmpfs -o size=4k tmpfs $STATE && (cat /dev/zero > $STATE/fill; true)";
    let agent = plan.after(full).start();
    bed.run("own-full-disk", |cluster| {
        let agent = &agent;
        async move {
            let image = format!("{REGISTRY}/full-disk/missing:1");
            cluster
                .create(pod("a", vec![container("main", &image)]))
                .await;
            assert_failed_by_us(&cluster.until_failed("a").await, "ImageNotFound", &image);
            let log = agent.log();
            let told = log.matches("the counts cannot be kept on disk").count();
            assert_eq!(told, 1, "told once: {log}");
        }
    });
}

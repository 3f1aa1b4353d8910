use std::fmt::Write as _;
use std::time::Duration;

use clap::ArgMatches;

use crate::agent::{PodStatus, Status, Unrecognised};
use crate::control::{self, Ask};

/// `pullwarden status`: asks the agent of this node.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let config = super::configuration_of_client(matches)?;
    let status: Status = control::ask(&config.control_socket, &Ask::Status).await?;
    let json = matches
        .get_one::<String>("output")
        .is_some_and(|o| o == "json");
    let text = match json {
        true => serde_json::to_string_pretty(&status)? + "\n",
        false => table(&status),
    };
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn table(status: &Status) -> String {
    let mut out = String::new();
    let runtime = if status.runtime {
        "answers"
    } else {
        "DOES NOT ANSWER"
    };
    let kept = if status.state_kept {
        "kept"
    } else {
        "NOT KEPT on disk"
    };
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let source = match status.evidence_source.as_str() {
        "" => String::new(),
        source => format!(" ({source})"),
    };
    line(format!(
        "node {}  mode {}  runtime {runtime}  evidence {}{source}  counts {kept}",
        status.node, status.mode, status.evidence
    ));
    line(format!(
        "{} Pods, {} unsettled  budget {} of {} spent",
        status.sandboxes, status.unsettled, status.budget_spent, status.budget
    ));
    if !status.configuration_refused.is_empty() {
        line(format!(
            "its configuration has changed and is REFUSED, the one before stays in force: {}",
            status.configuration_refused
        ));
    }
    if status.guard_tried == "not yet" && status.mode != "observe" {
        line("whether the API server holds this agent to its own node is not known yet: nothing is written before".to_owned());
    }
    if status.warm_up_left > 0 {
        let left = humantime::format_duration(Duration::from_secs(status.warm_up_left));
        line(format!("warming up: watching only for {left} more"));
    }
    if !status.held.is_empty() {
        let held = status
            .held
            .iter()
            .map(|(brake, count)| format!("{brake} {count}"));
        line(format!(
            "held by brakes: {}",
            held.collect::<Vec<_>>().join(", ")
        ));
    }
    if status.would_fail_then_started > 0 {
        line(format!(
            "{} Pods would have been failed and started after all",
            status.would_fail_then_started
        ));
    }
    if status.pods.is_empty() {
        line("no Pod of this node waits for an image".to_owned());
    }
    for pod in &status.pods {
        out.push_str(&entry(pod));
    }
    if !status.unrecognised.is_empty() {
        out.push_str(
            "\nerrors that this version does not know (judged as transient; please report them)\n",
        );
    }
    for Unrecognised { message, count } in &status.unrecognised {
        let _ = writeln!(out, "  {count} times  {message}");
    }
    out
}

fn entry(pod: &PodStatus) -> String {
    let mut out = String::new();
    let age = humantime::format_duration(Duration::from_secs(pod.lasting));
    // Writing into a String cannot fail.
    let _ = writeln!(out, "\n{}/{}  {}", pod.namespace, pod.pod, pod.decision);
    if !pod.image.is_empty() {
        let _ = writeln!(out, "  image    {}", pod.image);
        let _ = writeln!(
            out,
            "  cause    {} ({}), {} failures in {age}",
            pod.cause, pod.class, pod.failures
        );
        let _ = writeln!(out, "  error    {}", pod.error);
    }
    for (index, reason) in pod.reasons.iter().enumerate() {
        let head = if index == 0 { "why" } else { "" };
        let _ = writeln!(out, "  {head:<8} {reason}");
    }
    out
}

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use crate::agent::{PodStatus, Status};
use crate::config::Faults;
use crate::control;

/// `pullwarden status`: asks the agent of this node.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let status = control::ask(&control_socket(matches)?).await?;
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

/// `status` needs no node name, so a configuration that lacks only that will do.
fn control_socket(matches: &ArgMatches) -> Result<PathBuf, Faults> {
    let file = matches.get_one::<PathBuf>("config");
    let mut flags = std::collections::BTreeMap::from([("nodeName", "any".to_owned())]);
    if let Some(socket) = matches.get_one::<String>("controlSocket") {
        flags.insert("controlSocket", socket.clone());
    }
    let variable = |name: &str| std::env::var(name).ok();
    let config = crate::config::load(&flags, variable, file.map(PathBuf::as_path))?;
    Ok(config.control_socket)
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
    line(format!(
        "node {}  mode {}  runtime {runtime}  evidence {}  counts {kept}",
        status.node, status.mode, status.evidence
    ));
    line(format!(
        "{} Pods, {} unsettled  budget {} of {} spent",
        status.sandboxes, status.unsettled, status.budget_spent, status.budget
    ));
    if status.warm_up_left > 0 {
        let left = humantime::format_duration(Duration::from_secs(status.warm_up_left));
        line(format!("warming up: watching only for {left} more"));
    }
    if status.pods.is_empty() {
        line("no Pod of this node waits for an image".to_owned());
    }
    for pod in &status.pods {
        out.push_str(&entry(pod));
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
            "  cause    {}, {} failures in {age}",
            pod.cause, pod.failures
        );
        let _ = writeln!(out, "  error    {}", pod.error);
    }
    for (index, reason) in pod.reasons.iter().enumerate() {
        let head = if index == 0 { "why" } else { "" };
        let _ = writeln!(out, "  {head:<8} {reason}");
    }
    out
}

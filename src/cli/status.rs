use std::cmp::Reverse;
use std::path::Path;
use std::time::Duration;

use clap::ArgMatches;

use super::printing::{Printed, pretty, print};
use super::screen::{Screen, Tone, is_terminal};
use crate::agent::{PodStatus, Status, Unrecognised};
use crate::control::{self, Ask};

/// The time between two looks with `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// Where the text beside a head begins: of the node, of a Pod.
const COLUMNS: [usize; 2] = [10, 11];

/// Lines that an error may take; `explain` shows all of it.
const ERROR_LINES: usize = 2;

/// Empties the terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// How it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Wide,
    Json,
}

/// `pullwarden status`: asks the agent of this node; with `--watch` again and again.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let config = super::configuration_of_client(matches)?;
    let form = match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => Form::Json,
        Some("wide") => Form::Wide,
        _ => Form::Table,
    };
    let socket = &config.startup.control_socket;
    if !matches.get_flag("watch") {
        let status = control::ask(socket, &Ask::Status).await?;
        print(&text(&status, form)?)?;
        return Ok(());
    }
    watch(socket, form).await
}

/// An agent that is away for a while is asked again too: its absence is what is to be seen.
async fn watch(socket: &Path, form: Form) -> anyhow::Result<()> {
    let clear = if is_terminal() { CLEAR } else { "" };
    loop {
        let answer = control::ask(socket, &Ask::Status).await;
        let text = match answer {
            Ok(status) => text(&status, form)?,
            Err(error) => {
                let mut screen = Screen::new();
                screen.line(Tone::Bad, &format!("{error:#}"));
                screen.into_text()
            }
        };
        if print(&format!("{clear}{text}"))? == Printed::Closed {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn text(status: &Status, form: Form) -> anyhow::Result<String> {
    Ok(match form {
        Form::Json => pretty(status)?,
        Form::Table => page(status),
        Form::Wide => wide(status),
    })
}

fn page(status: &Status) -> String {
    let mut screen = Screen::new();
    node(&mut screen, status);
    for pod in sorted(&status.pods) {
        match pod.image.is_empty() {
            true => quiet_entry(&mut screen, pod),
            false => entry(&mut screen, pod),
        }
    }
    unrecognised(&mut screen, &status.unrecognised);
    screen.into_text()
}

/// What concerns the whole node.
fn node(screen: &mut Screen, status: &Status) {
    let [column, _] = COLUMNS;
    screen.line(
        Tone::Title,
        &format!(
            "node {}, mode {}, pullwarden {}",
            status.node, status.mode, status.version
        ),
    );
    let mut fact = |tone, head: &str, text: &str| screen.entry(tone, head, column, text);
    match status.runtime {
        true => fact(Tone::Well, "runtime", "answers"),
        false => fact(
            Tone::Bad,
            "runtime",
            "DOES NOT ANSWER: nothing new is seen until it does",
        ),
    }
    let source = match status.evidence_source.as_str() {
        "" => "",
        "kubelet" => ", from the kubelet",
        _ => ", from the API server",
    };
    match status.evidence.as_str() {
        "lost" => fact(
            Tone::Bad,
            "evidence",
            "LOST: what is missed until it is back is not counted",
        ),
        "closed" => fact(Tone::Plain, "evidence", "closed: nothing is waited for"),
        other => fact(Tone::Plain, "evidence", &format!("{other}{source}")),
    }
    if !status.state_kept {
        fact(
            Tone::Bad,
            "counts",
            "NOT KEPT on disk: a restart would lose them",
        );
    }
    let stuck = status
        .pods
        .iter()
        .filter(|pod| !pod.image.is_empty())
        .count();
    let pods = format!(
        "{} on this node, {} unsettled, {stuck} stuck",
        status.sandboxes, status.unsettled
    );
    fact(Tone::Plain, "Pods", &pods);
    let budget = format!("{} of {} Pods spent", status.budget_spent, status.budget);
    fact(Tone::Plain, "budget", &budget);
    if !status.configuration_refused.is_empty() {
        fact(
            Tone::Bad,
            "config",
            "REFUSED since its file has changed, the one before is in force:",
        );
        for line in status.configuration_refused.lines() {
            fact(Tone::Plain, "", line);
        }
    }
    if status.guard_tried == "not yet" && status.mode != "observe" {
        let text = "none before it is known that the API server holds this agent to its own node";
        fact(Tone::Notable, "writes", text);
    }
    if status.warm_up_left > 0 {
        let text = format!("watching only for {} more", age(status.warm_up_left));
        fact(Tone::Notable, "warm-up", &text);
    }
    if !status.held.is_empty() {
        let held = status
            .held
            .iter()
            .map(|(brake, count)| format!("{count} by {brake}"));
        fact(Tone::Notable, "held", &held.collect::<Vec<_>>().join(", "));
    }
    if status.would_fail_then_started > 0 {
        let text = format!(
            "{} Pods would have been failed and started after all",
            status.would_fail_then_started
        );
        fact(Tone::Notable, "wrong", &text);
    }
    if status.pods.is_empty() {
        screen.gap();
        screen.line(Tone::Plain, "no Pod of this node waits for an image");
    }
}

/// Those that are stuck first, the longest first.
fn sorted(pods: &[PodStatus]) -> Vec<&PodStatus> {
    let mut sorted: Vec<&PodStatus> = pods.iter().collect();
    sorted.sort_by_key(|pod| {
        let name = (&pod.namespace, &pod.pod, &pod.image);
        (pod.image.is_empty(), Reverse(pod.lasting), name)
    });
    sorted
}

/// A Pod that is stuck.
fn entry(screen: &mut Screen, pod: &PodStatus) {
    let [_, column] = COLUMNS;
    screen.gap();
    screen.line(Tone::Title, &title(pod));
    let mut fact =
        |tone, head: &str, text: &str| screen.entry(tone, &format!("  {head}"), column, text);
    fact(Tone::Plain, "image", &pod.image);
    fact(
        Tone::Plain,
        "cause",
        &format!("{} ({})", pod.cause, pod.class),
    );
    fact(
        Tone::Plain,
        "counted",
        &format!("{}, for {}", counted(pod), age(pod.lasting)),
    );
    if !pod.held_by.is_empty() {
        fact(Tone::Notable, "held by", &pod.held_by.join(", "));
    }
    // What is said above is not said again.
    let of_image = format!("{}: ", pod.image);
    let said = format!("{of_image}{}, ", pod.cause);
    let more = pod
        .reasons
        .iter()
        .filter(|reason| !reason.starts_with(&said));
    for (index, reason) in more.enumerate() {
        let reason = reason.strip_prefix(&of_image).unwrap_or(reason);
        fact(Tone::Plain, if index == 0 { "why" } else { "" }, reason);
    }
    for (index, next) in pod.next.iter().enumerate() {
        fact(Tone::Plain, if index == 0 { "next" } else { "" }, next);
    }
    screen.cut_entry(Tone::Plain, "  error", column, &pod.error, ERROR_LINES);
}

/// One that nothing is known against.
fn quiet_entry(screen: &mut Screen, pod: &PodStatus) {
    screen.gap();
    screen.line(Tone::Plain, &title(pod));
    let [_, column] = COLUMNS;
    for (index, reason) in pod.reasons.iter().enumerate() {
        let head = if index == 0 { "  why" } else { "" };
        screen.entry(Tone::Plain, head, column, reason);
    }
}

/// Its name, and what is done about it.
fn title(pod: &PodStatus) -> String {
    let decision = match pod.held_by.is_empty() {
        true => pod.decision.as_str(),
        false => "held",
    };
    format!("{}/{}: {decision}", pod.namespace, pod.pod)
}

fn counted(pod: &PodStatus) -> String {
    match pod.counted.as_str() {
        "" => format!("{} failures", pod.failures),
        counted => counted.to_owned(),
    }
}

fn unrecognised(screen: &mut Screen, errors: &[Unrecognised]) {
    if errors.is_empty() {
        return;
    }
    screen.gap();
    screen.line(
        Tone::Title,
        "errors that this version does not know (judged as transient; please report them)",
    );
    for Unrecognised { message, count } in errors {
        screen.cut_entry(
            Tone::Plain,
            &format!("  {count} times"),
            2 * COLUMNS[0],
            message,
            ERROR_LINES,
        );
    }
}

/// One line a Pod and image, below what concerns the node; nothing is cut.
fn wide(status: &Status) -> String {
    let mut screen = Screen::new().wide();
    node(&mut screen, status);
    if status.pods.is_empty() {
        return screen.into_text();
    }
    let head = [
        "POD", "VERDICT", "AGE", "CAUSE", "CLASS", "COUNTED", "HELD BY", "IMAGE", "NEXT", "ERROR",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    let dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    for pod in sorted(&status.pods) {
        let is_stuck = !pod.image.is_empty();
        rows.push(
            [
                format!("{}/{}", pod.namespace, pod.pod),
                pod.decision.clone(),
                if is_stuck {
                    age(pod.lasting)
                } else {
                    String::new()
                },
                pod.cause.clone(),
                pod.class.clone(),
                if is_stuck {
                    counted(pod)
                } else {
                    String::new()
                },
                pod.held_by.join(","),
                pod.image.clone(),
                pod.next.join("; "),
                pod.error.clone(),
            ]
            .map(dash),
        );
    }
    screen.gap();
    screen.table(&rows);
    unrecognised(&mut screen, &status.unrecognised);
    screen.into_text()
}

/// Whole seconds, the largest units first, without gaps: `1h5m`.
fn age(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.replace(' ', "")
}

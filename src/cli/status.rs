//! `pullwarden status`: the state of the node and of each Pod that is being judged.

use std::cmp::Reverse;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::arguments;
use super::printing::{pretty, print};
use super::screen::{Screen, Tone, age};
use super::watch::watch;
use crate::control;
use crate::judge::NodeMode;
use crate::view::{
    Ask, EvidenceState, FailingImage, GuardTried, PodStatus, ReasonKind, ReasonShown, SpentLimit,
    Status, Unrecognised,
};

/// Pause between two questions with `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

/// Columns where the text beside a head begins: of the node, of a Pod.
const COLUMNS: [usize; 2] = [10, 11];

/// Lines that an error may take; `explain` shows all of it.
const ERROR_LINES: usize = 2;

/// Output format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Wide,
    Json,
}

pub(super) fn command() -> Command {
    Command::new("status")
        .about("Show the stuck Pods of this node, their failure counts, and the next steps")
        .after_help(arguments::examples([
            (
                "The page again every two seconds",
                "pullwarden status --watch",
            ),
            (
                "Longer lines, with the whole names of images",
                "pullwarden status --output wide",
            ),
        ]))
        .arg(arguments::config())
        .args(arguments::keys_of(&["controlSocket"]))
        .arg(arguments::output(["table", "wide", "json"]))
        .arg(
            Arg::new("watch")
                .short('w')
                .long("watch")
                .action(ArgAction::SetTrue)
                .help("Repeat it every two seconds, until interrupted"),
        )
}

/// Asks the agent of this node and prints its answer; with `--watch` again and again.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let config = arguments::configuration_of_client(matches)?;
    let form = match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => Form::Json,
        Some("wide") => Form::Wide,
        _ => Form::Table,
    };
    let socket = &config.startup.control_socket;
    let ask = async || text(&control::ask(socket, &Ask::Status).await?, form);
    if matches.get_flag("watch") {
        return watch(form == Form::Json, PAUSE, ask).await;
    }
    print(&ask().await?)?;
    Ok(())
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
        match &pod.failing {
            None => quiet_entry(&mut screen, pod),
            Some(failing) => entry(&mut screen, pod, failing),
        }
    }
    unrecognised(&mut screen, &status.unrecognised);
    screen.into_text()
}

/// Prints the state of the whole node.
fn node(screen: &mut Screen, status: &Status) {
    let title = format!(
        "node {}, mode {}, pullwarden {}",
        status.node,
        status.mode.as_str(),
        status.version
    );
    screen.line(Tone::Title, &title);
    sources(screen, status);
    let mut fact = |tone, head: &str, text: &str| screen.entry(tone, head, COLUMNS[0], text);
    if !status.state_kept {
        let text = "NOT KEPT on disk: a restart would lose them";
        fact(Tone::Bad, "counts", text);
    }
    let stuck = status.pods.iter().filter(|pod| pod.failing.is_some());
    let pods = format!(
        "{} on this node, {} unsettled, {} stuck",
        status.sandboxes,
        status.unsettled,
        stuck.count()
    );
    fact(Tone::Plain, "Pods", &pods);
    let budget = format!("{} of {} Pods spent", status.budget_spent, status.budget);
    fact(Tone::Plain, "budget", &budget);
    fleet(screen, status);
    let mut fact = |tone, head: &str, text: &str| screen.entry(tone, head, COLUMNS[0], text);
    if let Some(faults) = &status.configuration_refused {
        let text = "REFUSED: the previous configuration stays in force";
        fact(Tone::Bad, "config", text);
        for line in faults.lines() {
            fact(Tone::Plain, "", line);
        }
    }
    if let Some(why) = &status.writes_stopped {
        fact(Tone::Bad, "writes", &format!("NO POD IS FAILED: {why}"));
    } else if status.guard_tried == GuardTried::NotYet && status.mode != NodeMode::Observe {
        let text = "none until a dry run shows that the API server limits this agent to its node";
        fact(Tone::Notable, "writes", text);
    }
    if status.warm_up_left_seconds > 0 {
        let text = format!("no Pod is failed for {}", age(status.warm_up_left_seconds));
        fact(Tone::Notable, "warm-up", &text);
    }
    if !status.held.is_empty() {
        let held = status.held.iter();
        let held = held.map(|(brake, count)| format!("{count} by {brake}"));
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

/// Prints the state of the fleet budget, if there is something to say.
fn fleet(screen: &mut Screen, status: &Status) {
    let fleet = &status.fleet_budget;
    let mut fact = |tone, text: &str| screen.entry(tone, "fleet", COLUMNS[0], text);
    if let Some(why) = &fleet.unusable {
        fact(Tone::Bad, &format!("NO POD IS FAILED: {why}"));
    }
    for SpentLimit { text, left_seconds } in &fleet.spent {
        let left = age(*left_seconds);
        fact(Tone::Notable, &format!("{text}, for {left} more"));
    }
    if !fleet.enabled && status.mode != NodeMode::Observe {
        fact(Tone::Notable, "no budget: each node fails Pods by its own");
    }
}

/// Prints whether the runtime and the evidence are there.
fn sources(screen: &mut Screen, status: &Status) {
    let mut fact = |tone, head: &str, text: &str| screen.entry(tone, head, COLUMNS[0], text);
    match status.runtime {
        true => fact(Tone::Well, "runtime", "answers"),
        false => fact(
            Tone::Bad,
            "runtime",
            "DOES NOT ANSWER: new Pods are not seen until it does",
        ),
    }
    let open = match status.evidence_source {
        None => "open".to_owned(),
        Some(source) => format!("open, from {}", source.title()),
    };
    match status.evidence {
        EvidenceState::Lost => fact(
            Tone::Bad,
            "evidence",
            "LOST: failed pulls are not counted until it is back",
        ),
        EvidenceState::Closed => fact(
            Tone::Plain,
            "evidence",
            "closed: no Pod may be waiting for an image",
        ),
        EvidenceState::Open => fact(Tone::Plain, "evidence", &open),
    }
}

/// Returns the Pods that are stuck first, the longest first.
fn sorted(pods: &[PodStatus]) -> Vec<&PodStatus> {
    let mut sorted: Vec<&PodStatus> = pods.iter().collect();
    sorted.sort_by_key(|pod| {
        let failing = pod.failing.as_ref();
        let lasting = failing.map(|failing| failing.lasting_seconds);
        let image = failing.map(|failing| &failing.image);
        (Reverse(lasting), &pod.namespace, &pod.pod, image)
    });
    sorted
}

/// Prints a Pod that is stuck.
fn entry(screen: &mut Screen, pod: &PodStatus, failing: &FailingImage) {
    let [_, column] = COLUMNS;
    screen.gap();
    screen.line(Tone::Title, &title(pod));
    let mut fact =
        |tone, head: &str, text: &str| screen.entry(tone, &format!("  {head}"), column, text);
    let FailingImage {
        image,
        cause,
        class,
        ..
    } = failing;
    fact(Tone::Plain, "image", image);
    fact(Tone::Plain, "cause", &format!("{cause} ({class})"));
    let lasting = age(failing.lasting_seconds);
    let counted = format!("{}, for {lasting}", counted(failing));
    fact(Tone::Plain, "counted", &counted);
    if !pod.held_by.is_empty() {
        fact(Tone::Notable, "held by", &pod.held_by.join(", "));
    }
    let is_of_image = |reason: &ReasonShown| reason.image.as_ref() == Some(image);
    // The progress of this image is above, and so is its name.
    let more = pod.reasons.iter();
    let more = more.filter(|r| !(is_of_image(r) && r.kind == ReasonKind::Threshold));
    for (index, reason) in more.enumerate() {
        let text = match is_of_image(reason) {
            true => reason.text.clone(),
            false => reason.to_string(),
        };
        fact(Tone::Plain, if index == 0 { "why" } else { "" }, &text);
    }
    for (index, next) in pod.next.iter().enumerate() {
        let head = if index == 0 { "next" } else { "" };
        fact(Tone::Plain, head, &next.text);
    }
    screen.cut_entry(Tone::Plain, "  error", column, &failing.error, ERROR_LINES);
}

/// Prints a Pod without failed pulls.
fn quiet_entry(screen: &mut Screen, pod: &PodStatus) {
    screen.gap();
    screen.line(Tone::Plain, &title(pod));
    let [_, column] = COLUMNS;
    for (index, reason) in pod.reasons.iter().enumerate() {
        let head = if index == 0 { "  why" } else { "" };
        screen.entry(Tone::Plain, head, column, &reason.to_string());
    }
}

/// Returns the Pod's name and the decision on it.
fn title(pod: &PodStatus) -> String {
    let decision = match pod.held_by.is_empty() {
        true => pod.decision.as_str(),
        false => "held",
    };
    format!("{}/{}: {decision}", pod.namespace, pod.pod)
}

fn counted(failing: &FailingImage) -> String {
    match &failing.counted {
        None => format!("{} failures", failing.failures),
        Some(counted) => counted.text.clone(),
    }
}

fn unrecognised(screen: &mut Screen, errors: &[Unrecognised]) {
    if errors.is_empty() {
        return;
    }
    screen.gap();
    let title = "unrecognised errors (treated as transient; please report them)";
    screen.line(Tone::Title, title);
    for Unrecognised { message, count } in errors {
        let head = format!("  {count} times");
        screen.cut_entry(Tone::Plain, &head, 2 * COLUMNS[0], message, ERROR_LINES);
    }
}

/// Returns one line for each Pod and image, below the state of the node; nothing is cut.
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
    let dash = |text: String| match text.is_empty() {
        true => "-".to_owned(),
        false => text,
    };
    for pod in sorted(&status.pods) {
        let of_image = |text: &dyn Fn(&FailingImage) -> String| {
            pod.failing.as_ref().map(text).unwrap_or_default()
        };
        let next: Vec<&str> = pod.next.iter().map(|next| next.text.as_str()).collect();
        let row = [
            format!("{}/{}", pod.namespace, pod.pod),
            pod.decision.as_str().to_owned(),
            of_image(&|failing| age(failing.lasting_seconds)),
            of_image(&|failing| failing.cause.to_string()),
            of_image(&|failing| failing.class.to_string()),
            of_image(&counted),
            pod.held_by.join(","),
            of_image(&|failing| failing.image.clone()),
            next.join("; "),
            of_image(&|failing| failing.error.clone()),
        ];
        rows.push(row.map(dash));
    }
    screen.gap();
    screen.table(&rows);
    unrecognised(&mut screen, &status.unrecognised);
    screen.into_text()
}

//! `pullwarden explain`: why a Pod was, or was not, failed; or what the cause of an error is.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgGroup, ArgMatches, Command};
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments;
use super::history::{self, Entry, History};
use super::printing::{Printed, outcome, pretty, print};
use super::screen::{Screen, Tone, age};
use crate::control;
use crate::judge::{BehindMirror, Cause, named_image};
use crate::text::escaping;
use crate::view::{Ask, Explanation, ImageExplained, Known, NextStep, ReasonShown};

/// Image that stands for one that an error does not name: of a registry that nobody has.
const UNNAMED: &str = "registry.invalid/unnamed";

/// Column where the text beside a head begins.
const COLUMN: usize = 9;

/// Column where the text beside a time begins.
const HISTORY: usize = 22;

/// Lines that an entry of the history may take: the last error is above as a whole.
const STATE_LINES: usize = 3;

pub(super) fn command() -> Command {
    Command::new("explain")
        .about("Explain why a Pod was, or was not, failed; or the cause of an error")
        .after_help(arguments::examples([
            ("Why was this Pod failed, or why not?", "pullwarden explain team-a/train-x7k2q"),
            ("The cause that a waiting reason gives", "pullwarden explain --reason ErrImageNeverPull"),
        ]))
        .arg(
            Arg::new("pod")
                .value_name("NAMESPACE/POD")
                .help("The Pod; the namespace is `default` if none is given"),
        )
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("REASON")
                .conflicts_with("pod")
                .help("A container's waiting reason [default: ErrImagePull]"),
        )
        .arg(
            Arg::new("message")
                .long("message")
                .value_name("TEXT")
                .allow_hyphen_values(true)
                .conflicts_with("pod")
                .help("Its waiting message; `-` reads many, one JSON string a line, and prints one JSON object a line"),
        )
        .arg(arguments::output(["text", "json"]))
        .group(ArgGroup::new("what").args(["pod", "reason", "message"]).multiple(true).required(true))
        .arg(arguments::config())
        .args(arguments::keys_of(&["controlSocket", "logDir"]))
}

/// Explains one Pod, or the cause of one or many errors.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let json = text("output") == Some("json");
    let reason = text("reason").unwrap_or("ErrImagePull");
    match (text("message"), text("pod")) {
        (Some("-"), _) => causes(&mirrors(matches)?, reason),
        (Some(message), _) => cause(&mirrors(matches)?, reason, message, json),
        (None, Some(pod)) => explain_pod(matches, pod, json).await,
        // Some reasons need no message.
        (None, None) => cause(&mirrors(matches)?, reason, "", json),
    }
}

/// Returns the registries behind a mirror, by the configuration.
fn mirrors(matches: &ArgMatches) -> anyhow::Result<BehindMirror> {
    let config = arguments::configuration_of_client(matches)?;
    Ok(config.policy.behind_mirror)
}

/// Returns the cause of an error. The error itself names the image.
fn cause_of(mirrors: &BehindMirror, reason: &str, message: &str) -> Cause {
    let image = named_image(message).unwrap_or(UNNAMED);
    mirrors.cause(image, Cause::of(reason, message))
}

fn cause(mirrors: &BehindMirror, reason: &str, message: &str, json: bool) -> anyhow::Result<()> {
    let cause = cause_of(mirrors, reason, message);
    let class = cause.class();
    let text = match json {
        true => object(cause).to_string() + "\n",
        false => format!(
            "cause  {cause}\nclass  {class}\nmeans  {}{}\n",
            cause.meaning(),
            if cause.counts() { "" } else { " (not counted)" }
        ),
    };
    print(&text)?;
    Ok(())
}

fn object(cause: Cause) -> Value {
    json!({"cause": cause.as_str(), "class": cause.class().as_str()})
}

/// Reads one JSON string a line and prints one JSON object a line, in the same order. A line that
/// is no JSON string is answered with an error, so that the others keep their places.
fn causes(mirrors: &BehindMirror, reason: &str) -> anyhow::Result<()> {
    let mut input = std::io::BufReader::new(std::io::stdin().lock());
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let (mut lines, mut bad) = (0_u64, 0_u64);
    while input
        .read_until(b'\n', &mut line)
        .context("reading the messages")?
        > 0
    {
        lines += 1;
        let answer = match serde_json::from_slice::<String>(&line) {
            Ok(message) => object(cause_of(mirrors, reason, &message)),
            Err(error) => {
                bad += 1;
                json!({"error": format!("line {lines} is not a JSON string: {error}")})
            }
        };
        let mut written = writeln!(output, "{}", escaping::json(&answer.to_string()));
        // Whoever asks line by line waits for each answer.
        if written.is_ok() && input.buffer().is_empty() {
            written = output.flush();
        }
        if outcome(written)? == Printed::Closed {
            return Ok(());
        }
        line.clear();
    }
    outcome(output.flush())?;
    if bad > 0 {
        bail!("{bad} of {lines} lines are not JSON strings");
    }
    Ok(())
}

/// Explanation of a Pod with its history from the node's log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(flatten)]
    explanation: Explanation,
    /// Entries of the node's log, the oldest first.
    history: Vec<Entry>,
    /// Error of reading the node's log; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_error: Option<String>,
}

async fn explain_pod(matches: &ArgMatches, pod: &str, json: bool) -> anyhow::Result<()> {
    let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
    let config = arguments::configuration_of_client(matches)?;
    let ask = Ask::Explain {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
    };
    let answer = control::ask::<Explanation>(&config.startup.control_socket, &ask).await;
    let past = history::read(&config.startup.log_dir, namespace, name).with_context(|| {
        format!(
            "reading the node's log in {}",
            config.startup.log_dir.display()
        )
    });
    let (past, history_error) = match past {
        Ok(past) => (past, None),
        Err(error) => (History::default(), Some(format!("{error:#}"))),
    };
    let explanation = match answer {
        Ok(explanation) => with_past(explanation, &past),
        // Without the agent the node's log may still have something.
        Err(error) if !past.entries.is_empty() => {
            let summary = format!("only what the node's log has, without the agent: {error:#}");
            Explanation::bare(namespace, name, Known::Past, summary)
        }
        Err(error) => return Err(error),
    };
    let answer = Answer {
        explanation,
        history: past.entries,
        history_error,
    };
    let text = match json {
        true => pretty(&answer)?,
        false => page(&answer),
    };
    print(&text)?;
    Ok(())
}

/// Adds the log's facts about a Pod that is not judged any more.
fn with_past(mut explanation: Explanation, past: &History) -> Explanation {
    if explanation.known != Known::Judged
        && let Some(at) = &past.failed_at
    {
        explanation.known = Known::Past;
        explanation.summary = format!("pullwarden failed the Pod at {at}");
        explanation.next.push(NextStep::after_failing());
    } else if explanation.known == Known::Never && !past.entries.is_empty() {
        explanation.known = Known::Past;
        explanation.summary =
            "the Pod was judged before, and is not Pending on this node any more".to_owned();
    }
    explanation
}

fn page(answer: &Answer) -> String {
    let explanation = &answer.explanation;
    let mut screen = Screen::new();
    let (namespace, pod) = (&explanation.namespace, &explanation.pod);
    screen.line(Tone::Title, &format!("{namespace}/{pod}"));
    if let Some(uid) = &explanation.uid {
        fact(&mut screen, "uid", uid);
    }
    if let (Some(node), Some(mode)) = (&explanation.node, explanation.mode) {
        let node = format!("{node}, mode {}", mode.as_str());
        fact(&mut screen, "node", &node);
    }
    fact(&mut screen, "known", &explanation.summary);
    for image in &explanation.images {
        entry(&mut screen, image);
    }
    if let Some(decision) = explanation.decision {
        screen.gap();
        fact(&mut screen, "verdict", decision.as_str());
    }
    let reasons = explanation.reasons.iter().map(ReasonShown::to_string);
    list(&mut screen, "why", reasons);
    let next = explanation.next.iter().map(|next| next.text.clone());
    list(&mut screen, "next", next);
    list(&mut screen, "note", explanation.notes.iter().cloned());
    if !answer.history.is_empty() || answer.history_error.is_some() {
        screen.gap();
        screen.line(Tone::Title, "history");
    }
    for entry in &answer.history {
        past(&mut screen, entry);
    }
    if let Some(error) = &answer.history_error {
        screen.line(Tone::Plain, error);
    }
    screen.into_text()
}

fn fact(screen: &mut Screen, head: &str, text: &str) {
    screen.entry(Tone::Plain, head, COLUMN, text);
}

/// Prints an entry of the history. Verdicts are never cut.
fn past(screen: &mut Screen, entry: &Entry) {
    let Entry { time, kind, text } = entry;
    match *kind == history::VERDICT {
        true => screen.entry(Tone::Plain, time, HISTORY, text),
        false => screen.cut_entry(Tone::Plain, time, HISTORY, text, STATE_LINES),
    }
}

fn entry(screen: &mut Screen, image: &ImageExplained) {
    screen.gap();
    fact(screen, "image", &image.image);
    let cause = format!("{} ({}): {}", image.cause, image.class, image.meaning);
    fact(screen, "cause", &cause);
    let counted = format!(
        "{} failures in {}, a streak of {} for imagePullFailureCount",
        image.failures,
        age(image.lasting_seconds),
        image.streak
    );
    fact(screen, "counted", &counted);
    let spared = image.spared.iter().map(|once| once.text().to_owned());
    list(screen, "spared", spared);
    fact(screen, "error", &image.error);
}

fn list(screen: &mut Screen, head: &str, lines: impl Iterator<Item = String>) {
    for (index, line) in lines.enumerate() {
        fact(screen, if index == 0 { head } else { "" }, &line);
    }
}

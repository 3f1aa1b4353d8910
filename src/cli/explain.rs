use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ArgMatches;
use serde_json::{Value, json};

use super::history;
use super::printing::{Printed, outcome, pretty, print};
use super::screen::{Screen, Tone};
use crate::agent::{Explanation, ImageExplained, Known};
use crate::control::{self, Ask};
use crate::escaping;
use crate::judge::Cause;

/// Where the text beside a head begins, and beside a time.
const COLUMN: usize = 9;
const HISTORY: usize = 22;

/// Lines that what a Pod's containers showed may take: all that the last error says is above.
const STATE_LINES: usize = 3;

/// `pullwarden explain`: one Pod, or the cause of an error.
pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let json = text("output") == Some("json");
    let reason = text("reason").unwrap_or("ErrImagePull");
    match (text("message"), text("pod")) {
        (Some("-"), _) => causes(reason),
        (Some(message), _) => cause(reason, message, json),
        (None, Some(pod)) => explain_pod(matches, pod, json).await,
        // Some reasons say it all.
        (None, None) => cause(reason, "", json),
    }
}

fn cause(reason: &str, message: &str, json: bool) -> anyhow::Result<()> {
    let cause = Cause::of(reason, message);
    let class = cause.class();
    let text = match json {
        true => object(cause).to_string() + "\n",
        false => format!(
            "cause  {cause}\nclass  {class}\nmeans  {}{}\n",
            cause.meaning(),
            if cause.counts() {
                ""
            } else {
                " (counts for nothing)"
            }
        ),
    };
    print(&text)?;
    Ok(())
}

fn object(cause: Cause) -> Value {
    json!({"cause": cause.as_str(), "class": cause.class().as_str()})
}

/// One JSON string a line in, one JSON object a line out, in order. A line that is no JSON string is answered with an error, so that the others keep
/// their places.
fn causes(reason: &str) -> anyhow::Result<()> {
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
            Ok(message) => object(Cause::of(reason, &message)),
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

async fn explain_pod(matches: &ArgMatches, pod: &str, json: bool) -> anyhow::Result<()> {
    let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
    let config = super::configuration_of_client(matches)?;
    let ask = Ask::Explain {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
    };
    let answer = control::ask::<Explanation>(&config.startup.control_socket, &ask).await;
    let dir = &config.startup.log_dir;
    let past = history::read(dir, namespace, name)
        .with_context(|| format!("reading the node's log in {}", dir.display()));
    let explanation = match (answer, past) {
        (Ok(mut explanation), Ok(past)) => {
            if explanation.known != Known::Judged
                && let Some(at) = &past.failed_at
            {
                explanation.known = Known::Past;
                explanation.summary = format!("pullwarden has failed it, at {at}");
            } else if explanation.known == Known::Never && !past.lines.is_empty() {
                explanation.known = Known::Past;
                explanation.summary =
                    "it was judged before, and is not Pending on this node any more".to_owned();
            }
            explanation.history = past.lines;
            explanation
        }
        (Ok(mut explanation), Err(error)) => {
            explanation.history = vec![format!("{error:#}")];
            explanation
        }
        // What was written down is worth showing without the agent.
        (Err(error), Ok(past)) if !past.lines.is_empty() => Explanation {
            namespace: namespace.to_owned(),
            pod: name.to_owned(),
            uid: String::new(),
            node: String::new(),
            mode: String::new(),
            known: Known::Past,
            summary: format!("only what the node's log has is known: {error:#}"),
            decision: String::new(),
            reasons: Vec::new(),
            next: Vec::new(),
            images: Vec::new(),
            history: past.lines,
        },
        (Err(error), _) => return Err(error),
    };
    let text = match json {
        true => pretty(&explanation)?,
        false => page(&explanation),
    };
    print(&text)?;
    Ok(())
}

fn page(explanation: &Explanation) -> String {
    let mut screen = Screen::new();
    let (namespace, pod) = (&explanation.namespace, &explanation.pod);
    screen.line(Tone::Title, &format!("{namespace}/{pod}"));
    let fact = |screen: &mut Screen, head: &str, text: &str| {
        screen.entry(Tone::Plain, head, COLUMN, text);
    };
    if !explanation.uid.is_empty() {
        fact(&mut screen, "uid", &explanation.uid);
    }
    if !explanation.mode.is_empty() {
        let node = format!("{}, mode {}", explanation.node, explanation.mode);
        fact(&mut screen, "node", &node);
    }
    fact(&mut screen, "known", &explanation.summary);
    for image in &explanation.images {
        entry(&mut screen, image);
    }
    if !explanation.decision.is_empty() {
        screen.gap();
        fact(&mut screen, "verdict", &explanation.decision);
    }
    list(&mut screen, "why", &explanation.reasons);
    list(&mut screen, "next", &explanation.next);
    if !explanation.history.is_empty() {
        screen.gap();
        screen.line(Tone::Title, "history");
    }
    for line in &explanation.history {
        match line.split_once("  ") {
            Some((time, what)) => event(&mut screen, time, what),
            None => screen.line(Tone::Plain, line),
        }
    }
    screen.into_text()
}

/// A line of the history. Verdicts are shown whole.
fn event(screen: &mut Screen, time: &str, what: &str) {
    let verdicts = ["settle: ", "wait: ", "hold: ", "condemn: "];
    match verdicts.iter().any(|verdict| what.starts_with(verdict)) {
        true => screen.entry(Tone::Plain, time, HISTORY, what),
        false => screen.cut_entry(Tone::Plain, time, HISTORY, what, STATE_LINES),
    }
}

fn entry(screen: &mut Screen, image: &ImageExplained) {
    let age = humantime::format_duration(Duration::from_secs(image.lasting));
    screen.gap();
    screen.entry(Tone::Plain, "image", COLUMN, &image.image);
    let cause = format!("{} ({}): {}", image.cause, image.class, image.meaning);
    screen.entry(Tone::Plain, "cause", COLUMN, &cause);
    let counted = format!(
        "{} failures in {age}, {} in a row for a failure count",
        image.failures, image.in_a_row
    );
    screen.entry(Tone::Plain, "counted", COLUMN, &counted);
    list(screen, "spared", &image.spared);
    screen.entry(Tone::Plain, "error", COLUMN, &image.error);
}

fn list(screen: &mut Screen, head: &str, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        let head = if index == 0 { head } else { "" };
        screen.entry(Tone::Plain, head, COLUMN, line);
    }
}

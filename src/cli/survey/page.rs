//! A survey for people: a table of 80 columns, or one line for each row.

use crate::cli::screen::{Screen, Tone};
use crate::survey::{Act, Failed, Holding, Holds, Row, Survey};

/// Column where the text beside a head begins.
const COLUMN: usize = 10;

/// Column of the texts below a row.
const BELOW: usize = 7;

/// Returns the survey in 80 columns.
pub(super) fn page(survey: &Survey) -> String {
    let mut screen = Screen::new();
    cluster(&mut screen, survey);
    if survey.rows.is_empty() {
        return screen.into_text();
    }
    let head = [
        "PODS", "NODES", "OLDEST", "CPU", "MEMORY", "DEVICES", "CAUSE",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for row in &survey.rows {
        let Row {
            holding,
            cause,
            class,
            ..
        } = row;
        rows.push([
            holding.pods.to_string(),
            holding.nodes.to_string(),
            oldest(holding),
            number(holding.holds.cpu),
            bytes(holding.holds.memory_bytes),
            number(
                holding
                    .holds
                    .devices
                    .values()
                    .fold(0.0, |sum, more| sum + more),
            ),
            format!("{cause} ({class})"),
        ]);
    }
    screen.gap();
    screen.table_with(&rows, |screen, index| {
        let Some(row) = index.checked_sub(1).and_then(|at| survey.rows.get(at)) else {
            return;
        };
        screen.entry(Tone::Plain, "", BELOW, &row.name);
        for plan in plans(&row.holding) {
            screen.entry(Tone::Plain, "", BELOW, &plan);
        }
    });
    screen.into_text()
}

/// Prints the sums over the whole cluster.
fn cluster(screen: &mut Screen, survey: &Survey) {
    let Survey {
        pods,
        waiting,
        rules,
        ..
    } = survey;
    let scope = match &survey.namespace {
        Some(name) => format!("namespace {name}"),
        None => "all namespaces".to_owned(),
    };
    let title = format!(
        "{scope}: {} wait for images that cannot be pulled",
        many(waiting.pods, "Pod")
    );
    screen.line(Tone::Title, &title);
    let mut fact = |tone, head: &str, text: &str| screen.entry(tone, head, COLUMN, text);
    if waiting.pods > 0 {
        let where_to = format!(
            "{} on {}, in {}, of {}; the oldest for {}",
            many(waiting.images as u64, "image"),
            many(waiting.nodes as u64, "node"),
            many(waiting.namespaces as u64, "namespace"),
            many(waiting.owners as u64, "owner"),
            oldest(waiting)
        );
        fact(Tone::Plain, "images", &where_to);
        fact(Tone::Plain, "they hold", &held(&waiting.holds));
    }
    let mut others = vec![
        format!("{} unscheduled", pods.unscheduled),
        format!("{} for other reasons", pods.other),
    ];
    for (count, what) in [
        (pods.too_large, "too large to be judged"),
        (pods.unreadable, "that cannot be read"),
    ] {
        if count > 0 {
            others.push(format!("{count} {what}"));
        }
    }
    let others = format!("Pending too: {}", others.join(", "));
    fact(Tone::Plain, "others", &others);
    if let Some(failed) = &survey.failed {
        fact(Tone::Notable, "failed", &lately(failed));
    }
    if waiting.pods > 0 {
        let config = rules.config.as_deref().unwrap_or("the defaults");
        let text = format!(
            "{config} (mode {}): \"would\" says what an agent does, by the failures that it counts on its node",
            rules.mode
        );
        fact(Tone::Plain, "rules", &text);
    }
    for note in &survey.notes {
        fact(Tone::Notable, "note", note);
    }
}

/// Returns one line for each row, below the sums; nothing is cut.
pub(super) fn wide(survey: &Survey) -> String {
    let mut screen = Screen::new().wide();
    cluster(&mut screen, survey);
    if survey.rows.is_empty() {
        return screen.into_text();
    }
    let head = [
        "PODS",
        "IMAGES",
        "NODES",
        "NAMESPACES",
        "OWNERS",
        "OLDEST",
        "CPU",
        "MEMORY",
        "DEVICES",
        "CAUSE",
        "CLASS",
        "REGISTRY",
        survey.by.as_str(),
        "PLAN",
    ];
    let mut rows = vec![head.map(str::to_uppercase)];
    for row in &survey.rows {
        let holding = &row.holding;
        let cells = [
            holding.pods.to_string(),
            holding.images.to_string(),
            holding.nodes.to_string(),
            holding.namespaces.to_string(),
            holding.owners.to_string(),
            oldest(holding),
            number(holding.holds.cpu),
            bytes(holding.holds.memory_bytes),
            devices(&holding.holds).join(","),
            row.cause.to_string(),
            row.class.clone(),
            row.registries.join(","),
            row.name.clone(),
            plans(holding).join("; "),
        ];
        rows.push(cells.map(|cell| match cell.is_empty() {
            true => "-".to_owned(),
            false => cell,
        }));
    }
    screen.gap();
    screen.table(&rows);
    screen.into_text()
}

/// Returns the plans, each with its number of Pods if there are several.
fn plans(holding: &Holding) -> Vec<String> {
    let is_one = holding.would.len() == 1;
    let plans = holding.would.iter().map(|plan| {
        let text = match plan.action {
            // These are states, and no actions of an agent.
            Act::Unknown | Act::Ending => plan.text.clone(),
            _ => format!("would {}", plan.text),
        };
        match is_one {
            true => text,
            false => format!("{text} ({})", many(plan.pods, "Pod")),
        }
    });
    plans.collect()
}

fn lately(failed: &Failed) -> String {
    let causes = failed.by_cause.iter();
    let causes: Vec<String> = causes
        .map(|(cause, pods)| format!("{pods} {cause}"))
        .collect();
    let pods = many(failed.pods, "Pod");
    let text = format!("{pods} by pullwarden in the last hour");
    match causes.is_empty() {
        true => text,
        false => format!("{text}: {}", causes.join(", ")),
    }
}

fn held(holds: &Holds) -> String {
    let mut all = vec![
        format!("{} cores", number(holds.cpu)),
        format!("{} of memory", bytes(holds.memory_bytes)),
    ];
    all.extend(devices(holds));
    all.join(", ")
}

fn devices(holds: &Holds) -> Vec<String> {
    let devices = holds.devices.iter();
    let devices = devices.filter(|(_, amount)| **amount > 0.0);
    devices
        .map(|(name, amount)| format!("{} {name}", number(*amount)))
        .collect()
}

fn many(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

/// Returns the age of the oldest Pod in its two largest units; without seconds from a minute on.
fn oldest(holding: &Holding) -> String {
    let Some(seconds) = holding.oldest_seconds else {
        return "-".to_owned();
    };
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, _, _) => format!("{hours}h{minutes}m"),
        (_, 0, _) => format!("{days}d"),
        (_, _, _) => format!("{days}d{hours}h"),
    }
}

/// Returns an amount with as many decimals as it needs, two at most, and fewer if it is large.
fn number(amount: f64) -> String {
    let text = match amount {
        ..10.0 => format!("{amount:.2}"),
        ..100.0 => format!("{amount:.1}"),
        _ => return format!("{amount:.0}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn bytes(amount: f64) -> String {
    const UNITS: [&str; 7] = ["B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let (mut amount, mut unit) = (amount, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match amount > 0.0 {
        true => number(amount) + UNITS[unit],
        false => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (amount, expected) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (4.0, "4"),
            (0.25, "0.25"),
            (10.0, "10"),
            (99.96, "100"),
            (1234.5, "1234"),
        ] {
            assert_eq!(number(amount), expected);
        }
        for (amount, expected) in [
            (0.0, "0"),
            (512.0, "512B"),
            (1536.0, "1.5Ki"),
            (1e24, "867362Ei"),
        ] {
            assert_eq!(bytes(amount), expected);
        }
    }
}

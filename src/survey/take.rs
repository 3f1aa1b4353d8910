//! Takes a survey: reads the API server's list of Pending Pods, and writes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use kube::Client;

use super::answer::{Failed, Holding, Rules, Survey, Total, rows};
use super::table::{By, Seen, Table};
use crate::api::ApiError;
use crate::clock::Clock;
use crate::evidence::{self, Paged};
use crate::judge::{Cause, Policy};
use crate::pod_fields::CONDITION;

/// Times that a list is begun. The API server keeps one for some five minutes, and then answers
/// 410.
const ATTEMPTS: u32 = 3;

/// Time before the survey in which a failed Pod counts.
const LATELY: Duration = Duration::from_secs(3600);

/// Question of a survey.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Namespace; `None` for all.
    pub namespace: Option<String>,
    /// Field to group by.
    pub by: By,
    /// True if the Pods that agents failed are counted too.
    pub failed: bool,
    /// Policy of the agents.
    pub policy: Policy,
    /// File that the policy was read from; `None` for the defaults.
    pub config: Option<String>,
}

/// Findings of one list, which may have been begun several times.
struct Listed<T> {
    found: T,
    pages: u64,
    unreadable: u64,
    notes: Vec<String>,
}

/// Takes a survey of the cluster.
///
/// # Errors
/// If a list is refused or does not come.
pub async fn take(client: &Client, asked: &Asked, clock: &Clock) -> anyhow::Result<Survey> {
    let namespace = asked.namespace.as_deref();
    let pending = anew(async || pending(client, asked).await).await;
    let pending = pending.map_err(|error| explained(&error, namespace))?;
    let (mut requests, mut notes) = (pending.pages, pending.notes);
    let failed = match asked.failed {
        false => None,
        true => {
            let failed = anew(async || failed(client, namespace, clock.wall()).await).await;
            let failed = failed.map_err(|error| explained(&error, namespace))?;
            requests += failed.pages;
            notes.extend(failed.notes);
            Some(failed.found)
        }
    };
    let (table, now) = (pending.found, clock.wall());
    Ok(Survey {
        time: now,
        namespace: asked.namespace.clone(),
        by: asked.by,
        rules: Rules::of(&asked.policy, asked.config.as_deref()),
        pods: Total::of(&table, pending.unreadable),
        waiting: Holding::of(&table.total, now),
        rows: rows(&table, now),
        failed,
        requests,
        notes,
    })
}

/// Begins a list anew while the API server answers that it has become too old.
async fn anew<T>(
    mut list: impl AsyncFnMut() -> Result<Listed<T>, ApiError>,
) -> Result<Listed<T>, ApiError> {
    let mut attempts = 1;
    loop {
        match list().await {
            Err(ApiError::Refused(refused)) if refused.code == 410 && attempts < ATTEMPTS => {
                attempts += 1;
            }
            Ok(mut listed) if attempts > 1 => {
                let note = format!(
                    "the list became too old while it was read, and was begun {attempts} times"
                );
                listed.notes.push(note);
                return Ok(listed);
            }
            result => return result,
        }
    }
}

async fn pending(client: &Client, asked: &Asked) -> Result<Listed<Table>, ApiError> {
    let mut list = Paged::of_phase(client, asked.namespace.as_deref(), "Pending");
    let mut table = Table::new(asked.by, asked.policy.clone());
    let mut unknown = BTreeSet::new();
    let mut first = None;
    while let Some(pods) = list.next().await? {
        for pod in pods.iter().map(Seen::of) {
            let namespace = pod.namespace();
            if !unknown.contains(namespace) && table.needs_namespace(&pod) {
                match evidence::namespace(client, namespace).await {
                    Ok(view) => table.know(namespace, view),
                    Err(error) => {
                        first.get_or_insert_with(|| format!("{namespace}: {}", error.why));
                        unknown.insert(namespace.to_owned());
                    }
                }
            }
            table.add(&pod);
        }
    }
    let note = first.map(|first| {
        let count = unknown.len();
        format!("namespaces that could not be read: {count}, the first of them {first}")
    });
    Ok(Listed {
        found: table,
        pages: list.pages,
        unreadable: list.unreadable,
        notes: note.into_iter().collect(),
    })
}

/// Counts the Pods that agents failed lately.
async fn failed(
    client: &Client,
    namespace: Option<&str>,
    now: Timestamp,
) -> Result<Listed<Failed>, ApiError> {
    let mut list = Paged::of_phase(client, namespace, "Failed");
    let mut found = Failed {
        within_seconds: LATELY.as_secs(),
        ..Failed::default()
    };
    while let Some(pods) = list.next().await? {
        for pod in pods {
            let Some((cause, Some(since))) = pod.why_true(CONDITION) else {
                continue;
            };
            if now.duration_since(since).as_secs() <= LATELY.as_secs().cast_signed() {
                found.pods += 1;
                *found.by_cause.entry(known(cause)).or_default() += 1;
            }
        }
    }
    let unreadable = Some(list.unreadable).filter(|count| *count > 0);
    let note = unreadable.map(|count| format!("Failed Pods that could not be read: {count}"));
    Ok(Listed {
        found,
        pages: list.pages,
        unreadable: list.unreadable,
        notes: note.into_iter().collect(),
    })
}

/// Returns the cause of this name, or `other`: whoever may write a Pod's status chooses the reason.
fn known(reason: &str) -> String {
    let cause = Cause::ALL.iter().find(|cause| cause.as_str() == reason);
    cause.map_or("other", |cause| cause.as_str()).to_owned()
}

/// Returns the error with what to do about it.
fn explained(error: &ApiError, namespace: Option<&str>) -> anyhow::Error {
    let (scope, flag) = match namespace {
        Some(name) => (format!("namespace {name}"), format!("-n {name}")),
        None => ("all namespaces".to_owned(), "-A".to_owned()),
    };
    let what = format!("listing the Pods of {scope}");
    let code = match error {
        ApiError::Refused(refused) => refused.code,
        ApiError::NoAnswer(_) => 0,
    };
    let remedy = match (code, namespace) {
        (401, _) => {
            "the credentials are not valid here (any more): try `kubectl auth whoami`".to_owned()
        }
        (403, None) => format!(
            "`kubectl auth can-i list pods {flag}` says whether you may; `--namespace NAME` asks for one namespace only"
        ),
        (403, Some(_)) => format!("`kubectl auth can-i list pods {flag}` says whether you may"),
        (410, _) => format!(
            "the list became too old {ATTEMPTS} times while it was read: ask for one namespace at a time"
        ),
        (429, _) => "the API server is busy: try again later".to_owned(),
        _ => return anyhow!("{error}").context(what),
    };
    anyhow!("{error}; {remedy}").context(what)
}

//! Reads a line of the journal back, for replays and for `explain`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use super::line::Line;
use crate::judge::{Ending, Event, Moment};

/// One line of the journal, with its times.
#[derive(Debug)]
pub struct Record {
    /// Wall clock.
    pub time: Timestamp,
    /// Boot clock.
    pub at: Moment,
    /// Time of the agent's last tick.
    pub ticked: Option<Moment>,
    /// The line.
    pub line: Line,
}

/// Reason why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is damaged or cut, or lacks something.
    Damaged(String),
    /// A newer version has written it.
    Unknown(String),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "cannot be read, passed over: {why}"),
            Self::Unknown(kind) => write!(
                f,
                "is of a kind that this version does not know, passed over: {kind:?}"
            ),
        }
    }
}

/// Fields that every line has.
#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    time: Timestamp,
    at: Moment,
    #[serde(default)]
    ticked: Option<Moment>,
}

impl Record {
    /// Reads a line.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn read(text: &[u8]) -> Result<Self, Unreadable> {
        let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
        let common: Common<'_> = serde_json::from_slice(text).map_err(damaged)?;
        let line = read(&common.kind, text).map_err(damaged)?;
        Ok(Self {
            time: common.time,
            at: common.at,
            ticked: common.ticked,
            line: line.ok_or_else(|| Unreadable::Unknown(common.kind.into_owned()))?,
        })
    }
}

/// Reads the fields of a line of this kind. By hand: serde would hold the whole line twice.
fn read(kind: &str, text: &[u8]) -> serde_json::Result<Option<Line>> {
    fn of<T: DeserializeOwned>(text: &[u8], line: fn(T) -> Line) -> serde_json::Result<Line> {
        serde_json::from_slice(text).map(line)
    }
    Ok(Some(match kind {
        "start" => of(text, Line::Start)?,
        "continued" => of(text, Line::Continued)?,
        "configuration" => of(text, Line::Configuration)?,
        "labels" => of(text, Line::Labels)?,
        "image" => of(text, Line::Image)?,
        "view" => of(text, Line::View)?,
        "clock" => Line::Clock {},
        "failure" => of(text, Line::Failure)?,
        "heal" => of(text, Line::Heal)?,
        "verdict" => of(text, Line::Verdict)?,
        "write" => of(text, Line::Write)?,
        "report" => of(text, Line::Report)?,
        "undone" => of(text, Line::Undone)?,
        "aftermath" => of(text, Line::Aftermath)?,
        "would-fail-then-started" => of(text, Line::WouldFailThenStarted)?,
        "left" => of(text, Line::Left)?,
        "forgotten" => of(text, Line::Forgotten)?,
        _ => return Ok(None),
    }))
}

impl Line {
    /// The event that the line has written down. `None` for lines that only tell people, and for
    /// those that hold a configuration: a replay may judge by another.
    pub fn event(&self) -> Option<Event> {
        Some(match self {
            Self::View(line) => Event::Observed(line.view.clone()),
            Self::Clock {} => Event::Tick,
            Self::Labels(line) => Event::NamespaceRead {
                namespace: line.namespace.clone(),
                known: line.known(),
            },
            Self::Image(line) => Event::ImageArrived {
                image: line.image.clone(),
                at: line.came,
            },
            Self::Report(line) => Event::Reported {
                pod: line.of.id(),
                image: line.image.clone(),
                ending: Ending {
                    outcome: line.outcome,
                    detail: line.detail.clone(),
                    refusal: line.refusal.clone(),
                    closed: line.closed.clone(),
                },
                marked: Some(line.marked),
            },
            Self::Undone(line) => Event::Reverted {
                pod: line.of.id(),
                undone: line.undone,
            },
            Self::Left(line) => Event::Left {
                uid: line.of.uid.clone(),
                view: line.view.clone(),
            },
            Self::Forgotten(line) => Event::Forgotten {
                uid: line.uid.clone(),
            },
            Self::Start(_)
            | Self::Continued(_)
            | Self::Configuration(_)
            | Self::Failure(_)
            | Self::Heal(_)
            | Self::Verdict(_)
            | Self::Write(_)
            | Self::Aftermath(_)
            | Self::WouldFailThenStarted(_) => return None,
        })
    }
}

//! All tokens of the shared object.

use std::fmt;

use super::limits::{Closed, Limits};
use super::token::Token;

/// The most entries that are read. The admission policy allows no more either.
const MOST: usize = 1024;

/// Longest value of an entry, in bytes.
const LONGEST: usize = 1024;

/// Seconds for which a token stands for its owner's further Pods with the same image, and for which
/// no agent may remove it. The admission policy has the same number.
const KEPT: u64 = 3600;

/// Seconds by which the clocks of the API servers may differ.
const SKEW: u64 = 60;

/// All tokens of the shared object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    tokens: Vec<Token>,
}

/// Answer to an agent that wants to fail a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The Pod needs no token.
    Free,
    /// The agent must enter its token first.
    Enter,
    /// These limits are reached.
    Closed(Vec<Closed>),
}

/// Reason why the object cannot be read. No Pod is failed by a book that may lack tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// An entry is no token; its key, cut.
    Entry(String),
    /// There are more entries than an agent reads.
    TooMany(usize),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(key) => write!(f, "the entry {key:?} is no token"),
            Self::TooMany(entries) => write!(f, "it has {entries} entries, more than {MOST}"),
        }
    }
}

impl Book {
    /// Reads the entries of the object.
    ///
    /// # Errors
    /// The first entry that is no token, or their number.
    pub fn read<'a>(
        entries: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Unreadable> {
        if entries.len() > MOST {
            return Err(Unreadable::TooMany(entries.len()));
        }
        let token = |(key, value): (&str, &str)| {
            let bounded = Some(value).filter(|value| value.len() <= LONGEST);
            let token = bounded.and_then(|value| Token::read(key, value));
            token.ok_or_else(|| Unreadable::Entry(key.chars().take(64).collect()))
        };
        let tokens = entries.map(token).collect::<Result<_, _>>()?;
        Ok(Self { tokens })
    }

    /// Enters a token, as an agent does after the answer [`Answer::Enter`].
    pub fn enter(&mut self, token: Token, limits: &Limits) {
        let outdated: Vec<String> = self.outdated(&token, limits).collect();
        self.tokens.retain(|token| !outdated.contains(&token.key()));
        self.tokens.push(token);
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Returns true if there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns the answer to an agent that wants to fail the Pod of this token. `repeats` says that the
    /// agent has failed a Pod of the same owner for the same image within the last hour.
    pub fn ask(&self, wanted: &Token, repeats: bool, limits: &Limits) -> Answer {
        let is_same = |token: &&Token| token.about == wanted.about;
        let is_own = |token: &Token| token.is_of_same_pod(wanted);
        let mut same = self.tokens.iter().filter(is_same);
        if repeats && same.any(|token| !is_own(token) && token.age(wanted.at) < KEPT) {
            return Answer::Free;
        }
        match limits.reached(&self.tokens, wanted) {
            closed if closed.is_empty() => Answer::Enter,
            closed => Answer::Closed(closed),
        }
    }

    /// Returns the keys that the agent removes when it enters this token: of tokens that are too old
    /// to mean anything, and of an earlier token of the same Pod.
    pub fn outdated(&self, wanted: &Token, limits: &Limits) -> impl Iterator<Item = String> {
        let age = limits.window.as_secs().max(KEPT).saturating_add(SKEW);
        let key = wanted.key();
        let is_outdated = move |token: &&Token| {
            token.age(wanted.at) > age || (token.is_of_same_pod(wanted) && token.key() != key)
        };
        self.tokens.iter().filter(is_outdated).map(Token::key)
    }
}

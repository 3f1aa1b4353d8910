//! One error of a runtime, taken apart into phrases, and the signs that they give.

use std::collections::BTreeSet;

use super::sign::{Row, Sign};
use super::{containerd, crio, docker, kubelet, registry, system};

/// All tables of wordings.
const TABLES: [&[Row]; 6] = [
    kubelet::ROWS,
    containerd::ROWS,
    crio::ROWS,
    docker::ROWS,
    registry::ROWS,
    system::ROWS,
];

/// Returns the rows of all tables.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.into_iter().flatten()
}

/// One error of a runtime: its gRPC code, if it is shown, and its phrases.
pub(super) struct Phrases<'a> {
    /// `NotFound`, …; empty if none is shown: the kubelet takes `Unknown` off.
    pub(super) code: &'a str,
    /// The texts between the `: `, the outermost first.
    pub(super) phrases: Vec<&'a str>,
    /// The whole error, with the registry's own words in it.
    pub(super) text: &'a str,
    /// The signs that the phrases give.
    pub(super) signs: BTreeSet<Sign>,
}

impl<'a> Phrases<'a> {
    /// Reads the signs of an error.
    pub(super) fn new(code: &'a str, phrases: Vec<&'a str>, text: &'a str) -> Self {
        let signs = phrases.iter().flat_map(|phrase| {
            let rows = rows().filter(|(wording, _)| wording.fits(phrase));
            rows.map(|(_, sign)| *sign)
        });
        Self {
            code,
            signs: signs.collect(),
            phrases,
            text,
        }
    }

    /// Returns whether a phrase gives this sign.
    pub(super) fn has(&self, sign: Sign) -> bool {
        self.signs.contains(&sign)
    }

    /// Returns whether a phrase says that a request has no answer. A status may say otherwise.
    pub(super) fn is_unanswered(&self) -> bool {
        self.has(Sign::NoAnswer) || self.has(Sign::Pinging)
    }

    /// Returns whether a phrase is about a system call on a file of the node.
    pub(super) fn is_about_a_file(&self) -> bool {
        self.phrases
            .iter()
            .any(|phrase| system::is_file_call(phrase))
    }

    /// Returns whether the request was one to the token server.
    pub(super) fn is_authorising(&self) -> bool {
        self.has(Sign::Authorising) || self.has(Sign::SendingCredentials)
    }

    /// Returns whether the registry's own words have one of these, which are in small letters.
    /// The registry chooses its words, so that they may only make the judgement more patient.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        let text = self.text.to_lowercase();
        words.iter().any(|words| text.contains(words))
    }
}

//! The form of the tables of wordings: which wording is a sign of what.

use super::kind::Cause;

/// Row of a table: a phrase of this wording gives this sign.
pub(super) type Row = (Wording, Sign);

/// Declares the table of a file, `ROWS`. A row is `wording => sign;`, and a plain text is a
/// [`Wording::Begins`].
macro_rules! rows {
    ($($wording:tt $(($($text:expr),+))? => $sign:expr;)+) => {
        pub(super) const ROWS: &[crate::judge::cause::sign::Row] =
            &[$((rows!(@ $wording $(($($text),+))?), $sign)),+];
    };
    (@ $text:literal) => { crate::judge::cause::sign::Wording::Begins($text) };
    (@ $kind:ident ($($text:expr),+)) => {
        crate::judge::cause::sign::Wording::$kind($($text),+)
    };
}

pub(super) use rows;

/// Form of a phrase: the text between two `: ` of an error.
pub(super) enum Wording {
    /// The phrase begins so. A single word is the whole phrase, because a registry may be named
    /// `json.example`.
    Begins(&'static str),
    /// The phrase is one name between these two texts.
    Named(&'static str, &'static str),
    /// The phrase begins with the first text and contains the second.
    With(&'static str, &'static str),
    /// The phrase begins with the first text and does not contain the second.
    Without(&'static str, &'static str),
    /// The phrase contains this.
    Contains(&'static str),
}

impl Wording {
    /// Returns whether a phrase has this wording.
    pub(super) fn fits(&self, phrase: &str) -> bool {
        match *self {
            Self::Begins(head) => begins(phrase, head),
            Self::Named(head, tail) => {
                let name = phrase.strip_prefix(head).and_then(|p| p.strip_suffix(tail));
                name.is_some_and(|name| !name.is_empty() && !name.contains(' '))
            }
            Self::With(head, part) => phrase.starts_with(head) && phrase.contains(part),
            Self::Without(head, part) => phrase.starts_with(head) && !phrase.contains(part),
            Self::Contains(part) => phrase.contains(part),
        }
    }
}

/// Returns whether a phrase begins so, or is this single word.
pub(super) fn begins(phrase: &str, head: &str) -> bool {
    match head.contains(' ') {
        true => phrase.starts_with(head),
        false => phrase == head,
    }
}

/// Meaning of a wording. An error may give several signs; `classify` says which one decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// The error has this cause.
    Of(Cause),
    /// This came in place of a manifest, or broke it.
    Body(Cause),
    /// The step that failed. It decides if no sign says what went wrong.
    Place(Cause),
    /// The runtime was pulling, so it did answer the kubelet.
    Pulling,
    /// Somebody gave the request up: a cancelled pull, unless it is a timeout.
    Interrupted,
    /// A step on the node, after the content has come from the registry.
    LocalStep,
    /// The same of Docker, which words a published fault and a fault of its store alike.
    DockerStep,
    /// Content that no runtime can unpack, though its digest is right: it was published so.
    BadLayer,
    /// A layer of a media type that the runtime cannot read.
    OddLayer,
    /// A request that has no answer, if there is no status either.
    NoAnswer,
    /// The first request to a registry, before any image is asked for. It has no answer either.
    Pinging,
    /// A request to the token server.
    Authorising,
    /// The same, with credentials.
    SendingCredentials,
    /// A step in which a registry may send the reader on to its storage.
    FromStorage,
    /// An HTTP status follows.
    Status,
    /// The answer was not JSON, so that only its status is known.
    NotJson,
    /// A media type that is no image's.
    OtherMediaType,
    /// The manifest is one that an index names.
    OfIndex,
}

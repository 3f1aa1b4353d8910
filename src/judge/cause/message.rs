//! Structure of a pull error, taken apart in the reverse order of how it was built: the kubelet's
//! frame, one error for each credential, a gRPC code, then the runtime's phrases. Quoted texts and
//! the registry's own words come from others and are cut out first, so that an image named
//! `timeout/not-found:429` gives no sign.

use std::borrow::Cow;

use super::kind::{Cause, Class};
use super::kubelet::Reading;
use super::phrases::Phrases;
use super::{classify, containerd, crio, docker, kubelet};
use crate::judge::pod::reference::names_registry;

impl Cause {
    /// Returns the cause of a waiting state, by its reason and its message.
    pub fn of(reason: &str, message: &str) -> Self {
        match after_quoted(message, kubelet::BACK_OFF) {
            None => of_attempt(reason, message),
            Some(rest) => match rest.strip_prefix(": ").and_then(|r| r.split_once(": ")) {
                Some((reason, message)) => of_attempt(reason, message),
                None => Self::Unrecognised,
            },
        }
    }

    /// Returns the cause of a waiting state of a container that needs this image. CRI-O searches
    /// several registries for a short name and shows the error of the last one, so that this error
    /// alone says nothing against the image.
    pub fn for_image(reason: &str, message: &str, image: &str) -> Self {
        let cause = Self::of(reason, message);
        let is_searched = !names_registry(image) && crio::may_be_searched(message);
        match is_searched && cause.class().patience() < Class::Transient.patience() {
            true => Self::SearchFailed,
            false => cause,
        }
    }
}

fn of_attempt(reason: &str, message: &str) -> Cause {
    let mut reasons = kubelet::REASONS.iter();
    match reasons.find(|(known, _)| *known == reason) {
        Some((_, Reading::Is(cause))) => *cause,
        Some((_, Reading::UnlessMilder(judgement))) => {
            let cause = of_error(message);
            let is_milder = cause.class().patience() > judgement.class().patience();
            match is_milder && cause != Cause::Unrecognised {
                true => cause,
                false => *judgement,
            }
        }
        Some((_, Reading::Unless(cause, other))) => {
            let inside = after_quoted(message, kubelet::INSPECT).and_then(|r| r.strip_prefix(": "));
            match of_error(inside.unwrap_or(message)) == *other {
                true => *other,
                false => *cause,
            }
        }
        Some((_, Reading::ByPresence { absent, present })) => {
            let rest = after_quoted(message, kubelet::NEVER);
            match rest.is_some_and(|rest| rest.starts_with(kubelet::PRESENT)) {
                true => *present,
                false => *absent,
            }
        }
        None => of_errors(reason, message),
    }
}

fn of_errors(reason: &str, message: &str) -> Cause {
    // With the kubelet's credential checks an error may be the reason itself.
    let text = if message.is_empty() { reason } else { message };
    let event = after_quoted(text, kubelet::FAILED).and_then(|r| r.strip_prefix(": "));
    let errors = credentials(event.unwrap_or(text)).into_iter().map(of_error);
    // Another credential may still work if one does not, so the most patient answer counts.
    most_patient(errors).unwrap_or(Cause::Unrecognised)
}

/// Returns what follows `head` and a quoted text, if the text begins so.
fn after_quoted<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let quoted = text.strip_prefix(head)?.strip_prefix('"')?;
    let end = end_of_quoted(quoted)?;
    quoted.get(end + 1..)
}

/// Returns the errors of a text: with several credentials it is `[error, error]`. Errors have commas
/// too, so that only a known beginning makes a new one.
fn credentials(text: &str) -> Vec<&str> {
    let Some(list) = text.strip_prefix('[') else {
        return vec![text];
    };
    let list = list.strip_suffix(']').unwrap_or(list);
    let beginnings = [
        kubelet::BEGINNINGS,
        containerd::BEGINNINGS,
        crio::BEGINNINGS,
        docker::BEGINNINGS,
    ];
    let mut errors = Vec::new();
    let mut start = 0;
    for (at, comma) in list.match_indices(", ") {
        let next = at + comma.len();
        let mut beginnings = beginnings.iter().copied().flatten();
        if beginnings.any(|beginning| list[next..].starts_with(beginning)) {
            errors.push(&list[start..at]);
            start = next;
        }
    }
    errors.push(&list[start..]);
    errors
}

/// Largest number of error codes of one answer that are read. For each of them the whole answer may be searched.
/// More of them than that could say anything.
const LISTED: usize = 32;

fn of_error(text: &str) -> Cause {
    let (code, text) = code(text);
    let text = &*of_daemon(text);
    let text = match text.strip_prefix(crio::IMAGE_OR_ARTIFACT) {
        Some(text) => match text.split_once(crio::PULLED_ARTIFACT) {
            Some((_, artifact)) => artifact,
            None => match text.split_once(crio::ARTIFACT) {
                Some((image, artifact)) if image.contains(crio::NO_IMAGE) => {
                    return of_second_look(image, artifact);
                }
                Some((image, _)) => image,
                None => text,
            },
        },
        None => text,
    };
    if let Some(mirrors) = of_blocked_origin(text) {
        return mirrors;
    }
    let text = &*without_mirrors(text);
    // The registry's own text stands below the first line. Only a list of its error codes is read.
    let (line, below) = text.split_once('\n').unwrap_or((text, ""));
    let bare = bare(line);
    let phrases = phrases(&bare);
    let of = |more: &[&str]| {
        let phrases = [phrases.as_slice(), more].concat();
        classify::cause(&Phrases::new(code, phrases, text))
    };
    let listed = below.lines().filter(|_| line.ends_with("errors:"));
    let mut listed = listed.filter(|entry| !entry.trim().is_empty());
    let causes = listed.by_ref().take(LISTED).map(|entry| {
        let parts: Vec<&str> = entry.split(": ").map(str::trim).collect();
        // The message is read only if the code says nothing.
        let taken = if parts[0] == "unknown" { 2 } else { 1 };
        of(&parts[..taken.min(parts.len())])
    });
    let read = most_patient(causes).unwrap_or_else(|| of(&[]));
    let unread = listed.next().map(|_| Cause::Unrecognised);
    most_patient([read].into_iter().chain(unread)).unwrap_or(read)
}

/// Returns the cause of what is no image and may be an artifact. The artifact's error counts as well,
/// because a second try may get the artifact.
fn of_second_look(image: &str, artifact: &str) -> Cause {
    let (image, artifact) = (of_error(image), of_error(artifact));
    match artifact {
        Cause::Unrecognised => image,
        known => most_patient([image, known].into_iter()).unwrap_or(image),
    }
}

/// Returns an error without the errors of mirrors. The origin, which was asked after them, decides.
fn without_mirrors(text: &str) -> Cow<'_, str> {
    let cut = mirrored(text).map(|(before, _, origin)| format!("{before}{origin}"));
    cut.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Returns the cause of an error whose origin may not be asked: of all errors the most patient.
fn of_blocked_origin(text: &str) -> Option<Cause> {
    let (_, mirrors, origin) = mirrored(text)?;
    if !origin.contains(crio::BLOCKED) {
        return None;
    }
    let errors = [origin].into_iter().chain(mirrors.split(crio::NEXT_MIRROR));
    most_patient(errors.map(of_error))
}

/// Returns what stands before the errors of mirrors, those errors, and the origin's.
fn mirrored(text: &str) -> Option<(&str, &str, &str)> {
    let (begins, ends) = crio::MIRRORS;
    let (before, rest) = text.split_once(begins)?;
    let (mirrors, origin) = rest.rsplit_once(ends)?;
    Some((before, mirrors, origin))
}

/// Returns the cause that needs the most patience.
fn most_patient(causes: impl Iterator<Item = Cause>) -> Option<Cause> {
    let patience = |cause: &Cause| cause.class().patience();
    causes.reduce(|a, b| if patience(&b) > patience(&a) { b } else { a })
}

/// Returns the phrases of a line that has no texts of others any more.
fn phrases(bare: &str) -> Vec<&str> {
    let mut phrases = Vec::new();
    for phrase in bare.split(": ") {
        // A quoted name may stand before a phrase. An old kubelet puts the error in brackets.
        let phrase = phrase.trim().trim_start_matches(['"', ' ', '(']);
        let phrase = match phrase.contains('(') {
            true => phrase,
            false => phrase.trim_end_matches(')'),
        };
        if phrase.starts_with(docker::COMMAS) {
            phrases.extend(phrase.split(", "));
        } else if let Some(output) = phrase.strip_prefix(crio::UNPACKING) {
            phrases.extend(["processing tar file", output]);
        } else {
            phrases.push(phrase);
        }
    }
    while let Some(&("unknown" | "" | "errors:")) = phrases.last() {
        phrases.pop();
    }
    phrases
}

/// Returns an error without the frame of Docker's daemon, whose answer may be JSON.
fn of_daemon(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix(docker::DAEMON).unwrap_or(text);
    let Some(json) = text.strip_prefix(docker::JSON) else {
        return Cow::Borrowed(text);
    };
    let message = &json[..end_of_quoted(json).unwrap_or(json.len())];
    let mut out = String::with_capacity(message.len());
    let mut characters = message.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => out.extend(characters.next().map(|c| if c == 'n' { '\n' } else { c })),
            (plain, false) => out.push(plain),
        }
    }
    Cow::Owned(out)
}

/// Takes `rpc error: code = X desc = ` off a text. Of several codes the innermost says most.
fn code(mut text: &str) -> (&str, &str) {
    let mut code = "";
    while let Some(rest) = text.strip_prefix("rpc error: code = ") {
        let Some((outer, rest)) = rest.split_once(" desc = ") else {
            break;
        };
        (code, text) = (named(outer), rest);
    }
    (code, text)
}

/// Returns the name of a gRPC code: old versions show its number.
fn named(code: &str) -> &str {
    match code {
        "1" => "Canceled",
        "2" => "Unknown",
        "4" => "DeadlineExceeded",
        "5" => "NotFound",
        "14" => "Unavailable",
        named => named,
    }
}

/// Returns a line without texts of others: it empties quoted texts and cuts the registry's words off.
/// A URL without quotes stays: it has no `: `, and no phrase begins with it. A quoted digest stays
/// too: it is compared as a value.
fn bare(line: &str) -> String {
    let line = containerd::SERVER_MESSAGE
        .iter()
        .fold(line, |line, mark| line.split(*mark).next().unwrap_or(line));
    let mut unquoted = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, quoted)) = rest.split_once('"') {
        unquoted.push_str(before);
        unquoted.push('"');
        let end = end_of_quoted(quoted).unwrap_or(quoted.len());
        let (inside, after) = quoted.split_at(end);
        if is_digest(inside) {
            unquoted.push_str(inside);
        }
        unquoted.push('"');
        rest = after.strip_prefix('"').unwrap_or(after);
    }
    unquoted + rest
}

/// Returns the place of the quote that ends a quoted text.
fn end_of_quoted(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, digits)| {
        matches!(algorithm, "sha256" | "sha512") && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

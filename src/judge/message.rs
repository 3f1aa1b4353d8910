//! The structure of a pull error: from what the kubelet shows to a cause.
//!
//! A text is taken apart the way it was put together: the kubelet's frame, one error for each credential, a gRPC code, then the runtime's
//! phrases with `: ` between them. Phrases are compared from their beginning, never searched for in the middle. What is quoted and what the registry
//! itself wrote is chosen by others and cut out first, so that an image named `timeout/not-found:429` says nothing.

use std::borrow::Cow;

use super::Cause;
use super::phrases::Phrases;

/// The cause of one waiting state.
pub(super) fn cause(reason: &str, message: &str) -> Cause {
    // Kubelets from 1.32 on end the pause's message with the last attempt's reason and error, the ones before do not.
    match after_quoted(message, "Back-off pulling image ") {
        None => of_attempt(reason, message),
        Some(rest) => match rest.strip_prefix(": ").and_then(|r| r.split_once(": ")) {
            Some((reason, message)) => of_attempt(reason, message),
            None => Cause::Unrecognised,
        },
    }
}

fn of_attempt(reason: &str, message: &str) -> Cause {
    match reason {
        "InvalidImageName" => return Cause::InvalidImageName,
        "ImageInspectError" => return Cause::ImageInspect,
        "RegistryUnavailable" => return Cause::RegistryUnavailable,
        "SignatureValidationFailed" => {
            // A judgement, unless the message says why there is none.
            let cause = of_error(message);
            let known = cause != Cause::Unrecognised;
            let patient = cause.class().patience() > Cause::SignatureRefused.class().patience();
            return match known && patient {
                true => cause,
                false => Cause::SignatureRefused,
            };
        }
        "ErrImageNeverPull" => {
            // From 1.33 on also where the image is there, and it is not known whether the Pod may use it.
            let present = after_quoted(message, "Container image ");
            let present = present.is_some_and(|rest| rest.starts_with(" is present "));
            return if present {
                Cause::Denied
            } else {
                Cause::NeverPull
            };
        }
        _ => {}
    }
    // With the kubelet's credential checks an error may be the reason itself.
    let text = if message.is_empty() { reason } else { message };
    // What `kubectl describe` shows of an Event.
    let event = after_quoted(text, "Failed to pull image ").and_then(|r| r.strip_prefix(": "));
    let errors = credentials(event.unwrap_or(text)).into_iter().map(of_error);
    // Another credential may still work where one does not: the most patient answer is the right one.
    most_patient(errors).unwrap_or(Cause::Unrecognised)
}

/// What follows `head` and a quoted text, if the text begins so.
fn after_quoted<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let quoted = text.strip_prefix(head)?.strip_prefix('"')?;
    let end = end_of_quoted(quoted)?;
    quoted.get(end + 1..)
}

/// How an error begins, as far as it matters for telling where the next one of a list begins.
const BEGINNINGS: &[&str] = &[
    "rpc error: code = ",
    "failed to pull ",
    "failed to resolve ",
    "get image config descriptor",
    "pull QPS exceeded",
    "unable to pull image",
    "initializing source ",
    "RegistryUnavailable: ",
    "SignatureValidationFailed: ",
    "Error response from daemon: ",
    "Error initializing source ",
    "Error reading manifest ",
    "reading manifest ",
    "error pinging docker registry ",
    "error pulling image configuration: ",
    "unable to retrieve auth token: ",
];

/// With several credentials a text is `[error, error]`. Errors have commas too: only a known beginning makes a new one.
fn credentials(text: &str) -> Vec<&str> {
    let Some(list) = text.strip_prefix('[') else {
        return vec![text];
    };
    let list = list.strip_suffix(']').unwrap_or(list);
    let mut errors = Vec::new();
    let mut start = 0;
    for (at, comma) in list.match_indices(", ") {
        let next = at + comma.len();
        if BEGINNINGS.iter().any(|b| list[next..].starts_with(b)) {
            errors.push(&list[start..at]);
            start = next;
        }
    }
    errors.push(&list[start..]);
    errors
}

fn of_error(text: &str) -> Cause {
    let (code, text) = code(text);
    let text = &*of_daemon(text);
    // CRI-O from 1.33 on tries the reference as an artifact too; what came of that is not asked.
    let text = match text.strip_prefix("unable to pull image or OCI artifact: pull image err: ") {
        Some(text) => text.split("; artifact err: ").next().unwrap_or(text),
        None => text,
    };
    // Below the first line stands the registry's own text. Only a list of its error codes is looked at.
    let (line, below) = text.split_once('\n').unwrap_or((text, ""));
    let bare = bare(line);
    let phrases = phrases(&bare);
    let of = |more: &[&str]| {
        let phrases = [phrases.as_slice(), more].concat();
        Phrases {
            code,
            phrases,
            text,
        }
        .cause()
    };
    let listed = below.lines().filter(|_| line.ends_with("errors:"));
    let listed = listed.filter(|entry| !entry.trim().is_empty());
    let causes = listed.map(|entry| {
        let parts: Vec<&str> = entry.split(": ").map(str::trim).collect();
        // Only where the code says nothing is the message looked at.
        let taken = if parts[0] == "unknown" { 2 } else { 1 };
        of(&parts[..taken.min(parts.len())])
    });
    most_patient(causes).unwrap_or_else(|| of(&[]))
}

/// The cause that asks for the most patience.
fn most_patient(causes: impl Iterator<Item = Cause>) -> Option<Cause> {
    let patience = |cause: &Cause| cause.class().patience();
    causes.reduce(|a, b| if patience(&b) > patience(&a) { b } else { a })
}

/// The phrases of a line without what others chose.
fn phrases(bare: &str) -> Vec<&str> {
    let mut phrases = Vec::new();
    for phrase in bare.split(": ") {
        // A quoted name in front of a phrase says nothing of it; an old kubelet puts the error in brackets.
        let phrase = phrase.trim().trim_start_matches(['"', ' ', '(']);
        let phrase = match phrase.contains('(') {
            true => phrase,
            false => phrase.trim_end_matches(')'),
        };
        // Old versions of Docker have commas where later ones have colons.
        match phrase.starts_with("Error pulling image (") {
            true => phrases.extend(phrase.split(", ")),
            false => phrases.push(phrase),
        }
    }
    while let Some(&("unknown" | "" | "errors:")) = phrases.last() {
        phrases.pop();
    }
    phrases
}

/// An error without the frame of Docker's daemon, whose answer may be JSON: `{"message":"…"}`.
fn of_daemon(text: &str) -> Cow<'_, str> {
    let text = text
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(text);
    let Some(json) = text.strip_prefix(r#"{"message":""#) else {
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

/// Takes `rpc error: code = X desc = ` off a text, the innermost code being the one that says most.
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

/// The name of a gRPC code: old versions show its number.
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

/// A line without what others chose: quoted texts are emptied, and the registry's words are cut off. A URL that is not quoted stays: it has no `: `, and stands
/// at no phrase's beginning. A quoted digest stays as well: it is compared as a value.
fn bare(line: &str) -> String {
    let line = [" - Server message: ", "server message: "]
        .into_iter()
        .fold(line, |line, mark| line.split(mark).next().unwrap_or(line));
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

/// The place of the quote that ends a quoted text.
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

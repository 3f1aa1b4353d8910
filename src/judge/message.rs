//! The structure of a pull error: from what the kubelet shows to a cause.
//!
//! A text is taken apart the way it was put together: the kubelet's frame, one error for each credential, a gRPC code, then the runtime's
//! phrases with `: ` between them. Phrases are compared from their beginning, never searched for in the middle. What is quoted and what the registry
//! itself wrote is chosen by others and cut out first, so that an image named `timeout/not-found:429` says nothing.

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
    let patience = |cause: &Cause| cause.class().patience();
    let most_patient = errors.reduce(|a, b| if patience(&b) > patience(&a) { b } else { a });
    most_patient.unwrap_or(Cause::Unrecognised)
}

/// What follows `head` and a quoted text, if the text begins so.
fn after_quoted<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let quoted = text.strip_prefix(head)?.strip_prefix('"')?;
    let end = end_of_quoted(quoted)?;
    quoted.get(end + 1..)
}

/// How an error begins, as far as it matters for telling where the next one of a list begins.
const BEGINNINGS: [&str; 9] = [
    "rpc error: code = ",
    "failed to pull ",
    "failed to resolve ",
    "get image config descriptor",
    "pull QPS exceeded",
    "unable to pull image",
    "initializing source ",
    "RegistryUnavailable: ",
    "SignatureValidationFailed: ",
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
    // CRI-O from 1.33 on tries the reference as an artifact too; what came of that is not asked.
    let text = match text.strip_prefix("unable to pull image or OCI artifact: pull image err: ") {
        Some(text) => text.split("; artifact err: ").next().unwrap_or(text),
        None => text,
    };
    // Below the first line stands the registry's own text. Only a list of its error codes is looked at, as CRI-O writes it.
    let (line, below) = text.split_once('\n').unwrap_or((text, ""));
    let bare = bare(line);
    // A quoted name in front of a phrase says nothing of it.
    let phrases = bare.split(": ").map(str::trim);
    let mut phrases: Vec<&str> = phrases.map(|p| p.trim_start_matches(['"', ' '])).collect();
    while let Some(&("unknown" | "" | "errors:")) = phrases.last() {
        phrases.pop();
    }
    let mut lines = below.lines().filter(|_| line.ends_with("errors:"));
    if let Some(code) = lines.next() {
        phrases.extend(code.split(": ").take(1));
    }
    Phrases { code, phrases }.cause()
}

/// Takes `rpc error: code = X desc = ` off a text, the innermost code being the one that says most.
fn code(mut text: &str) -> (&str, &str) {
    let mut code = "";
    while let Some(rest) = text.strip_prefix("rpc error: code = ") {
        let Some((outer, rest)) = rest.split_once(" desc = ") else {
            break;
        };
        (code, text) = (outer, rest);
    }
    (code, text)
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

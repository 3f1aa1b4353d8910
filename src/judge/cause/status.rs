//! The HTTP status in an error, and what it means at the stage and from the host that it came from.

use super::kind::Cause;
use super::phrases::{Phrases, rows};
use super::registry::{NOT_SCANNED, RATE_LIMITED};
use super::sign::Sign::{FromStorage, NotJson, Pinging, SendingCredentials, Status};
use super::sign::{Wording, begins};

/// Statuses that some errors show by their words only.
const WORDS: &[(&str, u16)] = &[
    ("Bad Request", 400),
    ("Unauthorized", 401),
    ("Forbidden", 403),
    ("Not Found", 404),
    ("Proxy Authentication Required", 407),
    ("Request Timeout", 408),
    ("Too Many Requests", 429),
    ("Internal Server Error", 500),
    ("Bad Gateway", 502),
    ("Service Unavailable", 503),
    ("Gateway Timeout", 504),
];

/// Returns the status that a registry, its storage or its token server answered. It is a number
/// after a fixed phrase, or its words in the place of a request's answer.
pub(super) fn status(error: &Phrases<'_>) -> Option<u16> {
    let phrases = &error.phrases;
    let after = |at: usize| phrases.get(at + 1).copied().unwrap_or_default();
    let numbers = phrases.iter().enumerate().find_map(|(at, phrase)| {
        let rest = after_head(past_host(phrase))?;
        number(rest).or_else(|| number(after(at)))
    });
    numbers.or_else(|| words(error))
}

/// Returns what follows the longest beginning that announces a status.
fn after_head(phrase: &str) -> Option<&str> {
    let heads = rows().filter_map(|row| match row {
        (Wording::Begins(head), Status) if begins(phrase, head) => Some(head.len()),
        _ => None,
    });
    heads.max().map(|length| &phrase[length..])
}

/// Returns a status whose words stand where an answer does. A proxy's refusal to connect reads the
/// same. So the request must be one of the registry's API, and the first phrase: Docker alone words a
/// registry's answer so.
fn words(error: &Phrases<'_>) -> Option<u16> {
    let is_asked = !error.is_unanswered() && requests(error.text).any(is_of_registry);
    error.phrases.windows(2).enumerate().find_map(|(at, pair)| {
        let is_dockers = at == 0 && is_request(pair[0]) && is_asked;
        let is_answer = is_dockers || pair[0] == "unknown";
        is_answer.then(|| worded(pair[1])).flatten()
    })
}

/// Returns the status that has these words.
fn worded(phrase: &str) -> Option<u16> {
    let known = WORDS.iter().find(|(words, _)| *words == phrase);
    known.map(|(_, status)| *status)
}

/// Returns whether the words of a status stand where a request's answer does. If it is no answer of a
/// registry, a proxy has refused to connect.
pub(super) fn is_a_proxys(error: &Phrases<'_>) -> bool {
    let mut pairs = error.phrases.windows(2);
    pairs.any(|pair| is_request(pair[0]) && worded(pair[1]).is_some())
}

/// Returns the phrase without the host that containerd 1.6 and Docker put before it.
fn past_host(phrase: &str) -> &str {
    let heads = ["pulling from host ", "login attempt to "];
    let rest = heads.iter().find_map(|head| phrase.strip_prefix(head));
    let rest = rest.and_then(|rest| rest.split_once(' '));
    rest.map_or(phrase, |(_, rest)| rest)
}

fn number(text: &str) -> Option<u16> {
    let digits = text.get(..3)?;
    let next = text[3..].chars().next();
    let ended = next.is_none_or(|c| !c.is_alphanumeric());
    let code = digits.parse().ok()?;
    (ended && (200..600).contains(&code)).then_some(code)
}

/// Returns whether a phrase is Go's frame of a request: `Get "https://…"`.
pub(super) fn is_request(phrase: &str) -> bool {
    let mut rests = ["Get ", "Head "]
        .iter()
        .filter_map(|verb| phrase.strip_prefix(verb));
    rests.any(|rest| rest.starts_with('"') || rest.starts_with("http"))
}

/// Returns the cause that the status tells.
pub(super) fn cause(error: &Phrases<'_>) -> Option<Cause> {
    let status = status(error)?;
    // An answer of the token server, or to the first ping, says nothing of the image.
    let is_of_image = !error.is_authorising() && !error.has(Pinging);
    Some(match status {
        408 => Cause::Timeout,
        429 => Cause::TooManyRequests,
        500.. | 407 => Cause::RegistryUnavailable,
        401 | 403 | 412 if error.says(RATE_LIMITED) => Cause::TooManyRequests,
        // Harbor's policies, in old and new versions.
        401 | 403 | 412 if error.says(NOT_SCANNED) => Cause::RegistryUnavailable,
        401 | 403 if is_of_storage(error) => Cause::RegistryUnavailable,
        401 if error.has(SendingCredentials) => Cause::BadCredentials,
        // A page of what stands before the registry.
        403 if error.has(Pinging) || is_refused_by_a_page(error) => Cause::RegistryUnavailable,
        401 | 403 => Cause::Denied,
        _ if !is_of_image || error.has(NotJson) => Cause::RegistryUnavailable,
        412 => Cause::SignatureRefused,
        // A missing manifest is worded otherwise, so something else is missing.
        404 => Cause::MissingContent,
        400 | 406 | 410 | 415 | 451 => Cause::Unrecognised,
        // No registry answers so by its specification: a proxy or a registry in trouble does.
        _ => Cause::RegistryUnavailable,
    })
}

/// Returns whether a page or nothing came with a 403, by CRI-O's words. A registry refuses in JSON.
fn is_refused_by_a_page(error: &Phrases<'_>) -> bool {
    let bodies = ["StatusCode: 403, \"<", "StatusCode: 403, \"\""];
    bodies.iter().any(|body| error.text.contains(body))
}

/// Returns whether a registry's storage answered. A storage refuses the link that the registry has
/// made, not the reader.
fn is_of_storage(error: &Phrases<'_>) -> bool {
    let text = error.text;
    let is_stored = error.has(FromStorage);
    let is_xml = text.contains("<?xml ") && is_stored;
    let is_page = error.has(NotJson) && is_stored;
    // Storage services answer in XML, registries in JSON.
    let is_error = text.contains("<Error>");
    let elsewhere = || is_stored && !requests(text).all(is_of_registry);
    is_xml || is_page || is_error || is_stored && is_without_words(text) || elsewhere()
}

/// Returns whether containerd shows a status without the registry's words. It shows the registry's URL
/// even if the storage has answered; a registry refuses in words.
fn is_without_words(text: &str) -> bool {
    let heads = ["unexpected status code http", "unexpected status from "];
    let is_worded = text.contains("erver message: ") || text.contains('\n');
    heads.iter().any(|head| text.contains(head)) && !is_worded
}

/// Returns the URLs that an error shows as requests.
fn requests(text: &str) -> impl Iterator<Item = &str> {
    let line = text.lines().next().unwrap_or_default();
    let frames = [
        "Get \"",
        "Head \"",
        "Get ",
        "Head ",
        "request to ",
        "status code ",
    ];
    line.match_indices("http").filter_map(move |(at, _)| {
        let asked = frames.iter().any(|frame| line[..at].ends_with(frame));
        let ends = |c: char| c == '"' || c.is_whitespace();
        let url = line[at..].split(ends).next()?;
        (asked && url.contains("://")).then_some(url)
    })
}

/// Returns whether a URL is one of a registry's own API. `/v2/` may stand behind a mirror's prefix.
/// A storage's path may have it too, but not with a digest as in the API.
fn is_of_registry(url: &str) -> bool {
    let parts = ["/manifests/", "/blobs/sha256:", "/blobs/sha512:"];
    url.contains("/v2/") && parts.iter().any(|part| url.contains(part))
}

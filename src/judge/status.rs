//! The HTTP status in an error, and what it says at the stage and of the host that it came from.

use super::Cause;
use super::phrases::{Phrases, begins};
use super::wordings::{
    AUTHORISING, NO_WAY, NOT_SCANNED, PINGING, RATE_LIMITED, STATUS, STATUS_WORDS, STORED,
};

/// The status that a registry, its storage or its token server answered: a number, and only after a fixed phrase, or
/// its words where a request's answer stands.
pub(super) fn status(error: &Phrases<'_>) -> Option<u16> {
    let phrases = &error.phrases;
    let after = |at: usize| phrases.get(at + 1).copied().unwrap_or_default();
    let numbers = phrases.iter().enumerate().find_map(|(at, phrase)| {
        let phrase = past_host(phrase);
        let beginning = STATUS.iter().find(|b| begins(phrase, b))?;
        number(&phrase[beginning.len()..]).or_else(|| number(after(at)))
    });
    numbers.or_else(|| words(error))
}

/// A status whose words stand where an answer does. A proxy's refusal to connect reads the same, so that the request must be one of the registry's API.
fn words(error: &Phrases<'_>) -> Option<u16> {
    let asked = !error.any(NO_WAY) && requests(error.text).any(is_of_registry);
    error.phrases.windows(2).find_map(|pair| {
        let answered = is_request(pair[0]) && asked || pair[0] == "unknown";
        let known = STATUS_WORDS.iter().find(|(words, _)| *words == pair[1])?;
        answered.then_some(known.1)
    })
}

/// containerd 1.6 and Docker name the host before the fixed phrase.
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
    (ended && (300..600).contains(&code)).then_some(code)
}

/// Whether a phrase is Go's frame of a request: `Get "https://…"`.
pub(super) fn is_request(phrase: &str) -> bool {
    let mut rests = ["Get ", "Head "]
        .iter()
        .filter_map(|verb| phrase.strip_prefix(verb));
    rests.any(|rest| rest.starts_with('"') || rest.starts_with("http"))
}

/// The cause that the status tells of.
pub(super) fn cause(error: &Phrases<'_>) -> Option<Cause> {
    let status = status(error)?;
    // The token server's answer, or that of the registry's front door, says nothing of the image.
    let of_image = !error.any(AUTHORISING) && !error.any(PINGING);
    Some(match status {
        408 => Cause::Timeout,
        429 => Cause::TooManyRequests,
        500.. | 407 => Cause::RegistryUnavailable,
        401 | 403 | 412 if says(error, RATE_LIMITED) => Cause::TooManyRequests,
        401 | 403 if is_of_storage(error) => Cause::RegistryUnavailable,
        401 if error.any(&["failed to fetch oauth token"]) => Cause::BadCredentials,
        401 | 403 => Cause::Denied,
        _ if !of_image || error.any(&["error parsing HTTP "]) => Cause::RegistryUnavailable,
        // Harbor's policies.
        412 if says(error, NOT_SCANNED) => Cause::RegistryUnavailable,
        412 => Cause::SignatureRefused,
        // A missing manifest is worded otherwise, so it is something else that is missing.
        404 => Cause::MissingContent,
        _ => Cause::Unrecognised,
    })
}

/// Whether the registry's own words say so. They only ever make the judgement more patient.
pub(super) fn says(error: &Phrases<'_>, words: &[&str]) -> bool {
    let text = error.text.to_lowercase();
    words.iter().any(|words| text.contains(words))
}

/// Whether it was a registry's storage that answered. What that refuses is the link which the registry has made, not
/// the reader.
fn is_of_storage(error: &Phrases<'_>) -> bool {
    let text = error.text;
    let is_xml = text.contains("<?xml ") && error.any(STORED);
    let is_page = error.any(&["error parsing HTTP "]) && error.any(STORED);
    // Storage services answer in XML, registries in JSON.
    let is_error = text.contains("<Error>");
    let elsewhere = || error.any(STORED) && !requests(text).all(is_of_registry);
    is_xml || is_page || is_error || elsewhere()
}

/// The URLs that an error says were asked.
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

/// Whether a URL is one of the registry's own API. `/v2/` may stand behind a mirror's prefix; a storage's path may have
/// it too, but not an API's digest.
fn is_of_registry(url: &str) -> bool {
    let parts = ["/manifests/", "/blobs/sha256:", "/blobs/sha512:"];
    url.contains("/v2/") && parts.iter().any(|part| url.contains(part))
}

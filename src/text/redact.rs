//! Removal of secrets: a URL's user, password and query, and the values of credentials.
//!
//! A text is read once, word by word. White space, quotes and `<>` end a word. `…` replaces a
//! secret. Quotes, brackets and `: ` stay, so that the text has the same cause before and after.

use std::borrow::Cow;

/// Text in the place of a secret.
const GONE: &str = "…";

/// Characters at a word's end that are not part of it: punctuation, brackets, escapes of a quote.
const TAIL: [char; 10] = [':', ',', ';', '.', ')', ']', '}', '\'', '\\', '!'];

/// Ends of names whose values are secret, in `name=value`.
const SECRET: [&str; 9] = [
    "token",
    "password",
    "passwd",
    "secret",
    "signature",
    "credential",
    "apikey",
    "api_key",
    "api-key",
];

/// Words that follow `basic` or `bearer` in a sentence, and beginnings of words that follow them in
/// a challenge.
const WORDS: [&str; 13] = [
    "auth",
    "authentication",
    "authorization",
    "challenge",
    "challenges",
    "credentials",
    "header",
    "realm=",
    "scheme",
    "scope=",
    "service=",
    "token",
    "tokens",
];

/// Returns a text without secrets: `scheme://…@host`, `…?…` for a query, `Authorization: …`,
/// `Bearer …`, `Basic …`, `token=…`.
///
/// The time is proportional to the text's length. A second call changes nothing.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut awaits = Awaits::Nothing;
    for (start, word) in words(text) {
        let end = start + word.len();
        let core = word.trim_end_matches(TAIL);
        let left = in_word(core);
        // The rest of the word counts here, so that a second call finds the same.
        let new = match awaits.takes(&left) {
            true => Cow::Borrowed(GONE),
            false => left,
        };
        // The whole word counts here: a scheme that was removed did announce a credential.
        awaits = awaits.after(word, core);
        if let Cow::Owned(_) | Cow::Borrowed(GONE) = new {
            out.push_str(&text[kept..start]);
            out.push_str(&new);
            out.push_str(&word[core.len()..]);
            kept = end;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Returns the words of a text and their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '`' | '<' | '>');
    let mut at = 0;
    text.split(ends).filter_map(move |word| {
        let start = at;
        let after = text[start + word.len()..].chars().next();
        at = start + word.len() + after.map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

/// Secret that the words before announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Nothing,
    /// `Bearer` or `Basic`: a credential, unless it is a sentence.
    Credential,
    /// `Authorization:` or a header like it: a scheme or a credential follows.
    Header,
    /// The same in small letters, which may also be a phrase of the runtime.
    Phrase,
    /// The name of such a header, before its colon.
    Colon,
}

impl Awaits {
    /// Returns whether a word is the announced secret.
    fn takes(self, core: &str) -> bool {
        let is_word = || {
            let begins = |word: &&str| {
                let head = core.get(..word.len());
                let same = head.is_some_and(|head| head.eq_ignore_ascii_case(word));
                same && (word.ends_with('=') || core.len() == word.len())
            };
            WORDS.iter().any(begins)
        };
        let is_scheme = || scheme(core);
        let is_odd = || core.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let is_something = core.contains(char::is_alphanumeric);
        is_something
            && match self {
                Self::Nothing | Self::Colon => false,
                Self::Credential => !is_word(),
                Self::Header => !is_scheme(),
                Self::Phrase => !is_scheme() && is_odd(),
            }
    }

    /// Returns what this word announces.
    fn after(self, word: &str, core: &str) -> Self {
        if word == core && scheme(core) {
            return Self::Credential;
        }
        let name = core.trim_start_matches(['[', '{', '(', '\'', '\\']);
        if ends_with(name, "authorization") || ends_with(name, "x-registry-auth") {
            return match (
                word[core.len()..].starts_with(':'),
                name.starts_with(char::is_uppercase),
            ) {
                (true, true) => Self::Header,
                (true, false) => Self::Phrase,
                // In JSON the colon follows the quote after the name.
                (false, _) if word == core => Self::Colon,
                (false, _) => Self::Nothing,
            };
        }
        match (self, core.is_empty()) {
            (Self::Colon, true) if word.starts_with(':') => Self::Header,
            (before, true) => before,
            (_, false) => Self::Nothing,
        }
    }
}

/// Returns whether a word ends with the name of a scheme. A credential follows it.
fn scheme(word: &str) -> bool {
    ["bearer", "basic"].iter().any(|scheme| {
        let goes_on = |c: char| c.is_alphanumeric() || "-_/.".contains(c);
        ends_with(word, scheme) && !word[..word.len() - scheme.len()].ends_with(goes_on)
    })
}

/// Returns whether a text ends so, in small or capital letters.
fn ends_with(text: &str, end: &str) -> bool {
    let at = text.len().checked_sub(end.len());
    let last = at.and_then(|at| text.get(at..));
    last.is_some_and(|last| last.eq_ignore_ascii_case(end))
}

/// Returns a word without its secrets.
fn in_word(word: &str) -> Cow<'_, str> {
    let place = in_place(word);
    let named = in_assignments(place.as_deref().unwrap_or(word));
    // A removed value may have had the `://` that made a path look like a URL.
    let again = named.as_deref().and_then(in_place);
    match again.or(named).or(place) {
        Some(new) if new != word => Cow::Owned(new),
        _ => Cow::Borrowed(word),
    }
}

/// Returns a word without the secrets of its URL or path, if it has any.
fn in_place(word: &str) -> Option<String> {
    match word.split_once("://") {
        Some((head, url)) if !url.is_empty() => in_url(url).map(|url| format!("{head}://{url}")),
        _ => in_path(word),
    }
}

/// Returns the part after `://` without its secrets, if it has any. Everything up to the last `@` of
/// host and path is taken for a password, unless the digest of an image follows.
fn in_url(url: &str) -> Option<String> {
    let marks = ['?', '#'];
    let before_query = url.find(marks).map_or(url, |at| &url[..at]);
    let at = last_at(before_query).or_else(|| {
        // A password may contain the marks of a query. Then the host seems to have an invalid port.
        let first = url[before_query.len()..].find('@')?;
        let at = before_query.len() + first;
        let host = url[at + 1..].split(marks).next()?;
        let last = last_at(host).map_or(at, |more| at + 1 + more);
        (!has_good_port(before_query)).then_some(last)
    });
    let at = at.filter(|at| *at > 0);
    let rest = &url[at.unwrap_or(0)..];
    let query = rest.find(marks).filter(|mark| mark + 1 < rest.len());
    if at.is_none() && query.is_none() {
        return None;
    }
    let mut out = String::new();
    if at.is_some() {
        out.push_str(GONE);
    }
    match query {
        Some(mark) => {
            out.push_str(&rest[..=mark]);
            out.push_str(GONE);
        }
        None => out.push_str(rest),
    }
    Some(out)
}

/// Returns the place of the last `@` that no digest follows.
fn last_at(text: &str) -> Option<usize> {
    let mut ats = text.rmatch_indices('@').map(|(at, _)| at);
    ats.find(|at| !is_digest(&text[at + 1..]))
}

/// Returns whether a text begins with a digest: `sha256:` and digits. The paths of stores of signatures have
/// `sha256=`.
fn is_digest(text: &str) -> bool {
    text.split_once([':', '='])
        .is_some_and(|(algorithm, digits)| {
            let digits = digits.split(|c: char| !c.is_ascii_hexdigit()).next();
            matches!(algorithm, "sha256" | "sha384" | "sha512")
                && digits.is_some_and(|digits| digits.len() >= 32)
        })
}

/// Returns whether the host of a URL has no port, or a number as its port.
fn has_good_port(url: &str) -> bool {
    let host = url.split('/').next().unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    host.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a path without its query, if it has one: `/v2/a?…`.
fn in_path(word: &str) -> Option<String> {
    let (path, query) = word.split_once('?')?;
    let is_query = path.contains('/') && query.contains('=');
    is_query.then(|| format!("{path}?{GONE}"))
}

/// Returns a word without the values of secret names, if it has any. A comma, a semicolon or an
/// ampersand ends a value.
fn in_assignments(word: &str) -> Option<String> {
    if !word.contains('=') {
        return None;
    }
    let ends = ['&', ',', ';'];
    let mut out = String::with_capacity(word.len());
    let mut changed = false;
    for piece in word.split_inclusive(ends) {
        let bare = piece.trim_end_matches(ends);
        let secret = bare.split_once('=').filter(|(name, value)| {
            !value.is_empty() && SECRET.iter().any(|secret| ends_with(name, secret))
        });
        match secret {
            Some((name, _)) => {
                changed = true;
                out.push_str(name);
                out.push('=');
                out.push_str(GONE);
                out.push_str(&piece[bare.len()..]);
            }
            None => out.push_str(piece),
        }
    }
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected, "{text}");
        assert_eq!(redacted(expected), expected, "again");
    }

    #[test]
    fn secrets_before_a_host_are_removed() {
        check("https://u:p@r.test/v2/", "https://…@r.test/v2/");
        check("(oci://token@r.test/a:1)", "(oci://…@r.test/a:1)");
        check("http://u:p@w@r.test", "http://…@r.test");
        check(
            "parse \"https://u:p/w@r.test\": no",
            "parse \"https://…@r.test\": no",
        );
        check("https://u:p?w@r.test/a?b", "https://…@r.test/a?…");
        check("x://proxy/https://u:p@r.test/", "x://…@r.test/");
        for same in [
            "https://r.test:5000/v2/a@sha256:00112233445566778899aabbccddeeff/x",
            "docker://r.test/a:1@sha256:00112233445566778899aabbccddeeff:",
            "https://@r.test",
            "r.test/a@sha256:00",
            "://",
        ] {
            check(same, same);
        }
    }

    #[test]
    fn queries_are_removed() {
        check(
            "Get \"https://r.test:80/b?sig=a,b(c)@d&e\": 403 Forbidden",
            "Get \"https://r.test:80/b?…\": 403 Forbidden",
        );
        check(
            "from https://r.test/b?sig=abc: EOF",
            "from https://r.test/b?…: EOF",
        );
        check("[https://r.test/?a=b, next]", "[https://r.test/?…, next]");
        check(
            r#"{\"url\":\"https://r.test/?a=1\u0026b=2\"}"#,
            r#"{\"url\":\"https://r.test/?…\"}"#,
        );
        check(
            r#"\\"https://r.test/?a\\" x"#,
            r#"\\"https://r.test/?…\\" x"#,
        );
        check("https://r.test/#access", "https://r.test/#…");
        check("GET /v2/a/blobs?sig=abc 403", "GET /v2/a/blobs?… 403");
        check("really? a/b?", "really? a/b?");
        check("https://r.test/?", "https://r.test/?");
    }

    #[test]
    fn values_of_credentials_are_removed() {
        check("Authorization: Bearer xyz", "Authorization: Bearer …");
        check(
            "Authorization: xyz, Accept: all",
            "Authorization: …, Accept: all",
        );
        check(
            "map[Authorization:[Basic dTpw]]",
            "map[Authorization:[Basic …]]",
        );
        check(r#"{"Authorization": "xyz"}"#, r#"{"Authorization": "…"}"#);
        check("authorization: Zm9vOmJhcg", "authorization: …");
        check("got bearer xyz: 401", "got bearer …: 401");
        check(
            "a?password=x&b=c, client_secret=y",
            "a?password=…&b=c, client_secret=…",
        );
        for same in [
            "authorization: authorization failed: no basic auth credentials",
            "authorization: server message: insufficient_scope",
            r#"Bearer realm="https://r.test/token",service="r.test""#,
            "failed to fetch bearer token",
            "https://r.test/v2/basic/manifests/1: 401 Unauthorized",
        ] {
            check(same, same);
        }
    }

    #[test]
    fn a_second_call_changes_nothing() {
        // The value of `token` is a scheme. It is removed, and a credential follows it.
        check("Authorization: token=Bearer xyz", "Authorization: … …");
        check("Authorization: token=Bearer ", "Authorization: … ");
        check("X-Registry-Auth: password=basic", "X-Registry-Auth: …");
        check("Authorization: https://r.test/?Bearer", "Authorization: …");
        check("token=Bearer xyz", "token=… …");
        // A value with `://` in it. The rest is a path with a query.
        check("/v2/?token=https://r.test/", "/v2/?…");
        // A second `@` after a password with a mark in it.
        check("https://u:p?w@x@r.test/a", "https://…@r.test/a");
    }

    #[test]
    fn a_megabyte_takes_no_time() {
        for piece in [
            "://a:b/",
            "?",
            "@",
            "a@sha256:",
            "Bearer ",
            "token=",
            "\\\"",
            "#://@",
        ] {
            let text = piece.repeat(1024 * 1024 / piece.len());
            assert!(redacted(&text).len() <= text.len() * 2, "{piece}");
        }
    }
}

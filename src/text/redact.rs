//! Secrets in texts that others chose: what stands in a URL before the host and after the path, and the values of credentials.
//!
//! A text is read once, word by word: white space, quotes and `<>` end a word. What is taken out leaves `…` in its place, and what
//! the text's structure hangs on, its quotes, brackets and `: `, stays: the cause of a text is the same before and after.

use std::borrow::Cow;

/// What is left of a secret.
const GONE: &str = "…";

/// What may hang on a word's end without being of it: the punctuation of a sentence, brackets, and the escapes of a quote.
const TAIL: [char; 10] = [':', ',', ';', '.', ')', ']', '}', '\'', '\\', '!'];

/// Names whose values are secret, in `name=value`: those that end so.
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

/// Words that follow `basic` or `bearer` in sentences, and the beginnings of what follows them in a challenge.
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

/// A text without secrets: `scheme://…@host`, `…?…` for a query, `Authorization: …`, `Bearer …`, `Basic …`, `token=…`.
///
/// Takes time in proportion to the text's length. What it leaves, it leaves alone when asked again.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut awaits = Awaits::Nothing;
    for (start, word) in words(text) {
        let end = start + word.len();
        let core = word.trim_end_matches(TAIL);
        let left = in_word(core);
        // Goes by the word as it is left: asked again, it must read the same.
        let new = match awaits.takes(&left) {
            true => Cow::Borrowed(GONE),
            false => left,
        };
        // Goes by the word as it was: a scheme that is gone announced a credential all the same.
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

/// The words of a text, and where they begin.
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

/// What the words before have led up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Nothing,
    /// `Bearer` or `Basic`: a credential, unless it is a sentence.
    Credential,
    /// `Authorization:`, or a header like it: a scheme, or a credential.
    Header,
    /// The same in small letters, which a phrase of the runtime's may be too.
    Phrase,
    /// The name of such a header, whose colon has not come yet.
    Colon,
}

impl Awaits {
    /// Whether a word is the secret that was awaited.
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

    /// What is awaited after this word.
    fn after(self, word: &str, core: &str) -> Self {
        if word == core && scheme(core) {
            return Self::Credential;
        }
        let name = core.trim_start_matches(['[', '{', '(', '\'', '\\']);
        let ends = |header: &str| {
            let at = name.len().checked_sub(header.len());
            let end = at.and_then(|at| name.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(header))
        };
        if ends("authorization") || ends("x-registry-auth") {
            return match (
                word[core.len()..].starts_with(':'),
                name.starts_with(char::is_uppercase),
            ) {
                (true, true) => Self::Header,
                (true, false) => Self::Phrase,
                // In JSON the colon follows the name's quote.
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

/// Whether a word ends with the name of a scheme that a credential follows.
fn scheme(word: &str) -> bool {
    ["bearer", "basic"].iter().any(|scheme| {
        let Some(at) = word.len().checked_sub(scheme.len()) else {
            return false;
        };
        let end = word.get(at..);
        let same = end.is_some_and(|end| end.eq_ignore_ascii_case(scheme));
        same && !word[..at].ends_with(|c: char| c.is_alphanumeric() || "-_/.".contains(c))
    })
}

/// A word without the secrets in it.
fn in_word(word: &str) -> Cow<'_, str> {
    let place = in_place(word);
    let named = in_assignments(place.as_deref().unwrap_or(word));
    // The value of a name may have had the `://` that made a path look like a URL.
    let again = named.as_deref().and_then(in_place);
    match again.or(named).or(place) {
        Some(new) if new != word => Cow::Owned(new),
        _ => Cow::Borrowed(word),
    }
}

/// A word without the secrets of its URL or its path.
fn in_place(word: &str) -> Option<String> {
    match word.split_once("://") {
        Some((head, url)) if !url.is_empty() => in_url(url).map(|url| format!("{head}://{url}")),
        _ => in_path(word),
    }
}

/// What follows `://`, if there is a secret in it. All up to the last `@` of host and path is taken for a password, unless what follows that is
/// the digest of an image.
fn in_url(url: &str) -> Option<String> {
    let marks = ['?', '#'];
    let before_query = url.find(marks).map_or(url, |at| &url[..at]);
    let at = last_at(before_query).or_else(|| {
        // A password may have the marks of a query in it: then the host would have a port that is none.
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

/// The place of the last `@` that no digest follows.
fn last_at(text: &str) -> Option<usize> {
    let mut ats = text.rmatch_indices('@').map(|(at, _)| at);
    ats.find(|at| !is_digest(&text[at + 1..]))
}

/// Whether this is what follows the `@` of an image's digest: `sha256:` and digits.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, digits)| {
        let digits = digits.split(|c: char| !c.is_ascii_hexdigit()).next();
        matches!(algorithm, "sha256" | "sha384" | "sha512")
            && digits.is_some_and(|digits| digits.len() >= 32)
    })
}

/// Whether the host of a URL has no port, or a number for one.
fn has_good_port(url: &str) -> bool {
    let host = url.split('/').next().unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    host.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit())
}

/// A path with a query, without the host: `/v2/a?sig=…`.
fn in_path(word: &str) -> Option<String> {
    let (path, query) = word.split_once('?')?;
    let is_query = path.contains('/') && query.contains('=');
    is_query.then(|| format!("{path}?{GONE}"))
}

/// Secrets by their names: `password=…`, up to a comma, a semicolon or an ampersand.
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
            let is = |secret: &&str| {
                let at = name.len().checked_sub(secret.len());
                let end = at.and_then(|at| name.get(at..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(secret))
            };
            !value.is_empty() && SECRET.iter().any(is)
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
    fn what_stands_before_a_host() {
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
    fn what_stands_after_a_path() {
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
    fn values_of_credentials() {
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
    fn a_word_that_loses_a_part_reads_as_before() {
        // A scheme that is a name's value: the word is no scheme any more, what follows it is a credential.
        check("Authorization: token=Bearer xyz", "Authorization: … …");
        check("Authorization: token=Bearer ", "Authorization: … ");
        check("X-Registry-Auth: password=basic", "X-Registry-Auth: …");
        check("Authorization: https://r.test/?Bearer", "Authorization: …");
        check("token=Bearer xyz", "token=… …");
        // A value with `://` in it: what is left is a path with a query.
        check("/v2/?token=https://r.test/", "/v2/?…");
        // A second `@` behind a password with a mark in it.
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

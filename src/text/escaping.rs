//! Others' texts on their way to a terminal: characters that would steer it are escaped.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::text::{Shown, is_hidden};

/// Returns a text of several lines with all hidden characters escaped but line breaks.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match is_hidden(character) && character != '\n' {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    out
}

/// Returns a record of a log with all hidden characters escaped but the line break at its end and,
/// with `colours`, those that set a colour.
pub fn record(text: &str, colours: bool) -> String {
    let (text, end) = match text.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (text, ""),
    };
    let mut out = String::with_capacity(text.len() + end.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = match colour(rest).filter(|_| colours) {
            Some(colour) => {
                out.push_str(colour);
                colour.len()
            }
            None => {
                // Writing into a String cannot fail.
                let _ = write!(out, "{}", Shown(character.encode_utf8(&mut [0; 4])));
                character.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out + end
}

/// The colours of tracing-subscriber. Others could hide a text.
const COLOURS: [&str; 6] = ["31", "32", "33", "34", "35", "36"];

/// Returns the sequence that sets one of these colours or a style, if the text begins with one.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let is_plain =
        |code: &str| matches!(code, "0" | "1" | "2" | "3" | "4") || COLOURS.contains(&code);
    let is_colour =
        parameters[..end].split(';').all(is_plain) && parameters[end..].starts_with('m');
    is_colour.then(|| &text[..text.len() - parameters.len() + end + 1])
}

/// Returns the same JSON with all hidden characters escaped. serde_json escapes only those of ASCII,
/// and some terminals read U+009B as the beginning of an escape sequence.
pub fn json(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte < 0x7f) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_control() && character != '\u{7f}' || !is_hidden(character) {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "é\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\n\ra";

    #[test]
    fn only_line_breaks_stay() {
        assert_eq!(lines(HOSTILE), "é\\u{1b}[2J\\u{7f}\\u{9b}2J\\u{202e}\n\\ra");
    }

    #[test]
    fn a_record_is_one_line() {
        let escaped = "é\\u{1b}[2J\\u{7f}\\u{9b}2J\\u{202e}\\n\\ra";
        for colours in [false, true] {
            assert_eq!(
                record(&format!("{HOSTILE}\n"), colours),
                format!("{escaped}\n")
            );
            assert_eq!(record(HOSTILE, colours), escaped);
        }
        let warning = "\u{1b}[33m WARN\u{1b}[0m \u{1b}[1;3mx\u{1b}[0m=1\u{1b}]0;x";
        let kept = warning.replace("\u{1b}]", "\\u{1b}]");
        assert_eq!(record(warning, true), kept);
        assert!(!record(warning, false).contains('\u{1b}'));
        assert_eq!(record("\u{1b}[8mx", true), "\\u{1b}[8mx");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "a": HOSTILE, "b": ["plain"] });
        for text in [
            value.to_string(),
            serde_json::to_string_pretty(&value).unwrap(),
        ] {
            let escaped = json(&text);
            assert!(
                !escaped.chars().any(|c| is_hidden(c) && c != '\n'),
                "{escaped:?}"
            );
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
                value
            );
        }
        assert!(matches!(json("{\n}"), Cow::Borrowed(_)));
    }
}

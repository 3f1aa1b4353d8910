//! Others' texts on their way to a terminal: characters that would steer it are escaped.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::text::is_hidden;

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

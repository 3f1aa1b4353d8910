//! Others' texts in a form that is safe to print and to keep.

use std::fmt;
use std::fmt::Write as _;

use super::redact::redacted;

/// Longest text that is kept, in bytes.
const KEPT: usize = 1024;

/// Text that is shown with its hidden characters escaped.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            hidden if is_hidden(hidden) => write!(f, "{}", hidden.escape_default()),
            plain => f.write_char(plain),
        })
    }
}

/// Returns a text without secrets, escaped, and of at most 1 KiB: for logs, files and conditions.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in redacted(text).chars() {
        let hidden = is_hidden(character);
        // The longest escape is `\u{10ffff}`.
        let length = if hidden { 10 } else { character.len_utf8() };
        if out.len() + length > KEPT - '…'.len_utf8() {
            out.push('…');
            break;
        }
        if hidden {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Returns a text without secrets, of at most so many bytes. Secrets go first: half a URL could not be
/// told any more.
pub fn cut(text: &str, most: usize) -> String {
    let text = redacted(text);
    text[..text.floor_char_boundary(most)].to_owned()
}

/// Returns whether a character steers a terminal, or changes how the text around it is shown.
pub fn is_hidden(character: char) -> bool {
    let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped() {
        let hostile = "a\u{1b}[31m\r\n\u{202e}é";
        assert_eq!(Shown(hostile).to_string(), "a\\u{1b}[31m\\r\\n\\u{202e}é");
        assert_eq!(printable(hostile), Shown(hostile).to_string());
    }

    #[test]
    fn a_cut_leaves_whole_characters() {
        assert_eq!(cut("éé", 3), "é");
    }

    #[test]
    fn kept_texts_are_bounded() {
        for text in ["x", "é", "\u{1b}", "\u{feff}"] {
            let kept = printable(&text.repeat(100_000));
            assert!(kept.len() <= KEPT && kept.ends_with('…'), "{text:?}");
        }
    }
}

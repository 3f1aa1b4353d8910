//! Pages for people: lines of 80 columns at most, with colours on a terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::text::Shown;

/// Columns that a line may take.
pub(super) const WIDTH: usize = 80;

/// Terminal code that clears the screen and moves to its first line.
pub(super) const CLEAR: &str = "\x1b[H\x1b[2J";

/// Importance of a piece of text, which gives its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing special.
    Plain,
    /// Something that is as it should be.
    Well,
    /// Something worth a thought.
    Notable,
    /// Something that is wrong.
    Bad,
    /// Title of the lines below.
    Title,
}

impl Tone {
    /// Returns the terminal's code for it.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Well => "\x1b[32m",
            Self::Notable => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
            Self::Title => "\x1b[1m",
        }
    }
}

/// Page under construction. All text that is put on it is escaped.
#[derive(Debug)]
pub(super) struct Screen {
    text: String,
    colours: bool,
    width: usize,
}

impl Screen {
    /// Begins a page for standard output: with colours only on a terminal and without NO_COLOR.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            text: String::new(),
            colours: is_terminal() && !unwanted,
            width: WIDTH,
        }
    }

    /// Lets lines be of any length: nothing is cut or wrapped.
    pub(super) fn wide(mut self) -> Self {
        self.width = usize::MAX;
        self
    }

    /// Returns the page's text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Ends the line, or adds an empty one.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds a line, wrapped where it is too long.
    pub(super) fn line(&mut self, tone: Tone, text: &str) {
        for line in fold(text, self.width) {
            self.push(tone, &line);
            self.gap();
        }
    }

    /// Adds a head and a text beside it, which begins at `column` and is wrapped under itself.
    pub(super) fn entry(&mut self, tone: Tone, head: &str, column: usize, text: &str) {
        self.push(tone, head);
        let mut at = head.width();
        for line in fold(text, self.width.saturating_sub(column)) {
            self.text.push_str(&" ".repeat(column.saturating_sub(at)));
            self.text.push_str(&line);
            self.gap();
            at = 0;
        }
    }

    /// Adds the same, cut off after so many lines.
    pub(super) fn cut_entry(
        &mut self,
        tone: Tone,
        head: &str,
        column: usize,
        text: &str,
        lines: usize,
    ) {
        let room = self.width.saturating_sub(column).saturating_mul(lines);
        // Words do not fill their lines: what does not fit then is cut off too.
        let mut folded = fold(&cut(&shown(text), room), self.width.saturating_sub(column));
        if folded.len() > lines {
            folded.truncate(lines);
            if let Some(last) = folded.last_mut() {
                *last = cut(&format!("{last} …"), self.width.saturating_sub(column));
            }
        }
        self.entry(tone, head, column, &folded.join(" "));
    }

    /// Adds rows with aligned columns, two spaces apart; the first row has the heads.
    pub(super) fn table<const N: usize>(&mut self, rows: &[[String; N]]) {
        self.table_with(rows, |_, _| {});
    }

    /// Adds the same, and below the row of each index what `below` adds.
    pub(super) fn table_with<const N: usize>(
        &mut self,
        rows: &[[String; N]],
        mut below: impl FnMut(&mut Self, usize),
    ) {
        let rows: Vec<[String; N]> = rows
            .iter()
            .map(|row| row.each_ref().map(|cell| shown(cell)))
            .collect();
        let mut widths = [0; N];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| cell.clone() + &" ".repeat(width - cell.width()))
                .collect();
            let tone = if index == 0 { Tone::Title } else { Tone::Plain };
            self.push(tone, line.join("  ").trim_end());
            self.gap();
            below(self, index);
        }
    }

    fn push(&mut self, tone: Tone, text: &str) {
        let code = if self.colours { tone.code() } else { "" };
        self.text.push_str(code);
        self.text.push_str(&Shown(text).to_string());
        if !code.is_empty() {
            self.text.push_str("\x1b[0m");
        }
    }
}

/// Returns whether standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Returns a duration in whole seconds, the largest units first, without gaps: `1h5m`.
pub(super) fn age(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.replace(' ', "")
}

/// Returns a time to the second.
pub(super) fn second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns a text in one line, escaped.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    Shown(&words.join(" ")).to_string()
}

/// Returns the first `width` columns, with `…` for the rest.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let end = text.find(|character| {
        used += columns(character);
        used >= width
    });
    text[..end.unwrap_or(0)].trim_end().to_owned() + "…"
}

/// Returns the number of columns that a character takes on a terminal.
fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Breaks a text into lines of `width` columns at most: between words, and within a word only if it
/// is longer than a line.
fn fold(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in shown(text).split(' ') {
        let length = word.width();
        let gap = usize::from(used > 0);
        if used > 0 && used + gap + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if gap > 0 {
            line.push(' ');
            used += 1;
        }
        for character in word.chars() {
            if used > 0 && used + columns(character) > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(character);
            used += columns(character);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        for (text, width, expected) in [
            ("", 5, &[""][..]),
            ("one two", 7, &["one two"]),
            ("one two", 6, &["one", "two"]),
            ("one\n\ttwo", 80, &["one two"]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("a abcdefgh b", 3, &["a", "abc", "def", "gh", "b"]),
            ("äöü äöü", 3, &["äöü", "äöü"]),
            ("画像 ab", 5, &["画像", "ab"]),
            ("画像画像", 5, &["画像", "画像"]),
            ("e\u{301}e\u{301}", 2, &["e\u{301}e\u{301}"]),
            ("a\u{1b}[2J", 80, &["a\\u{1b}[2J"]),
        ] {
            assert_eq!(fold(text, width), expected, "{text:?} in {width}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        for (text, width, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("ab cd", 4, "ab…"),
            ("äöüß", 3, "äö…"),
            ("画像が", 5, "画像…"),
            ("画像が", 4, "画…"),
        ] {
            assert_eq!(cut(text, width), expected);
        }
        let mut screen = Screen::new();
        screen.cut_entry(Tone::Plain, "error", 10, &"word ".repeat(200), 2);
        let text = screen.into_text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH) && text.ends_with("…\n"),
            "{text}"
        );
    }

    #[test]
    fn colours_are_around_the_text_and_not_counted() {
        let mut screen = Screen::new();
        screen.colours = true;
        screen.entry(Tone::Bad, "fault", 8, "no");
        screen.line(Tone::Plain, "plain");
        assert_eq!(screen.into_text(), "\x1b[1;31mfault\x1b[0m   no\nplain\n");
    }

    #[test]
    fn wide_lines_are_left_whole() {
        let mut screen = Screen::new().wide();
        let long = "word ".repeat(100);
        screen.entry(Tone::Plain, "error", 10, &long);
        assert_eq!(
            screen.into_text(),
            format!("error     {}\n", long.trim_end())
        );
    }
}

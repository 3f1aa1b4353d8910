//! What people read: lines of 80 columns at most, with colours where somebody sits before them.

use std::io::IsTerminal as _;

use crate::text::Shown;

/// What a line may take.
pub(super) const WIDTH: usize = 80;

/// Why a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// It does not.
    Plain,
    /// It is as it should be.
    Well,
    /// It is worth a thought.
    Notable,
    /// It is in the way.
    Bad,
    /// It is what the lines below are about.
    Title,
}

impl Tone {
    /// The terminal's code for it.
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

/// Lines under construction. Whatever is put on it is escaped.
#[derive(Debug)]
pub(super) struct Screen {
    text: String,
    colours: bool,
    width: usize,
}

impl Screen {
    /// For standard output: colours only on a terminal, and where nobody has set NO_COLOR.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            text: String::new(),
            colours: is_terminal() && !unwanted,
            width: WIDTH,
        }
    }

    /// Lines may be of any length: nothing is cut or wrapped.
    pub(super) fn wide(mut self) -> Self {
        self.width = usize::MAX;
        self
    }

    /// What was put on it.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line of its own, wrapped where it is too long.
    pub(super) fn line(&mut self, tone: Tone, text: &str) {
        for line in fold(text, self.width) {
            self.push(tone, &line);
            self.gap();
        }
    }

    /// A head and a text beside it, which is wrapped under itself. `column` is where it begins.
    pub(super) fn entry(&mut self, tone: Tone, head: &str, column: usize, text: &str) {
        self.push(tone, head);
        let mut at = head.chars().count();
        for line in fold(text, self.width.saturating_sub(column)) {
            self.text.push_str(&" ".repeat(column.saturating_sub(at)));
            self.text.push_str(&line);
            self.gap();
            at = 0;
        }
    }

    /// The same in one line at most `lines` long, its end cut off where there is more.
    pub(super) fn cut_entry(
        &mut self,
        tone: Tone,
        head: &str,
        column: usize,
        text: &str,
        lines: usize,
    ) {
        let room = self.width.saturating_sub(column).saturating_mul(lines);
        // Words do not fill their lines: what is left over then is cut off too.
        let mut folded = fold(&cut(&shown(text), room), self.width.saturating_sub(column));
        if folded.len() > lines {
            folded.truncate(lines);
            if let Some(last) = folded.last_mut() {
                *last = cut(&format!("{last} …"), self.width.saturating_sub(column));
            }
        }
        self.entry(tone, head, column, &folded.join(" "));
    }

    /// Rows with their columns below each other, two spaces apart; the first is their heads. Nothing is cut.
    pub(super) fn table<const N: usize>(&mut self, rows: &[[String; N]]) {
        let rows: Vec<[String; N]> = rows
            .iter()
            .map(|row| row.each_ref().map(|cell| shown(cell)))
            .collect();
        let mut widths = [0; N];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            let tone = if index == 0 { Tone::Title } else { Tone::Plain };
            self.push(tone, line.join("  ").trim_end());
            self.gap();
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

/// Whether somebody sits before standard output.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Fit to be shown, in one line.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    Shown(&words.join(" ")).to_string()
}

/// The first `width` characters, with `…` for what is left out.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// Lines of `width` characters at most, broken between words; within one only if it is longer than a line.
fn fold(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in shown(text).split(' ') {
        let length = word.chars().count();
        let gap = usize::from(used > 0);
        if used > 0 && used + gap + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if gap > 0 {
            line.push(' ');
            used += 1;
        }
        for character in word.chars() {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(character);
            used += 1;
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

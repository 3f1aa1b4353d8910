//! What the demo prints: one line for each thing that happens.

use std::io::IsTerminal as _;

use testbed::Stopwatch;

/// Who does or suffers something, with a colour of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The Job whose image does not exist, and its Pod.
    A,
    /// The Job that is queued, and its Pod.
    B,
    /// The agent.
    Pullwarden,
    /// Whoever looks on.
    Nobody,
}

/// How a line is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// In passing.
    Quiet,
    /// Something fails.
    Bad,
    /// Something is as it should be.
    Good,
}

/// The lines so far, on standard output; colours on a terminal only, or where `CLICOLOR_FORCE` asks for them.
#[derive(Debug)]
pub struct Timeline {
    begun: Stopwatch,
    colours: bool,
}

impl Timeline {
    /// Begins now.
    pub fn begin() -> Self {
        let is_set = |name| testbed::variable(name).is_some();
        let for_them = is_set("CLICOLOR_FORCE") || std::io::stdout().is_terminal();
        Self {
            begun: Stopwatch::start(),
            colours: for_them && !is_set("NO_COLOR"),
        }
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// A headline.
    pub fn act(&self, title: &str, subtitle: &str) {
        println!(
            "\n{}  {}\n",
            self.paint("1", title),
            self.paint("2", subtitle)
        );
    }

    /// Something happens.
    pub fn line(&self, who: Who, tone: Tone, text: &str) {
        let (name, colour) = match who {
            Who::A => ("Job A", "33"),
            Who::B => ("Job B", "36"),
            Who::Pullwarden => ("pullwarden", "35"),
            Who::Nobody => ("", "0"),
        };
        let text = match tone {
            Tone::Plain => text.to_owned(),
            Tone::Quiet => self.paint("2", text),
            Tone::Bad => self.paint("31", text),
            Tone::Good => self.paint("32", text),
        };
        let time = self.paint("2", &format!("{:>6.1} s", self.seconds()));
        let name = self.paint(colour, &format!("{name:<10}"));
        println!("{time}   {name}   {text}");
    }

    /// A command, as a user would type it.
    pub fn command(&self, line: &str) {
        println!("\n{} {}", self.paint("2", "$"), self.paint("1", line));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

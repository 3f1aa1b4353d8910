//! The table of what was measured.

use super::asked::{Asked, kinds, worst_second};

/// Rows that were printed, and whether all goals were reached.
#[derive(Debug)]
pub struct Table {
    well: bool,
}

impl Table {
    /// Nothing was printed yet.
    pub fn new() -> Self {
        Self { well: true }
    }

    /// A title.
    pub fn title(&self, text: &str) {
        println!("\n{text}\n");
    }

    /// A row that is only told.
    pub fn tell(&self, what: &str, value: &str) {
        println!("  {what:<58}{value:>14}");
    }

    /// A row with a goal.
    pub fn goal(&mut self, what: &str, value: &str, goal: &str, reached: bool) {
        self.well &= reached;
        let missed = if reached { "" } else { "   MISSED" };
        println!("  {what:<58}{value:>14}   {goal}{missed}");
    }

    /// The sum of requests, the worst second, and each kind.
    pub fn requests(&self, asked: &[Asked]) {
        self.tell("requests to the API server", &asked.len().to_string());
        self.tell("  most in one second", &worst_second(asked).to_string());
        for (kind, made) in kinds(asked) {
            self.tell(&format!("  {kind}"), &made.to_string());
        }
        let refused = |code| asked.iter().filter(|of| of.code == code).count();
        for code in [401, 403, 409, 429, 500, 503, 504] {
            let refused = refused(code);
            if refused > 0 || code == 429 {
                self.tell(
                    &format!("  of them answered with {code}"),
                    &refused.to_string(),
                );
            }
        }
    }

    /// Returns true if all goals were reached.
    pub fn is_well(&self) -> bool {
        self.well
    }
}

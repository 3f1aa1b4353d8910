//! The loop behind `--watch`.

use std::time::Duration;

use super::printing::{Printed, complain, print};
use super::screen::{CLEAR, Screen, Tone, is_terminal};

/// Prints what `ask` returns, again and again, until nobody reads it. An error does not end the loop: a person
/// waits for the end of an outage. Standard output has nothing but JSON if that was asked for.
pub(super) async fn watch(
    is_json: bool,
    pause: Duration,
    ask: impl AsyncFn() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let clear = match is_terminal() && !is_json {
        true => CLEAR,
        false => "",
    };
    loop {
        let text = match ask().await {
            Ok(text) => text,
            Err(error) if is_json => {
                complain(&format!("{error:#}"));
                String::new()
            }
            Err(error) => {
                let mut screen = Screen::new();
                screen.line(Tone::Bad, &format!("{error:#}"));
                screen.into_text()
            }
        };
        if print(&format!("{clear}{text}"))? == Printed::Closed {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
    }
}

//! Reasons of failed tests that lease a node, said at once. The harness keeps them until the last test has ended,
//! and a run that is cut off before never says them.

use std::io::Write as _;
use std::sync::Once;

static HOOK: Once = Once::new();

/// From now on, a panic is written to the standard error at once, and to the test's own output as usual.
pub fn at_once() {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a thread without a name");
            // Not by `eprintln`, which goes to the test's own output.
            let _ = writeln!(std::io::stderr(), "--- {test}: {panic}");
            usual(panic);
        }));
    });
}

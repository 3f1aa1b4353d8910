//! The request to end, as it arrives from outside.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Can be waited for by any number of tasks.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for the end when told to. Dropped, it asks too.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// A request that has not been made yet, and the means to make it.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// A request that waits for this trigger.
    pub fn request(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }

    /// Asks everything that waits to end.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }

    /// Asks on SIGTERM or SIGINT.
    ///
    /// # Errors
    /// If the signals cannot be listened to.
    pub async fn on_signal(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.pull();
        // Dropping the trigger would ask as well; stay, so that this task ends only with the process.
        self.0.closed().await;
        Ok(())
    }
}

impl Shutdown {
    /// Returns once the end is asked for.
    pub async fn asked(&mut self) {
        // An error is a dropped trigger: nobody is left who could ask.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

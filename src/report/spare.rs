//! The ways to be spared that ask the node's own runtime: they cost no request to the API server, so they come before its last look.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::cri::{Pulled, Runtime};
use crate::judge::{Ending, FailRequest, Outcome, Reason};
use crate::text::redacted;

/// Time that the runtime may pull for a second opinion.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the runtime whether the image is on the node and, if that is wanted, whether it can pull it itself within `patience`. One pull at
/// a time.
///
/// # Errors
/// Why the Pod is not failed.
pub async fn ask(
    runtime: &mut Runtime,
    pulls: &Semaphore,
    patience: Duration,
    request: &mut FailRequest,
) -> Result<(), Ending> {
    let image = request.image.clone();
    if request.asks.is_present {
        match runtime.has_image(&image).await {
            Ok(false) => {}
            Ok(true) => return Err(Ending::spared(&Reason::OnNode { image })),
            Err(status) => {
                // Nobody is failed by a node in trouble.
                return Err(Ending::with(
                    Outcome::Refused,
                    format!(
                        "the runtime does not tell whether it has the image: {:?}: {}",
                        status.code(),
                        redacted(status.message())
                    ),
                ));
            }
        }
    }
    if request.asks.pull {
        // Nobody closes it; if somebody did, there would be nobody to take turns with.
        let _turn = pulls.acquire().await;
        match runtime.pull(&image, patience).await {
            Pulled::Yes => return Err(Ending::spared(&Reason::PulledByRuntime { image })),
            Pulled::NotYet => return Err(Ending::spared(&Reason::StillPulling { image })),
            Pulled::No(answer) => request.opinion = Some(answer),
        }
    }
    Ok(())
}

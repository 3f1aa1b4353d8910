//! The bodies of answers: whole, in pieces over time, or broken off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::anyhow;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame};
use tokio::time::Sleep;

/// An answer's body. An error ends the connection.
pub type Body = UnsyncBoxBody<Bytes, anyhow::Error>;

/// A slow body comes in so many pieces.
const PIECES: usize = 40;
/// What was sent before a body breaks off should have left by then.
const BEFORE_THE_END: Duration = Duration::from_millis(200);

/// All bytes at once.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The bytes, in pieces that are spread over the time.
pub fn trickle(bytes: Bytes, time: Duration) -> Body {
    let size = bytes.len().div_ceil(PIECES).max(1);
    let pause = time / u32::try_from(PIECES).unwrap_or(1);
    Trickle {
        rest: bytes,
        size,
        pause,
        sleep: Box::pin(tokio::time::sleep(pause)),
    }
    .boxed_unsync()
}

/// The bytes, and then the end of the connection.
pub fn broken_off(bytes: Bytes) -> Body {
    Partial {
        bytes: Some(bytes),
        end: Some(Box::pin(tokio::time::sleep(BEFORE_THE_END))),
    }
    .boxed_unsync()
}

/// The bytes, and then nothing at all.
pub fn stalled(bytes: Bytes) -> Body {
    Partial {
        bytes: Some(bytes),
        end: None,
    }
    .boxed_unsync()
}

struct Trickle {
    rest: Bytes,
    size: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Trickle {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(context));
        let next = self.sleep.deadline() + self.pause;
        self.sleep.as_mut().reset(next);
        let size = self.size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }
}

struct Partial {
    bytes: Option<Bytes>,
    /// When the connection ends; none if it does not.
    end: Option<Pin<Box<Sleep>>>,
}

impl hyper::body::Body for Partial {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.end {
            Some(end) => {
                ready!(end.as_mut().poll(context));
                Poll::Ready(Some(Err(anyhow!("the body was to break off here"))))
            }
            // The client's end of the connection is seen elsewhere.
            None => Poll::Pending,
        }
    }
}

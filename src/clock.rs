//! The one place where time comes from; `clippy.toml` forbids it elsewhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::judge::Moment;

/// The node's boot clock for everything that is measured, and the wall clock for what people read.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead: Option<Arc<AtomicU64>>,
    stands: bool,
}

impl Clock {
    /// A clock that runs ahead of the real one by as many milliseconds as `ahead` says at the time, for tests.
    pub fn ahead_by(ahead: Arc<AtomicU64>) -> Self {
        Self {
            ahead: Some(ahead),
            stands: false,
        }
    }

    /// A clock that stands: it shows as many milliseconds as `at` says at the time, since the epoch and since the node started, for tests.
    pub fn standing_at(at: Arc<AtomicU64>) -> Self {
        Self {
            ahead: Some(at),
            stands: true,
        }
    }

    /// The time since the node started, suspends included. A stepped wall clock does not move it.
    pub fn now(&self) -> Moment {
        if self.stands {
            return Moment::new(self.ahead());
        }
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Moment::new(Duration::new(seconds, nanos) + self.ahead())
    }

    /// Returns the wall clock's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn wall(&self) -> Timestamp {
        match self.stands {
            true => Timestamp::UNIX_EPOCH + self.ahead(),
            false => Timestamp::now() + self.ahead(),
        }
    }

    fn ahead(&self) -> Duration {
        let millis = self
            .ahead
            .as_ref()
            .map(|ahead| ahead.load(Ordering::Relaxed));
        Duration::from_millis(millis.unwrap_or(0))
    }
}

/// The processor time that this process has used.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// The kernel's name for this boot: moments of another boot mean nothing on this one.
pub fn boot_id() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

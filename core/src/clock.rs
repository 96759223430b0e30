//! The only place that tells time. Durations and deadlines run on tokio's clock, so that
//! paused and simulated time reach everything.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

/// Monotonic now.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970 by the wall clock; for display and expiry, never for order.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn unix_ms() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(ms) = simulated::unix_ms() {
        return ms;
    }
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since some moment that is the same for the whole process, for histories: the
/// clocks of a simulation's hosts begin at different moments, this one does not.
pub fn elapsed_us() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(elapsed) = turmoil::sim_elapsed() {
        return u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    }
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let passed = now().saturating_duration_since(*BEGAN.get_or_init(now));
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

/// The wall clocks of a simulation: one a host, which may jump.
#[cfg(feature = "simulation")]
pub mod simulated {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use tokio::runtime::{Handle, Id};

    std::thread_local! {
        static OFFSETS_MS: RefCell<HashMap<Id, i64>> = RefCell::default();
    }

    /// Sets how far the wall clock of the current host is off; negative for behind. A host
    /// that starts again has a right clock.
    pub fn set_offset_ms(offset_ms: i64) {
        let host = Handle::current().id();
        OFFSETS_MS.with_borrow_mut(|offsets| offsets.insert(host, offset_ms));
    }

    pub(super) fn unix_ms() -> Option<u64> {
        let now = turmoil::since_epoch()?;
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let host = Handle::current().id();
        let offset_ms = OFFSETS_MS.with_borrow(|offsets| offsets.get(&host).copied());
        Some(now.saturating_add_signed(offset_ms.unwrap_or(0)))
    }
}

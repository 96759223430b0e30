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
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

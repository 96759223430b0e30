//! Noticing that the machine has slept: meanwhile the wall clock has gone on, and the
//! monotonic one has not (or no timer has run). A connection is looked at then, and a wait is
//! over.

use std::time::Duration;

use antiphon_core::clock::{self, Instant};

use crate::limits::{SLEEP_JUMP, SLEEP_LOOK};

/// Milliseconds since 1970; a function, so that tests can let it jump.
pub(crate) type WallClock = fn() -> u64;

/// Both clocks at the last look.
#[derive(Debug)]
struct Look {
    wall_ms: u64,
    at: Instant,
}

impl Look {
    /// Whether the wall clock went further than the monotonic one since the last look, or
    /// far more time has passed than was to be slept.
    fn again(&mut self, wall_ms: u64, now: Instant) -> bool {
        let wall = Duration::from_millis(wall_ms.saturating_sub(self.wall_ms));
        let passed = now.saturating_duration_since(self.at);
        *self = Self { wall_ms, at: now };
        wall > passed + SLEEP_JUMP || passed > SLEEP_LOOK + SLEEP_JUMP
    }
}

/// Resolves when the machine has woken from a sleep. Cancel-safe.
pub(crate) async fn after_sleep(wall_clock: WallClock) {
    let mut look = Look {
        wall_ms: wall_clock(),
        at: clock::now(),
    };
    loop {
        clock::sleep(SLEEP_LOOK).await;
        if look.again(wall_clock(), clock::now()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_of_the_wall_clock_or_a_late_timer_is_a_sleep() {
        let start = clock::now();
        let mut look = Look {
            wall_ms: 1_000_000,
            at: start,
        };
        let mut now = start + SLEEP_LOOK;
        assert!(!look.again(1_002_000, now), "as always");
        now += SLEEP_LOOK;
        assert!(!look.again(1_009_000, now), "a little off");
        now += SLEEP_LOOK;
        assert!(!look.again(500_000, now), "set back");
        now += SLEEP_LOOK;
        assert!(look.again(4_100_000, now), "an hour later");
        now += SLEEP_LOOK + SLEEP_JUMP * 2;
        assert!(look.again(4_101_000, now), "a timer that ran late");
        now += SLEEP_LOOK;
        assert!(!look.again(4_103_000, now), "once for each sleep");
    }
}

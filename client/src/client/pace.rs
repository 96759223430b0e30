//! The server's message rate, kept on this side too: what it would refuse is not sent.

use std::time::Duration;

use antiphon_core::clock::Instant;

/// What the login took of the burst, and a little for requests beside the messages.
const SPENT_BEFORE: f64 = 3.0;
/// The messages' part of the rate: the rest gathers for requests, which cost more.
const SHARE: f64 = 0.9;
/// The longest wait for a token, so that a rate of nothing is not for ever.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Tokens that refill with time, as the server's do.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// A pace for a connection that has just logged in.
    pub(crate) fn new(per_second: u64, burst: u64, now: Instant) -> Self {
        let burst = (burst as f64).max(1.0);
        Self {
            per_second: (per_second as f64).max(1.0) * SHARE,
            burst,
            tokens: (burst - SPENT_BEFORE).max(1.0),
            filled: now,
        }
    }

    /// Takes a token; false if there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.filled = self.filled.max(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// Something else takes tokens; they may be owed.
    pub(crate) fn spend(&mut self, cost: f64) {
        self.tokens = (self.tokens - cost).max(-self.burst);
    }

    /// When there is a token again.
    pub(crate) fn next(&self) -> Instant {
        let missing = (1.0 - self.tokens).max(0.0) / self.per_second;
        // Rounded up, so that a timer does not wake a moment too early, again and again.
        let wait = Duration::from_secs_f64(missing) + Duration::from_millis(1);
        self.filled + wait.min(WAIT_MAX)
    }

    /// The server was asked too fast: it has no token before `wait` is over.
    pub(crate) fn refused(&mut self, wait: Duration, now: Instant) {
        self.tokens = self
            .tokens
            .min(1.0 - wait.min(WAIT_MAX).as_secs_f64() * self.per_second);
        self.filled = self.filled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::clock;

    use super::*;

    #[test]
    fn the_burst_passes_then_the_rate_holds() {
        let now = clock::now();
        let mut pace = Pace::new(10, 6, now);
        let passed = (0..10).filter(|_| pace.take(now)).count();
        assert_eq!(passed, 3);
        let next = pace.next();
        assert!(next > now && next <= now + Duration::from_millis(113));
        assert!(!pace.take(now + Duration::from_millis(50)));
        assert!(pace.take(next));
        assert!(!pace.take(next));
    }

    #[test]
    fn a_refusal_empties_it_for_as_long_as_the_server_says() {
        let now = clock::now();
        let mut pace = Pace::new(1_000, 1_000, now);
        pace.refused(Duration::from_secs(2), now);
        assert!(!pace.take(now + Duration::from_millis(1_990)));
        assert!(pace.take(now + Duration::from_millis(2_001)));
    }

    #[test]
    fn what_others_take_is_owed() {
        let now = clock::now();
        let mut pace = Pace::new(10, 4, now);
        pace.spend(3.0);
        assert!(!pace.take(now));
        assert!(!pace.take(now + Duration::from_millis(300)));
        assert!(pace.take(now + Duration::from_millis(340)));
    }

    #[test]
    fn a_limit_of_nothing_lets_something_through() {
        let now = clock::now();
        let mut pace = Pace::new(0, 0, now);
        assert!(pace.take(now));
        assert!(!pace.take(now));
        assert!(pace.take(pace.next()));
    }
}

//! Exponential back-off with full jitter (Amazon's "Exponential Backoff and Jitter", 2015).

use std::time::Duration;

use crate::random;

/// Delays that grow from `base` to `max`, each drawn uniformly from zero to the bound.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// A fresh back-off; `base` is the first bound.
    pub fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            attempt: 0,
        }
    }

    /// The bound of the next delay.
    pub fn bound(&self) -> Duration {
        self.base
            .saturating_mul(2_u32.saturating_pow(self.attempt))
            .min(self.max)
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let bound = self.bound();
        self.attempt = self.attempt.saturating_add(1);
        Duration::from_millis(random::below(
            bound.as_millis().min(u128::from(u64::MAX)) as u64 + 1,
        ))
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many delays were drawn since the last success.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_maximum_and_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let mut bounds = Vec::new();
        for _ in 0..4 {
            bounds.push(backoff.bound().as_millis());
            assert!(backoff.next_delay() <= Duration::from_millis(350));
        }
        assert_eq!(bounds, [100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.bound().as_millis(), 100);
    }
}

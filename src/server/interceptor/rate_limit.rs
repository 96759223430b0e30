//! A token bucket a connection. What reads much costs more than what writes little.

use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::interceptor::{Interceptor, Next};
use antiphon_protocol::close_code::TOO_FAST;
use antiphon_protocol::{ClientCommand, ErrorBody};
use async_trait::async_trait;

use crate::server::command::{Answer, Caller, CommandResult};
use crate::server::settings::TOO_FAST_AFTER;

/// Tokens that refill with time.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
    /// What was refused lately; it drains as fast as the bucket fills.
    refused: f64,
    /// Since when more than a burst of it has been there.
    over_since: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        let per_second = f64::from(per_second.max(1));
        Self {
            per_second,
            burst,
            tokens: burst,
            filled: clock::now(),
            refused: 0.0,
            over_since: None,
        }
    }

    /// Takes `cost` tokens, or tells when they will be there.
    pub(crate) fn take(&mut self, cost: f64) -> Result<(), Duration> {
        let now = clock::now();
        let refill = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.burst);
        self.filled = now;
        self.refused = (self.refused - refill).max(0.0);
        if self.refused <= self.burst {
            self.over_since = None;
        }
        // A cost above the burst would never fit.
        let cost = cost.min(self.burst);
        if self.tokens >= cost {
            self.tokens -= cost;
            return Ok(());
        }
        // Bounded, so that whoever slows down is forgiven soon.
        self.refused = (self.refused + cost).min(self.burst * 2.0);
        if self.refused > self.burst {
            self.over_since.get_or_insert(now);
        }
        Err(Duration::from_secs_f64(
            (cost - self.tokens) / self.per_second,
        ))
    }

    /// For how long more has been refused than let through. Who waits as it is told is never
    /// counted: it is refused once for each call that passes.
    pub(crate) fn over_for(&self) -> Duration {
        self.over_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Bounds what one connection may ask for.
#[derive(Debug)]
pub(crate) struct RateLimit;

#[async_trait]
impl Interceptor<Caller, ClientCommand, Answer, ErrorBody> for RateLimit {
    fn name(&self) -> &'static str {
        "rate_limit"
    }

    async fn around(
        &self,
        caller: &mut Caller,
        command: ClientCommand,
        next: Next<'_, Caller, ClientCommand, Answer, ErrorBody>,
    ) -> CommandResult {
        if let Err(wait) = caller.bucket.take(cost(&command)) {
            if caller.bucket.over_for() >= TOO_FAST_AFTER {
                caller.outbound.close(TOO_FAST);
            }
            let wait_ms = wait.as_millis() as u64 + 1;
            return Err(ErrorBody::retry(
                429,
                "rate_limited",
                "too fast; slow down",
                wait_ms,
            ));
        }
        next.run(caller, command).await
    }
}

/// In messages: reading a page costs the store more than writing one line.
fn cost(command: &ClientCommand) -> f64 {
    match command {
        ClientCommand::Hello(_) | ClientCommand::Ping(_) | ClientCommand::Read(_) => 0.5,
        ClientCommand::Search(_) | ClientCommand::Sync(_) => 3.0,
        ClientCommand::History(_)
        | ClientCommand::Register(_)
        | ClientCommand::CreateRoom(_)
        | ClientCommand::RoomMembers(_)
        | ClientCommand::ListRooms(_) => 2.0,
        ClientCommand::Login(_)
        | ClientCommand::Logout(_)
        | ClientCommand::ChangePassword(_)
        | ClientCommand::Chat(_)
        | ClientCommand::JoinRoom(_)
        | ClientCommand::LeaveRoom(_)
        | ClientCommand::RoomInfo(_)
        | ClientCommand::Invite(_)
        | ClientCommand::Kick(_)
        | ClientCommand::Conversations(_)
        | ClientCommand::UserInfo(_)
        | ClientCommand::Online(_)
        | ClientCommand::Popular(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_burst_passes_then_the_rate_holds() {
        let mut bucket = TokenBucket::new(10, 3);
        assert!((0..3).all(|_| bucket.take(1.0).is_ok()));
        assert_eq!(bucket.take(1.0), Err(Duration::from_millis(100)));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(bucket.take(1.0), Ok(()));
        assert!(bucket.take(1.0).is_err());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!((0..3).all(|_| bucket.take(1.0).is_ok()));
        assert!(bucket.take(1.0).is_err());
        assert_eq!(bucket.over_for(), Duration::ZERO);
    }

    /// Some of a flood always passes; it is too fast all the same.
    #[tokio::test(start_paused = true)]
    async fn a_flood_is_too_fast_for_as_long_as_it_lasts_and_is_forgiven_after_it() {
        let mut bucket = TokenBucket::new(10, 3);
        let mut passed = 0;
        for _ in 0..3_000 {
            passed += u32::from(bucket.take(1.0).is_ok());
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!((300..310).contains(&passed), "{passed}");
        assert!(bucket.over_for() > Duration::from_secs(29));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(bucket.take(1.0).is_ok());
        assert_eq!(bucket.over_for(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_it_is_told_is_never_too_fast() {
        let mut bucket = TokenBucket::new(10, 3);
        for _ in 0..1_000 {
            if let Err(wait) = bucket.take(1.0) {
                tokio::time::advance(wait + Duration::from_millis(1)).await;
            }
            assert_eq!(bucket.over_for(), Duration::ZERO);
        }
    }
}

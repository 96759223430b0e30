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
    /// Since when it has been empty at every call.
    dry_since: Option<Instant>,
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
            dry_since: None,
        }
    }

    /// Takes `cost` tokens, or tells when they will be there.
    pub(crate) fn take(&mut self, cost: f64) -> Result<(), Duration> {
        let now = clock::now();
        let refill = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.burst);
        self.filled = now;
        // A cost above the burst would never fit.
        let cost = cost.min(self.burst);
        if self.tokens >= cost {
            self.tokens -= cost;
            self.dry_since = None;
            return Ok(());
        }
        self.dry_since.get_or_insert(now);
        Err(Duration::from_secs_f64(
            (cost - self.tokens) / self.per_second,
        ))
    }

    /// How long every call has been refused.
    pub(crate) fn dry_for(&self) -> Duration {
        self.dry_since
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
            if caller.bucket.dry_for() >= TOO_FAST_AFTER {
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
        assert!(bucket.dry_for() >= Duration::from_secs(60));
        assert!((0..3).all(|_| bucket.take(1.0).is_ok()));
        assert!(bucket.take(1.0).is_err());
    }
}

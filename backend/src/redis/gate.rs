//! The one way to Redis: every call passes the breaker, has a deadline, and fails with a kind
//! that says what may have happened.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::watch;
use tracing::{info, warn};

use super::RedisSettings;
use super::address::Target;
use super::breaker::{Breaker, Change};
use super::link::Link;
use super::script::{Call, Script};

pub(super) struct Gate {
    link: Link,
    breaker: Breaker,
    settings: RedisSettings,
    /// Rises whenever Redis may have lost what it was told.
    losses: watch::Sender<u64>,
}

/// The breaker's refusal.
#[derive(Debug, thiserror::Error)]
#[error("Redis does not answer; calls are refused until it does")]
struct Refused;

/// No answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct Late(Duration);

impl Gate {
    pub(super) fn new(target: Target, settings: RedisSettings) -> Self {
        Self {
            link: Link::new(target, &settings),
            breaker: Breaker::new(settings.failures_max),
            settings,
            losses: watch::Sender::new(0),
        }
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.link.is_cluster()
    }

    /// Changes whenever Redis may have lost what it was told.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Redis may have lost what it was told.
    pub(super) fn lost(&self) {
        self.losses.send_modify(|losses| *losses += 1);
    }

    /// Sends a command.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> BackendResult<T> {
        let answer = async {
            let mut connection = self.link.connection().await?;
            command.query_async(&mut connection).await
        };
        self.timed(operation, self.settings.call_timeout, answer)
            .await
    }

    /// Runs a script.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &Script,
        call: &Call,
    ) -> BackendResult<T> {
        let deadline = self.settings.call_timeout;
        self.timed(operation, deadline, self.evaluate(script, call))
            .await
    }

    /// Runs a script that may take several times as long as others.
    pub(super) async fn run_long<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &Script,
        call: &Call,
    ) -> BackendResult<T> {
        const TIMES: u32 = 4;
        let deadline = self.settings.call_timeout * TIMES;
        self.timed(operation, deadline, self.evaluate(script, call))
            .await
    }

    async fn evaluate<T: FromRedisValue>(&self, script: &Script, call: &Call) -> RedisResult<T> {
        let mut connection = self.link.connection().await?;
        let by_hash = script.by_hash(call);
        match by_hash.query_async(&mut connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.by_text(call).query_async(&mut connection).await
            }
            answer => answer,
        }
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        deadline: Duration,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> BackendResult<T> {
        if !self.breaker.admit() {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::caused(kind, operation, Refused));
        }
        match clock::timeout(deadline, answer).await {
            Ok(Ok(value)) => {
                self.breaker.answered();
                Ok(value)
            }
            Ok(Err(error)) => {
                let (kind, means_away) = classify(&error);
                if means_away {
                    self.failed(&error);
                } else {
                    self.breaker.answered();
                }
                Err(BackendError::caused(kind, operation, error))
            }
            Err(_) => {
                let late = Late(deadline);
                self.failed(&late);
                let kind = BackendErrorKind::Timeout;
                Err(BackendError::caused(kind, operation, late))
            }
        }
    }

    /// Sends a command past the breaker, on a fresh connection if Redis counts as away; the
    /// answer brings it back.
    pub(super) async fn probe<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let deadline = if self.breaker.is_serving() {
            self.settings.call_timeout
        } else {
            self.link.forget();
            self.settings.connect_timeout
        };
        let answer = async {
            let mut connection = self.link.connection().await?;
            command.query_async(&mut connection).await
        };
        match clock::timeout(deadline, answer).await {
            Ok(Ok(value)) => {
                if self.breaker.probed() == Change::Closed {
                    info!("redis serves");
                    self.lost();
                }
                Some(value)
            }
            Ok(Err(error)) => {
                self.failed(&error);
                None
            }
            Err(_) => {
                self.failed(&Late(deadline));
                None
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        if self.breaker.failed(error) == Change::Opened {
            warn!(%error, "redis does not answer");
            self.link.forget();
        }
    }
}

/// What a failed call means, and whether it means that Redis is away.
fn classify(error: &RedisError) -> (BackendErrorKind, bool) {
    use BackendErrorKind::{Corrupt, Timeout, Unavailable};
    if error.is_connection_refusal() {
        return (Unavailable, true);
    }
    if error.is_io_error() {
        // The connection broke: the command may have arrived.
        return (Timeout, true);
    }
    let kind = error.kind();
    let not_serving = [
        ErrorKind::Server(ServerErrorKind::BusyLoading),
        ErrorKind::Server(ServerErrorKind::MasterDown),
        ErrorKind::Server(ServerErrorKind::ClusterDown),
        ErrorKind::Server(ServerErrorKind::ReadOnly),
        ErrorKind::AuthenticationFailed,
        ErrorKind::MasterNameNotFoundBySentinel,
        ErrorKind::NoValidReplicasFoundBySentinel,
        ErrorKind::EmptySentinelList,
        ErrorKind::ClusterConnectionNotFound,
        ErrorKind::RESP3NotSupported,
    ];
    if not_serving.contains(&kind) {
        return (Unavailable, true);
    }
    let unreadable = [
        ErrorKind::Parse,
        ErrorKind::UnexpectedReturnType,
        ErrorKind::Server(ServerErrorKind::ResponseError),
    ];
    if unreadable.contains(&kind) || error.code() == Some("WRONGTYPE") {
        return (Corrupt, false);
    }
    // Out of memory, no permission, a slot that moves: it serves, but not this.
    (Unavailable, false)
}

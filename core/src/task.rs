//! The only place that spawns. Every task has a kind, which says what happens to it when its
//! scope stops and when it fails.

use std::future::Future;

use tracing::{Instrument, Span, error};

use crate::shutdown::Shutdown;

/// What a task does when its scope stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It watches the scope itself and ends in its own time.
    Wait,
    /// It is dropped at its next await.
    Abort,
}

/// What a panic in a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPanic {
    /// One connection, room or request is lost; the process goes on.
    Log,
    /// The scope can't go on without it.
    StopScope,
}

macro_rules! task_kinds {
    ($($(#[$doc:meta])* $name:ident: $label:literal, $stop:ident, $panic:ident;)*) => {
        /// Every kind of task, with its policy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum TaskKind { $($(#[$doc])* $name,)* }

        impl TaskKind {
            /// The name in logs.
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
            /// What the task does when its scope stops.
            pub fn on_stop(self) -> OnStop {
                match self { $(Self::$name => OnStop::$stop,)* }
            }
            /// What its panic means.
            pub fn on_panic(self) -> OnPanic {
                match self { $(Self::$name => OnPanic::$panic,)* }
            }
        }
    };
}

task_kinds! {
    /// Accepts sockets.
    Listener: "listener", Wait, StopScope;
    /// One client's socket.
    Connection: "connection", Wait, Log;
    /// One gateway request's socket.
    HttpConnection: "http_connection", Abort, Log;
    /// One link between servers.
    PeerLink: "peer_link", Wait, Log;
    /// A room's actor.
    Room: "room", Wait, Log;
    /// Writes direct messages.
    DirectWriter: "direct_writer", Wait, StopScope;
    /// Follows leadership and membership.
    Cluster: "cluster", Wait, StopScope;
    /// Ticks: positions, leases, lists.
    Timer: "timer", Abort, Log;
    /// Counts words, keeps recents: off the hot path.
    Background: "background", Wait, Log;
    /// A whole server inside a process.
    Server: "server", Wait, StopScope;
    /// Work of a client or a tool.
    Client: "client", Abort, Log;
}

/// The end of a spawned task.
pub type Handle<T> = tokio::task::JoinHandle<Option<T>>;

/// Runs `future` in `scope`. The handle gives `None` if the task was aborted by the scope or
/// panicked; the panic is logged here and stays in the task.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F, T>(scope: &Shutdown, kind: TaskKind, future: F) -> Handle<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let stop_token = scope.token().clone();
    let panic_scope = scope.clone();
    let guarded = async move {
        let caught = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(future));
        let result = match kind.on_stop() {
            OnStop::Wait => caught.await,
            OnStop::Abort => tokio::select! {
                biased;
                () = stop_token.cancelled() => return None,
                result = caught => result,
            },
        };
        result.map_err(|_| report_panic(&panic_scope, kind)).ok()
    };
    let tracked = scope.tracker().track_future(guarded);
    tokio::spawn(tracked.instrument(Span::current()))
}

fn report_panic(scope: &Shutdown, kind: TaskKind) {
    // The panic hook has printed the message and the place.
    error!(task = kind.label(), "task panicked");
    if kind.on_panic() == OnPanic::StopScope {
        scope.stop();
    }
}

/// Runs blocking work on the runtime's blocking threads; in a simulation, which has no other
/// threads, at once. `None` if it panicked.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    #[cfg(feature = "simulation")]
    if turmoil::in_simulation() {
        return std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok();
    }
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_task_and_stops_its_scope_only_if_its_kind_says_so() {
        let scope = Shutdown::new();
        assert_eq!(
            spawn(&scope, TaskKind::Connection, async { panic!("one") })
                .await
                .ok(),
            Some(None::<()>)
        );
        assert!(!scope.is_stopping());
        assert_eq!(
            spawn(&scope, TaskKind::Cluster, async { panic!("two") })
                .await
                .ok(),
            Some(None::<()>)
        );
        assert!(scope.is_stopping());
        assert!(scope.wait(Duration::from_secs(1)).await);
    }

    /// Pitfalls 71 and 72: a timer ends with its owner.
    #[tokio::test]
    async fn stopping_drops_what_aborts_and_waits_for_the_rest() {
        let scope = Shutdown::new();
        let inner = scope.clone();
        let waits = spawn(&scope, TaskKind::Connection, async move {
            inner.stopping().await;
            7
        });
        let aborts = spawn(&scope, TaskKind::Timer, std::future::pending::<()>());
        scope.stop();
        assert_eq!(waits.await.ok(), Some(Some(7)));
        assert_eq!(aborts.await.ok(), Some(None));
        assert!(scope.wait(Duration::from_secs(1)).await);
    }
}

//! What a server counts. Names follow Prometheus' rules: application prefix, base units,
//! plural, `_total` for what only rises. Never a user or a room as a label.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use antiphon_core::contract::BackendErrorKind;
use antiphon_core::observed::{Call, Observer};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::node::Node;

/// Bounds of the histograms of calls, in seconds: from a point read in memory to the deadline.
const CALL_SECONDS: [f64; 11] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    action: &'static str,
    outcome: Outcome,
}

/// The answer's code: 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Outcome(u16);

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.0 {
            0 => encoder.write_str("ok"),
            code => write!(encoder, "{code}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    contract: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    contract: &'static str,
    operation: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrameLabels {
    frame: &'static str,
}

/// The counters of one server.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    opened: Counter,
    closed: Family<CloseLabels, Counter>,
    commands: Family<CommandLabels, Counter>,
    peer_frames: Family<FrameLabels, Counter>,
    calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    failures: Family<FailureLabels, Counter>,
    connections: Gauge,
    users: Gauge,
    deliveries_refused: Gauge,
    leads: Gauge,
    linked: Gauge,
    servers: Gauge,
    draining: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        Self {
            opened: Counter::default(),
            closed: Family::default(),
            commands: Family::default(),
            peer_frames: Family::default(),
            calls: Family::new_with_constructor(histogram),
            failures: Family::default(),
            connections: Gauge::default(),
            users: Gauge::default(),
            deliveries_refused: Gauge::default(),
            leads: Gauge::default(),
            linked: Gauge::default(),
            servers: Gauge::default(),
            draining: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Puts every metric into a registry. The registry adds `antiphon_` and `_total`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let m = self;
        registry.register(
            "connections",
            "Open client connections",
            m.connections.clone(),
        );
        registry.register(
            "connections_opened",
            "Client connections opened",
            m.opened.clone(),
        );
        registry.register(
            "connections_closed",
            "Client connections closed, by close code; 0 is one that broke",
            m.closed.clone(),
        );
        registry.register(
            "users_connected",
            "Users logged in on this server",
            m.users.clone(),
        );
        registry.register(
            "commands",
            "Commands of clients, by action and by the code of the answer",
            m.commands.clone(),
        );
        registry.register(
            "deliveries_refused",
            "Deliveries that a slow client's queue did not take",
            m.deliveries_refused.clone(),
        );
        registry.register(
            "peer_frames_received",
            "Frames received from other servers, by kind",
            m.peer_frames.clone(),
        );
        registry.register("is_leader", "1 if this server leads", m.leads.clone());
        registry.register(
            "is_linked",
            "1 if this server has a link to the leader, or leads",
            m.linked.clone(),
        );
        registry.register(
            "cluster_servers",
            "Registered servers, as this one sees it",
            m.servers.clone(),
        );
        registry.register(
            "is_draining",
            "1 if this server takes no new clients",
            m.draining.clone(),
        );
        registry.register_with_unit(
            "backend_call_duration",
            "How long calls of the backing services take",
            Unit::Seconds,
            m.calls.clone(),
        );
        registry.register(
            "backend_call_failures",
            "Failed calls of the backing services, by kind",
            m.failures.clone(),
        );
    }

    /// Sets what is measured rather than counted.
    pub(super) fn refresh(&self, node: &Node, leads: bool) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let length = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.connections
            .set(signed(node.connections.load(Ordering::Relaxed)));
        self.users.set(length(node.sessions.users().len()));
        self.deliveries_refused.set(signed(node.fan_out.refused()));
        self.leads.set(i64::from(leads));
        self.linked.set(i64::from(node.router.is_connected()));
        let view = node.backends.coordinator.view();
        self.servers.set(length(view.borrow().members.len()));
        self.draining
            .set(i64::from(node.draining.load(Ordering::Relaxed)));
    }

    pub(super) fn connection_opened(&self) {
        self.opened.inc();
    }

    pub(super) fn connection_closed(&self, code: u16) {
        self.closed.get_or_create(&CloseLabels { code }).inc();
    }

    /// A command was answered with this code, 0 being success; one whose answer comes later
    /// counts as taken.
    pub(super) fn command(&self, action: &'static str, code: u16) {
        let outcome = Outcome(code);
        self.commands
            .get_or_create(&CommandLabels { action, outcome })
            .inc();
    }

    pub(super) fn peer_frame(&self, frame: &'static str) {
        self.peer_frames.get_or_create(&FrameLabels { frame }).inc();
    }
}

impl Observer for Metrics {
    fn observed(&self, call: Call) {
        let Call {
            contract,
            operation,
            took,
            error,
        } = call;
        let labels = CallLabels {
            contract,
            operation,
        };
        self.calls
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if let Some(kind) = error {
            let kind = match kind {
                BackendErrorKind::Unavailable => "unavailable",
                BackendErrorKind::Timeout => "timeout",
                BackendErrorKind::Conflict => "conflict",
                BackendErrorKind::NotFound => "not_found",
                BackendErrorKind::Corrupt => "corrupt",
            };
            self.failures
                .get_or_create(&FailureLabels {
                    contract,
                    operation,
                    kind,
                })
                .inc();
        }
    }
}

#[cfg(test)]
mod tests;

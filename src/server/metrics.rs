//! What a server counts. Names follow Prometheus' rules: application prefix, base units,
//! plural, `_total` for what only rises. Never a user or a room as a label.

use std::fmt::Write as _;
use std::sync::Arc;
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

/// The label that every series has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ServerName(Arc<str>);

impl EncodeLabelValue for ServerName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabels {
    server: ServerName,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    server: ServerName,
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
    server: ServerName,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    server: ServerName,
    contract: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    server: ServerName,
    contract: &'static str,
    operation: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrameLabels {
    server: ServerName,
    frame: &'static str,
}

/// The metrics of every server of a process: a family has its servers as a label, so that it
/// stands once in what is read.
#[derive(Debug, Clone)]
pub struct MetricTable {
    opened: Family<ServerLabels, Counter>,
    closed: Family<CloseLabels, Counter>,
    commands: Family<CommandLabels, Counter>,
    peer_frames: Family<FrameLabels, Counter>,
    removed: Family<ServerLabels, Counter>,
    calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    failures: Family<FailureLabels, Counter>,
    gauges: [Family<ServerLabels, Gauge>; GAUGES.len()],
}

/// Name and meaning of each gauge, in the order of [`MetricTable`] and of [`Metrics::refresh`].
const GAUGES: [(&str, &str); 9] = [
    ("connections", "Open client connections"),
    ("users_connected", "Users logged in on this server"),
    (
        "deliveries_refused",
        "Deliveries that slow clients' queues did not take since the start",
    ),
    ("is_leader", "1 if this server leads"),
    (
        "is_linked",
        "1 if this server has a link to the leader, or leads",
    ),
    ("cluster_servers", "Registered servers, as this one sees it"),
    ("is_draining", "1 if this server takes no new clients"),
    (
        "fullest_queue_bytes",
        "Bytes of events that wait for the client that reads slowest",
    ),
    (
        "epoch",
        "The newest term of leadership that this server knows of",
    ),
];

impl Default for MetricTable {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        Self {
            opened: Family::default(),
            closed: Family::default(),
            commands: Family::default(),
            peer_frames: Family::default(),
            removed: Family::default(),
            calls: Family::new_with_constructor(histogram),
            failures: Family::default(),
            gauges: Default::default(),
        }
    }
}

impl MetricTable {
    /// Puts every metric into a registry. The registry adds `antiphon_` and `_total`.
    pub fn register(&self, registry: &mut Registry) {
        for ((name, help), gauge) in GAUGES.into_iter().zip(&self.gauges) {
            registry.register(name, help, gauge.clone());
        }
        let opened = self.opened.clone();
        registry.register("connections_opened", "Client connections opened", opened);
        let help = "Client connections closed, by close code; 0 is one that broke";
        registry.register("connections_closed", help, self.closed.clone());
        let help = "Commands of clients, by action and by the code of the answer";
        registry.register("commands", help, self.commands.clone());
        let help = "Frames received from other servers, by kind";
        registry.register("peer_frames_received", help, self.peer_frames.clone());
        let help = "Messages removed because they were older than store.retention_days";
        registry.register("messages_removed", help, self.removed.clone());
        let help = "How long calls of the backing services take";
        let calls = self.calls.clone();
        registry.register_with_unit("backend_call_duration", help, Unit::Seconds, calls);
        let help = "Failed calls of the backing services, by kind";
        registry.register("backend_call_failures", help, self.failures.clone());
    }
}

/// What one server counts.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    table: MetricTable,
    server: ServerName,
}

impl Metrics {
    /// Counts into this table.
    pub(super) fn new(table: MetricTable, server: &str) -> Self {
        let server = ServerName(server.into());
        Self { table, server }
    }

    fn labels(&self) -> ServerLabels {
        let server = self.server.clone();
        ServerLabels { server }
    }

    /// Sets what is measured rather than counted.
    pub(super) fn refresh(&self, node: &Node, leads: bool) {
        let length = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let view = node.backends.coordinator.view();
        let values = [
            signed(node.connections.load(Ordering::Relaxed)),
            length(node.sessions.users().len()),
            signed(node.fan_out.refused()),
            i64::from(leads),
            i64::from(node.router.is_connected()),
            length(view.borrow().members.len()),
            i64::from(node.draining.load(Ordering::Relaxed)),
            length(node.sessions.fullest_queue_bytes()),
            signed(node.newest_epoch.load(Ordering::Acquire)),
        ];
        for (gauge, value) in self.table.gauges.iter().zip(values) {
            gauge.get_or_create(&self.labels()).set(value);
        }
    }

    pub(super) fn connection_opened(&self) {
        self.table.opened.get_or_create(&self.labels()).inc();
    }

    pub(super) fn connection_closed(&self, code: u16) {
        let server = self.server.clone();
        let labels = CloseLabels { server, code };
        self.table.closed.get_or_create(&labels).inc();
    }

    /// So many messages were older than they are kept.
    pub(super) fn removed(&self, records: u64) {
        self.table
            .removed
            .get_or_create(&self.labels())
            .inc_by(records);
    }

    /// A command was answered with this code, 0 being success; one whose answer comes later
    /// counts as taken.
    pub(super) fn command(&self, action: &'static str, code: u16) {
        let (server, outcome) = (self.server.clone(), Outcome(code));
        let labels = CommandLabels {
            server,
            action,
            outcome,
        };
        self.table.commands.get_or_create(&labels).inc();
    }

    pub(super) fn peer_frame(&self, frame: &'static str) {
        let server = self.server.clone();
        let labels = FrameLabels { server, frame };
        self.table.peer_frames.get_or_create(&labels).inc();
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
        let server = self.server.clone();
        let labels = CallLabels {
            server,
            contract,
            operation,
        };
        self.table
            .calls
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
            let server = self.server.clone();
            let labels = FailureLabels {
                server,
                contract,
                operation,
                kind,
            };
            self.table.failures.get_or_create(&labels).inc();
        }
    }
}

#[cfg(test)]
mod tests;

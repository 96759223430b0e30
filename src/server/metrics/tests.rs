use std::time::Duration;

use prometheus_client::encoding::text::encode;

use super::*;

#[test]
fn names_and_labels_follow_the_rules() {
    let metrics = Metrics::default();
    let mut registry = Registry::with_prefix("antiphon");
    metrics.register(&mut registry);
    metrics.connection_opened();
    metrics.connection_closed(4300);
    metrics.peer_frame("deliver");
    metrics.observed(Call {
        contract: "message_archive",
        operation: "append",
        took: Duration::from_millis(2),
        error: Some(BackendErrorKind::Timeout),
    });
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "antiphon_connections_opened_total 1",
        "antiphon_connections_closed_total{code=\"4300\"} 1",
        "antiphon_peer_frames_received_total{frame=\"deliver\"} 1",
        "antiphon_backend_call_duration_seconds_count{contract=\"message_archive\",operation=\"append\"} 1",
        "antiphon_backend_call_duration_seconds_bucket{le=\"0.0025\",contract=\"message_archive\",operation=\"append\"} 1",
        "antiphon_backend_call_failures_total{contract=\"message_archive\",operation=\"append\",kind=\"timeout\"} 1",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line}\nis not in\n{text}"
        );
    }
}

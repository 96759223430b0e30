use std::time::Duration;

use prometheus_client::encoding::text::encode;

use super::*;

#[test]
fn names_and_labels_follow_the_rules() {
    let table = MetricTable::default();
    let mut registry = Registry::with_prefix("antiphon");
    table.register(&mut registry);
    let other = Metrics::new(table.clone(), "s2");
    other.connection_opened();
    let metrics = Metrics::new(table, "s1");
    metrics.connection_opened();
    metrics.connection_closed(4300);
    metrics.peer_frame("deliver");
    metrics.removed(7);
    metrics.observed(Call {
        contract: "message_archive",
        operation: "append",
        took: Duration::from_millis(2),
        error: Some(BackendErrorKind::Timeout),
    });
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "antiphon_connections_opened_total{server=\"s1\"} 1",
        "antiphon_connections_closed_total{server=\"s1\",code=\"4300\"} 1",
        "antiphon_peer_frames_received_total{server=\"s1\",frame=\"deliver\"} 1",
        "antiphon_messages_removed_total{server=\"s1\"} 7",
        "antiphon_backend_call_duration_seconds_count{server=\"s1\",contract=\"message_archive\",operation=\"append\"} 1",
        "antiphon_backend_call_duration_seconds_bucket{le=\"0.0025\",server=\"s1\",contract=\"message_archive\",operation=\"append\"} 1",
        "antiphon_backend_call_failures_total{server=\"s1\",contract=\"message_archive\",operation=\"append\",kind=\"timeout\"} 1",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line}\nis not in\n{text}"
        );
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE "));
    let mut families: Vec<&str> = families.collect();
    families.sort_unstable();
    let all = families.len();
    families.dedup();
    assert_eq!(families.len(), all, "a family stands twice in\n{text}");
}

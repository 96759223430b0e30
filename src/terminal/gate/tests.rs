//! Tests.

use super::*;

fn pass(gate: &Gate) -> Vec<String> {
    let mut passed = Vec::new();
    while let Some(line) = gate.take() {
        gate.printed();
        passed.push(line);
    }
    passed
}

#[test]
fn lines_wait_in_order_while_a_question_is_open() {
    let gate = Gate::default();
    gate.open();
    gate.push("one".to_owned());
    assert_eq!(pass(&gate), ["one"]);
    gate.shut(Mode::Asking);
    gate.push("two".to_owned());
    gate.push("three".to_owned());
    assert!(pass(&gate).is_empty());
    gate.open();
    assert_eq!(pass(&gate), ["two", "three"]);
}

#[test]
fn a_long_question_keeps_the_newest_lines_and_tells_how_many_it_lost() {
    let gate = Gate::default();
    gate.shut(Mode::Asking);
    for number in 0..WAITING_MAX + 37 {
        gate.push(number.to_string());
    }
    gate.open();
    let passed = pass(&gate);
    assert_eq!(passed.len(), WAITING_MAX + 1);
    assert_eq!(passed[0], "… 37 more, /history");
    assert_eq!(passed[1], "37");
    assert_eq!(passed[WAITING_MAX], (WAITING_MAX + 36).to_string());
}

#[test]
fn a_command_makes_the_source_wait_and_loses_nothing() {
    let gate = Gate::default();
    gate.shut(Mode::Idle);
    for number in 0..WAITING_MAX {
        assert!(!gate.is_full());
        gate.push(number.to_string());
    }
    assert!(gate.is_full());
    gate.push("one event may make several lines".to_owned());
    gate.open();
    assert!(!gate.is_full());
    assert_eq!(pass(&gate).len(), WAITING_MAX + 1);
}

#[test]
fn shutting_tells_whether_a_line_is_on_its_way() {
    let gate = Gate::default();
    gate.open();
    gate.push("one".to_owned());
    assert!(gate.take().is_some());
    assert!(!gate.shut(Mode::Idle));
    gate.printed();
    assert!(gate.shut(Mode::Idle));
}

#[tokio::test]
async fn opening_wakes_who_waits_even_if_it_came_first() {
    let gate = Gate::default();
    gate.open();
    gate.opened().await;
}

//! Tests.

use super::*;

fn line(words: impl ToString) -> Shown {
    Shown::new(&words.to_string())
}

fn pass(gate: &Gate) -> Vec<String> {
    let mut passed = Vec::new();
    while let Some(lines) = gate.take() {
        gate.printed();
        gate.shown();
        passed.extend(lines.as_str().lines().map(str::to_owned));
    }
    passed
}

#[test]
fn lines_wait_in_order_while_a_question_is_open() {
    let gate = Gate::default();
    gate.open();
    gate.push(line("one"));
    assert_eq!(pass(&gate), ["one"]);
    gate.shut(Mode::Asking);
    gate.push(line("two"));
    gate.push(line("three"));
    assert!(pass(&gate).is_empty());
    gate.open();
    assert_eq!(pass(&gate), ["two", "three"]);
}

#[test]
fn a_long_question_keeps_the_newest_lines_and_tells_how_many_it_lost() {
    let gate = Gate::default();
    gate.shut(Mode::Asking);
    for number in 0..WAITING_MAX + 37 {
        gate.push(line(number));
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
        gate.push(line(number));
    }
    assert!(gate.is_full());
    gate.push(line("one event may make several lines"));
    gate.open();
    assert!(!gate.is_full());
    assert_eq!(pass(&gate).len(), WAITING_MAX + 1);
}

#[test]
fn shutting_tells_whether_a_line_is_on_its_way() {
    let gate = Gate::default();
    gate.open();
    gate.push(line("one"));
    assert!(gate.take().is_some());
    assert!(!gate.shut(Mode::Idle));
    gate.printed();
    assert!(gate.shut(Mode::Idle));
}

#[test]
fn many_lines_are_handed_over_at_once_but_not_all_of_them() {
    let gate = Gate::default();
    gate.open();
    for number in 0..BATCH_MAX + 1 {
        gate.push(line(number));
    }
    let first = gate.take().map(|lines| lines.as_str().lines().count());
    assert_eq!(first, Some(BATCH_MAX));
    gate.printed();
    assert_eq!(pass(&gate), [BATCH_MAX.to_string()]);
}

/// Enter waits for a line that is just being printed, so that it may take itself off.
#[test]
fn shutting_waits_a_moment_for_a_line_on_its_way() {
    let gate = Gate::default();
    gate.open();
    gate.push(line("one"));
    assert!(gate.take().is_some());
    std::thread::scope(|scope| {
        let shut = scope.spawn(|| gate.shut(Mode::Idle));
        gate.printed();
        assert!(shut.join().unwrap());
    });
}

/// The editor holds one, a second waits for it to be taken, a third is not handed over.
#[test]
fn at_the_end_what_the_editor_did_not_draw_is_there_in_order() {
    let gate = Gate::default();
    gate.open();
    for words in ["drawn", "held", "not taken"] {
        gate.push(line(words));
        assert_eq!(gate.take(), Some(line(words)));
    }
    gate.shown();
    gate.shut(Mode::Idle);
    gate.push(line("waiting"));
    assert_eq!(gate.take(), None);
    assert_eq!(gate.drain(), ["held", "not taken", "waiting"].map(line));
    assert_eq!(gate.drain(), []);
}

/// Should a drawing go unseen, as few as possible are shown twice in the end.
#[test]
fn what_the_editor_has_taken_by_now_is_forgotten() {
    let gate = Gate::default();
    gate.open();
    for words in 0..10 {
        gate.push(line(words));
        assert!(gate.take().is_some());
        gate.printed();
    }
    assert_eq!(gate.drain(), [7, 8, 9].map(line));
}

#[tokio::test]
async fn opening_wakes_who_waits_even_if_it_came_first() {
    let gate = Gate::default();
    gate.open();
    gate.opened().await;
}

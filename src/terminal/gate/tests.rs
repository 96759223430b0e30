use super::*;

#[test]
fn lines_pass_unless_a_question_is_open() {
    let mut gate = Gate::default();
    gate.push("one".to_owned());
    assert_eq!(gate.take().as_deref(), Some("one\n"));
    gate.set(Mode::Asking);
    gate.push("two".to_owned());
    gate.push("three".to_owned());
    assert_eq!(gate.take(), None);
    assert!(!gate.is_empty());
    gate.set(Mode::Editing);
    assert_eq!(gate.take().as_deref(), Some("two\nthree\n"));
    assert_eq!(gate.take(), None);
}

#[test]
fn the_ring_is_bounded_and_says_what_it_dropped() {
    let mut gate = Gate::default();
    gate.set(Mode::Asking);
    for number in 0..LINES_MAX + 37 {
        gate.push(number.to_string());
    }
    gate.set(Mode::Idle);
    let text = gate.take().unwrap();
    assert!(
        text.starts_with("… 37 more, /history\n37\n38\n"),
        "{}",
        &text[..60]
    );
    assert_eq!(text.lines().count(), LINES_MAX + 1);
    gate.push("next".to_owned());
    assert_eq!(gate.take().as_deref(), Some("next\n"));
}

use super::*;
use crate::server::settings::REMEMBERED_SENDERS_MAX;
use crate::server::tests::support::client_id;

#[test]
fn the_last_ids_of_a_sender_are_remembered_within_both_bounds() {
    let mut remembered = Remembered::new(REMEMBERED_SENDERS_MAX);
    for n in 0..=REMEMBERED_IDS {
        remembered.note(0, client_id(&format!("m{n}")));
    }
    assert!(!remembered.has(&0, &client_id("m0")));
    assert!(remembered.has(&0, &client_id("m1")));
    assert!(!remembered.has(&1, &client_id("m1")));
    for sender in 1..REMEMBERED_SENDERS_MAX {
        remembered.note(sender, client_id("m"));
    }
    assert!(remembered.has(&0, &client_id("m1")));
    remembered.note(REMEMBERED_SENDERS_MAX, client_id("m"));
    assert!(!remembered.has(&0, &client_id("m1")));
    assert!(remembered.has(&REMEMBERED_SENDERS_MAX, &client_id("m")));
}

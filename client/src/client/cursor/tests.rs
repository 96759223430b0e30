use super::*;
use antiphon_protocol::client::ConversationKind;

fn message(conversation: &str, seq: u64) -> Message {
    serde_json::from_value(serde_json::json!({
        "from": "bob", "roomName": "", "message": format!("m{seq}"), "ts": 1, "format": "text",
        "conversation": conversation, "seq": seq, "messageId": format!("id{seq}"),
    }))
    .unwrap()
}

fn summary(name: &str, last_seq: u64) -> ConversationSummary {
    let kind = ConversationKind::Room;
    ConversationSummary {
        name: name.to_owned(),
        kind,
        last_seq,
        read_seq: 0,
        unread: 0,
    }
}

fn page(seqs: &[u64], sealed: &[u64], more: bool, last_seq: u64) -> Page {
    Page {
        conversation: "room:a".to_owned(),
        messages: seqs.iter().map(|seq| message("room:a", *seq)).collect(),
        sealed: sealed.to_vec(),
        complete: true,
        more,
        first_available_seq: 1,
        last_seq,
    }
}

/// Sequences as they are, gaps as `-from..to`.
fn shown(outputs: &[Output]) -> String {
    let each = outputs.iter().map(|output| match output {
        Output::Message(message) => message.seq.to_string(),
        Output::Gap { from, to, .. } => format!("-{from}..{to}"),
    });
    each.collect::<Vec<_>>().join(" ")
}

fn logged_in_at(last_seq: u64) -> Cursors {
    let mut cursors = Cursors::default();
    assert!(!cursors.login("log", &[summary("room:a", last_seq)]));
    cursors
}

fn deliver(cursors: &mut Cursors, seq: u64) -> String {
    shown(&cursors.message(message("room:a", seq)))
}

#[test]
fn in_order_once_each() {
    let mut cursors = logged_in_at(10);
    assert_eq!(deliver(&mut cursors, 11), "11");
    assert_eq!(deliver(&mut cursors, 11), "");
    assert_eq!(deliver(&mut cursors, 9), "", "older than the cursor");
    assert_eq!(deliver(&mut cursors, 12), "12");
    assert_eq!(cursors.take_wanted(9), []);
}

#[test]
fn an_early_delivery_waits_for_the_gap_before_it() {
    let mut cursors = logged_in_at(10);
    assert_eq!(deliver(&mut cursors, 13), "");
    let wanted = cursors.take_wanted(9);
    assert_eq!(
        wanted,
        [Cursor {
            conversation: "room:a".to_owned(),
            after_seq: 10
        }]
    );
    assert_eq!(cursors.take_wanted(9), [], "asked for once");
    let (outputs, progress) = cursors.page(page(&[11, 12, 13], &[], false, 13));
    assert_eq!((shown(&outputs).as_str(), progress), ("11 12 13", true));
    assert_eq!(cursors.take_wanted(9), []);
}

#[test]
fn a_late_delivery_fills_the_gap_as_well_as_a_page() {
    let mut cursors = logged_in_at(10);
    assert_eq!(deliver(&mut cursors, 12), "");
    assert_eq!(deliver(&mut cursors, 11), "11 12");
    assert_eq!(cursors.take_wanted(9), []);
}

#[test]
fn records_without_a_message_are_no_hole() {
    let mut cursors = logged_in_at(10);
    assert_eq!(shown(&cursors.sealed("room:a", 11)), "");
    assert_eq!(deliver(&mut cursors, 12), "12");
    cursors.position("room:a", 15);
    assert_eq!(cursors.take_wanted(9).len(), 1);
    let (outputs, _) = cursors.page(page(&[13, 15], &[14], false, 15));
    assert_eq!(shown(&outputs), "13 15");
}

#[test]
fn what_no_page_brings_is_reported_in_its_place() {
    let mut cursors = logged_in_at(0);
    cursors.position("room:a", 9);
    cursors.take_wanted(9);
    let (outputs, progress) = cursors.page(page(&[4, 5, 8], &[], false, 9));
    assert_eq!(shown(&outputs), "-1..3 4 5 -6..7 8 -9..9");
    assert!(progress);
    assert_eq!(cursors.take_wanted(9), []);
}

#[test]
fn pages_go_on_while_there_is_more_and_stop_without_progress() {
    let mut cursors = logged_in_at(0);
    cursors.position("room:a", 5);
    cursors.take_wanted(9);
    let (outputs, progress) = cursors.page(page(&[1, 2], &[], true, 5));
    assert_eq!((shown(&outputs).as_str(), progress), ("1 2", true));
    assert_eq!(cursors.take_wanted(9)[0].after_seq, 2);
    let (outputs, progress) = cursors.page(page(&[], &[], true, 5));
    assert_eq!((shown(&outputs).as_str(), progress), ("", false));
}

#[test]
fn a_failed_sync_is_wanted_again() {
    let mut cursors = logged_in_at(0);
    cursors.position("room:a", 5);
    let wanted = cursors.take_wanted(9);
    cursors.sync_failed(&wanted);
    assert_eq!(cursors.take_wanted(9), wanted);
}

#[test]
fn a_new_login_keeps_cursors_of_the_same_log_only() {
    let mut cursors = logged_in_at(10);
    assert!(!cursors.login("log", &[summary("room:a", 12), summary("room:b", 7)]));
    let wanted = cursors.take_wanted(9);
    assert_eq!(wanted.len(), 1, "a room joined elsewhere begins at its top");
    assert_eq!(wanted[0].after_seq, 10);
    assert!(cursors.login("another log", &[summary("room:a", 3)]));
    assert_eq!(cursors.take_wanted(9), []);
    assert_eq!(deliver(&mut cursors, 4), "4");
}

#[test]
fn a_new_room_begins_where_it_is_seen_and_a_new_direct_conversation_at_one() {
    let mut cursors = logged_in_at(10);
    cursors.entered("room:new");
    assert_eq!(shown(&cursors.message(message("room:new", 951))), "951");
    assert_eq!(shown(&cursors.message(message("user:bob", 3))), "");
    let wanted = cursors.take_wanted(9);
    assert_eq!(
        wanted,
        [Cursor {
            conversation: "user:bob".to_owned(),
            after_seq: 0
        }]
    );
}

#[test]
fn nothing_is_wanted_of_a_room_that_was_left() {
    let mut cursors = logged_in_at(10);
    cursors.position("room:a", 20);
    cursors.login("log", &[]);
    assert_eq!(cursors.take_wanted(9), []);
}

/// Its server was behind: what it pushes is from before the user left.
#[test]
fn what_comes_after_a_leave_waits_for_the_server_s_word() {
    for leave in [
        |cursors: &mut Cursors| cursors.left("room:a"),
        |cursors: &mut Cursors| assert!(!cursors.login("log", &[])),
    ] {
        let mut cursors = logged_in_at(10);
        assert_eq!(deliver(&mut cursors, 11), "11");
        leave(&mut cursors);
        for seq in [9, 10, 11, 14, 15] {
            assert_eq!(deliver(&mut cursors, seq), "", "old, or behind a hole");
        }
        let wanted = cursors.take_wanted(9);
        assert_eq!(wanted[0].after_seq, 11);
        assert!(cursors.sync_ended(&wanted), "it is not a member");
        assert_eq!(cursors.take_wanted(9), []);
        assert_eq!(deliver(&mut cursors, 16), "");
        assert_eq!(cursors.take_wanted(9), wanted, "it may be one again");
    }
}

#[test]
fn who_is_a_member_after_all_gets_everything_since() {
    let mut cursors = logged_in_at(10);
    cursors.left("room:a");
    assert_eq!(deliver(&mut cursors, 13), "");
    let wanted = cursors.take_wanted(9);
    // This may be of a later membership than the answer.
    assert_eq!(deliver(&mut cursors, 14), "");
    assert!(!cursors.sync_ended(&wanted));
    assert_eq!(cursors.take_wanted(9), wanted);
    let (outputs, _) = cursors.page(page(&[11, 12, 13, 14], &[], false, 14));
    assert_eq!(shown(&outputs), "11 12 13 14");
    assert_eq!(deliver(&mut cursors, 15), "15");
}

#[test]
fn who_comes_back_begins_with_what_the_join_brings() {
    for told in [true, false] {
        let mut cursors = logged_in_at(10);
        cursors.left("room:a");
        if told {
            cursors.entered("room:a");
        }
        let brought = [18, 19, 20].map(|seq| deliver(&mut cursors, seq));
        let joined = shown(&cursors.joined("room:a", 20));
        if told {
            assert_eq!(
                (brought.join(" ").as_str(), joined.as_str()),
                ("18 19 20", "")
            );
        } else {
            assert_eq!(
                (brought.join("").as_str(), joined.as_str()),
                ("", "18 19 20")
            );
        }
        assert_eq!(deliver(&mut cursors, 21), "21");
        assert_eq!(cursors.take_wanted(9), []);
    }
}

#[test]
fn a_page_of_an_earlier_membership_changes_nothing() {
    let mut cursors = logged_in_at(10);
    cursors.position("room:a", 20);
    assert_eq!(cursors.take_wanted(9).len(), 1);
    cursors.left("room:a");
    cursors.joined("room:a", 30);
    assert_eq!(shown(&cursors.page(page(&[11, 12], &[], true, 20)).0), "");
    assert_eq!(deliver(&mut cursors, 31), "31");
}

/// A position that came after a page was made is above its top.
#[test]
fn a_page_does_not_take_back_what_was_told_since() {
    let mut cursors = logged_in_at(10);
    cursors.position("room:a", 11);
    cursors.take_wanted(9);
    cursors.position("room:a", 12);
    assert_eq!(shown(&cursors.page(page(&[11], &[], false, 11)).0), "11");
    assert_eq!(cursors.take_wanted(9)[0].after_seq, 11);
}

#[test]
fn rooms_that_were_left_make_room_for_others() {
    let mut cursors = Cursors::default();
    for number in 0..CONVERSATIONS_MAX {
        assert_eq!(shown(&cursors.joined(&format!("room:{number}"), 0)), "");
    }
    let new = |cursors: &mut Cursors| shown(&cursors.message(message("room:new", 7)));
    assert_eq!(new(&mut cursors), "7", "without the promises");
    cursors.left("room:5");
    cursors.entered("room:new");
    assert_eq!(new(&mut cursors), "7");
    assert_eq!(new(&mut cursors), "", "once");
}

#[test]
fn early_deliveries_are_bounded_and_still_all_come() {
    let mut cursors = logged_in_at(0);
    let last = AHEAD_MAX as u64 + 100;
    for seq in 2..=last {
        assert_eq!(deliver(&mut cursors, seq), "");
    }
    assert_eq!(cursors.tracks["room:a"].ahead.len(), AHEAD_MAX);
    assert_eq!(cursors.take_wanted(9)[0].after_seq, 0);
    let (outputs, _) = cursors.page(page(&[1], &[], true, last));
    assert_eq!(outputs.len(), AHEAD_MAX + 1);
    assert_eq!(cursors.take_wanted(9)[0].after_seq, AHEAD_MAX as u64 + 1);
}

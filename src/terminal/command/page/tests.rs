//! Tests.

use super::*;
use crate::terminal::state::tests::message;

fn page(seqs: std::ops::RangeInclusive<u64>, more: bool, first_available_seq: u64) -> Page {
    let messages = seqs
        .map(|seq| message("bob", "room:a", seq, None))
        .collect();
    Page {
        conversation: "room:a".to_owned(),
        messages,
        sealed: Vec::new(),
        complete: first_available_seq <= 1,
        more,
        first_available_seq,
        last_seq: 9,
    }
}

#[test]
fn a_page_says_where_it_stands() {
    let plain = Painter::utc(false);
    let golden = [
        (
            page(4..=9, true, 1),
            "── #a, 4 to 9 of 9, /older goes on ──",
        ),
        (
            page(1..=3, false, 1),
            "── #a, 1 to 3 of 9, the beginning ──",
        ),
        (page(1..=1, false, 1), "── #a, 1 of 9, the beginning ──"),
        (
            page(5..=6, false, 5),
            "── #a, 5 to 6 of 9, what was before is gone ──",
        ),
    ];
    for (page, words) in golden {
        assert_eq!(place(&page, plain), words);
    }
}

#[test]
fn the_oldest_place_is_remembered_even_if_no_message_stands_there() {
    let mut state = State::default();
    let mut page = page(4..=9, true, 1);
    page.sealed = vec![3];
    remember(&mut state, &page, true);
    assert_eq!(
        state.back.map(|back| (back.oldest, back.paging)),
        Some((3, true))
    );
}

#[test]
fn what_is_new_stands_behind_its_divider() {
    let mut state = State::default();
    state.logged_in("alice", &[]);
    let page = page(6..=9, true, 1);
    let messages: Vec<&Message> = page.messages.iter().collect();
    let mut shown = |read, unread| {
        // The first line is the day's.
        let new = Some(New { read, unread });
        let lines = lines(&messages, new, &mut state, Painter::utc(false));
        let without_days = lines.into_iter().filter(|line| !line.contains("1970"));
        without_days.collect::<Vec<String>>()
    };
    let some = shown(7, 2);
    assert_eq!(some[2], "── 2 new ──");
    assert_eq!(some.len(), 5);
    let many = shown(1, 8);
    assert_eq!(many[0], "── 8 new ──");
    assert_eq!(many[1], "— the first 4 of them: /older");
    assert_eq!(shown(9, 1).len(), 4);
}

//! Tests.

use antiphon_protocol::UserName;
use antiphon_protocol::id::MessageId;

use super::*;

fn message(from: &str, conversation: &str, text: &str) -> Message {
    Message {
        from: UserName::parse(from).unwrap(),
        room_name: String::new(),
        message: text.to_owned(),
        ts: 1_700_000_000_000,
        format: "text".to_owned(),
        conversation: conversation.to_owned(),
        seq: 1,
        message_id: MessageId("m".to_owned()),
        client_id: None,
    }
}

/// Pitfall 110.
#[test]
fn durations_are_the_two_largest_units() {
    let golden = [
        (0, "0s"),
        (999, "0s"),
        (1_000, "1s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (61_000, "1m 1s"),
        (3_599_999, "59m 59s"),
        (3_600_000, "1h"),
        (86_399_999, "23h 59m"),
        (86_400_000, "1d"),
        (273_601_000, "3d 4h"),
        (-1, "0s"),
        (i64::MIN, "0s"),
        (i64::MAX, "106751991167d 7h"),
    ];
    for (ms, shown) in golden {
        assert_eq!(duration(ms), shown, "{ms}");
    }
}

#[test]
fn a_message_is_one_line_with_time_place_name_and_text() {
    let plain = Painter::utc(false);
    let said = message("alice", "room:room1", "hello");
    assert_eq!(plain.message(&said, "bob"), "22:13 #room1 alice  hello");
    let direct = message("alice", "user:alice", "hello");
    assert_eq!(plain.message(&direct, "bob"), "22:13 @alice alice  hello");
    let mention = message("alice", "room:room1", "hello Bob!");
    assert_eq!(
        plain.message(&mention, "bob"),
        "22:13 #room1 alice » hello Bob!"
    );
    let lines = message("alice", "room:room1", "one\ntwo\u{1b}[2J");
    assert_eq!(
        plain.message(&lines, "bob"),
        "22:13 #room1 alice  one\n      two"
    );
}

#[test]
fn a_name_is_mentioned_only_as_a_word() {
    assert!(mentions("@bob look", "bob"));
    assert!(mentions("BOB, look", "bob"));
    assert!(!mentions("bobby", "bob"));
    assert!(!mentions("bob-2", "bob"));
    assert!(!mentions("anything", ""));
    assert!(mentions("你好bob吗", "bob"));
    assert!(mentions("@王芳你好", "王芳"));
    assert!(mentions("王芳, hello", "王芳"));
    assert!(!mentions("小王芳来了", "王芳"));
}

#[test]
fn a_name_keeps_its_color_and_no_color_means_none() {
    let (painted, plain) = (Painter::new(true), Painter::new(false));
    assert_eq!(painted.name("alice"), painted.name("alice"));
    assert_ne!(painted.name("alice"), "alice");
    assert!(!painted.name("alice\u{1b}]0;x\u{7}").contains(']'));
    let all = [
        plain.name("a"),
        plain.dim("b"),
        plain.bold("c"),
        plain.error("d"),
    ];
    assert_eq!(all.concat(), "abcd");
}

#[test]
fn times_and_days_are_those_of_the_zone() {
    let zone = Zone::Utc;
    let ts = 1_700_000_000_000;
    assert_eq!(zone.time_of_day(ts), "22:13");
    assert_eq!(day_in_words(zone.day(ts)), "Tuesday, 14 November 2023");
    assert_eq!(zone.stamp(ts, zone.day(ts)), "22:13");
    assert_eq!(zone.stamp(ts, zone.day(ts + 86_400_000)), "14 Nov 22:13");
    assert_eq!(
        zone.stamp(ts, zone.day(ts + 366 * 86_400_000)),
        "14 Nov 2023 22:13"
    );
    assert_eq!(zone.time_of_day(u64::MAX), "00:00");
}

#[test]
fn lines_break_at_words_and_go_on_indented() {
    let golden = [
        ("short", "short"),
        (
            "— 👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦x",
            "— 👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦\n  👨\u{200d}👩\u{200d}👧\u{200d}👦x",
        ),
        (
            "10:00 #a bob  one two three four five",
            "10:00 #a bob  one two three\n      four five",
        ),
        (
            "— one two three four five six",
            "— one two three four five\n  six",
        ),
        (
            "  one two three four five six",
            "  one two three four five\n  six",
        ),
        (
            "10:00 #a bob  one\n      two three four five six seven",
            "10:00 #a bob  one\n      two three four five\n      six seven",
        ),
        (
            "10:00 #a bob  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "10:00 #a bob\n      aaaaaaaaaaaaaaaaaaaaaa\n      aaaaaaaa",
        ),
        (
            "10:00 #a bob  这里有很多字，需要换行。",
            "10:00 #a bob  这里有很多字，\n      需要换行。",
        ),
    ];
    for (line, wrapped) in golden {
        assert_eq!(wrap(line, 28), wrapped, "{line}");
    }
}

#[test]
fn colors_take_no_room() {
    let painter = Painter::utc(true);
    let line = format!(
        "— {} {}",
        painter.error("one two three"),
        painter.dim("four five")
    );
    assert_eq!(width(&line), "— one two three four five".chars().count());
    assert_eq!(wrap(&line, 40), line);
    let wrapped = wrap(&line, 20);
    let widths: Vec<usize> = wrapped.split('\n').map(width).collect();
    assert_eq!(widths, [20, 6], "{wrapped:?}");
    assert_eq!(cut("世界世界", 5), "世界…");
    assert_eq!(cut("four", 4), "four");
    assert_eq!(
        fill(&painter.dim("ab"), 4),
        format!("{}  ", painter.dim("ab"))
    );
}

#[test]
fn names_stand_in_columns_and_bars_fit() {
    let names = ["alice", "bob", "王芳"].map(str::to_owned);
    assert_eq!(in_columns(&names, 20), ["  alice  bob", "  王芳"]);
    assert_eq!(in_columns(&names, 80), ["  alice  bob    王芳"]);
    let words = [
        ("fish".to_owned(), 10),
        ("be".to_owned(), 5),
        ("x".to_owned(), 0),
    ];
    let lines: Vec<String> = bars(&words, 24)
        .into_iter()
        .map(|(word, bar, count)| format!("{word}|{bar}|{count}"))
        .collect();
    assert_eq!(
        lines,
        ["fish|████████████|10", "be  |██████| 5", "x   |▏| 0"]
    );
    assert!(bars(&[], 80).is_empty());
}

#[test]
fn found_words_are_marked_whatever_their_case() {
    let painter = Painter::utc(true);
    let words = ["straße".to_owned(), "go".to_owned()];
    let marked = painter.with_marks("Go to the Straße", &words);
    assert!(marked.contains("\u{1b}[1m"), "{marked:?}");
    assert_eq!(width(&marked), 16);
    assert_eq!(Painter::utc(false).with_marks("Go", &words), "Go");
}

proptest::proptest! {
    #[test]
    fn wrapped_lines_fit_and_lose_nothing_but_blanks(line in "[a-z世界， \\u{1f600}]{0,120}", columns in 20_usize..60) {
        let wrapped = wrap(&line, columns);
        for row in wrapped.split('\n') {
            proptest::prop_assert!(width(row) <= columns, "{row:?}");
        }
        let bare = |text: &str| text.replace(['\n', ' '], "");
        proptest::prop_assert_eq!(bare(&wrapped), bare(&line));
    }
}

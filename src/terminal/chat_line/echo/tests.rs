//! Tests.

use proptest::prelude::*;

use super::*;

const FAMILY: &str = "👨\u{200d}👩\u{200d}👧\u{200d}👦";

fn narrow(columns: usize) -> Window {
    Window {
        columns,
        mode: GraphemeClusterMode::WcWidth,
    }
}

fn at(row: usize, column: usize) -> Place {
    Place { row, column }
}

#[test]
fn rows_are_filled_where_the_editor_breaks_them() {
    let screen = narrow(10);
    let start = at(0, 2);
    assert_eq!(screen.show("abc", start), ("abc".to_owned(), at(0, 5)));
    assert_eq!(
        screen.show("abcdefgh", start),
        ("abcdefgh".to_owned(), at(1, 0))
    );
    assert_eq!(
        screen.show("abcdefg世", start),
        ("abcdefg 世".to_owned(), at(1, 2))
    );
    let torn = format!("abc{FAMILY}");
    assert_eq!(
        screen.show(&torn, start),
        ("abc     👨👩👧👦".to_owned(), at(1, 8))
    );
    assert_eq!(screen.show("a\nb", start), ("a\nb".to_owned(), at(1, 1)));
}

#[test]
fn what_steers_a_terminal_is_not_shown() {
    let screen = narrow(80);
    let start = at(0, 0);
    for (typed, shown) in [
        ("a\u{7}b\u{8}\u{7f}c", "abc"),
        ("a\u{9b}2Jb", "a2Jb"),
        ("a\u{1b}[2Jb", "ab"),
        ("a\u{1b}]0;t\u{7}b", "a0;tb"),
        ("a\tb", "a b"),
        ("a\u{202e}b\u{2066}", "ab"),
        ("e\u{301}", "e\u{301}"),
        (FAMILY, "👨👩👧👦"),
        ("❤\u{fe0f}", "❤"),
    ] {
        assert_eq!(screen.show(typed, start).0, shown, "{typed:?}");
    }
}

#[test]
fn a_terminal_that_joins_emoji_gets_them_joined() {
    let window = Window {
        columns: 80,
        mode: GraphemeClusterMode::Unicode,
    };
    let start = at(0, 0);
    assert_eq!(window.show(FAMILY, start), (FAMILY.to_owned(), at(0, 2)));
    let boxed = window.show("a\u{7}b", start);
    assert_eq!(boxed, ("a\u{fffd}b".to_owned(), at(0, 3)));
}

fn piece() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        " ",
        "世",
        "界",
        FAMILY,
        "❤\u{fe0f}",
        "e\u{301}",
        "\n",
        "\t",
        "\u{1b}",
        "[",
        "2",
        "J",
        "\u{7}",
        "\u{9b}",
        "\u{202e}",
        "🇩🇪",
        "👍🏽",
        "\r",
        "\u{200b}",
        "한",
        "\u{1160}",
    ];
    prop::sample::select(pieces).prop_map(str::to_owned)
}

proptest! {
    /// A terminal that breaks rows between characters ends up where the editor believes it is.
    #[test]
    fn the_cursor_is_where_the_editor_believes_it(
        pieces in prop::collection::vec(piece(), 0..60),
        columns in 16_u16..50,
    ) {
        let typed = pieces.concat();
        let (shown, end) = narrow(usize::from(columns)).show(&typed, at(0, 0));
        prop_assert!(shown.chars().all(|char| char == '\n' || !char.is_control()));
        let size = |count| std::num::NonZeroU16::new(count).unwrap();
        let mut terminal = vt100::Parser::new(size(80), size(columns), 0);
        terminal.process(shown.replace('\n', "\r\n").as_bytes());
        let (row, column) = terminal.screen().cursor_position();
        let seen = at(usize::from(row), usize::from(column));
        // A full row: the terminal waits at its end until more comes.
        let waiting = end.column == 0 && seen.column == usize::from(columns) && end.row == seen.row + 1;
        prop_assert!(seen == end || waiting, "{seen:?} and not {end:?}: {shown:?}");
    }
}

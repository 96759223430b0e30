//! Tests.

use proptest::prelude::*;

use super::*;

fn shown(line: &str) -> String {
    Shown::new(line).as_str().to_owned()
}

#[test]
fn paint_passes_and_nothing_else_does() {
    let cases = [
        ("a\u{1b}[1mb\u{1b}[0mc", "a\u{1b}[1mb\u{1b}[0mc"),
        ("\u{1b}[92mx\u{1b}[39m", "\u{1b}[92mx\u{1b}[39m"),
        ("\u{1b}[1;31mx\u{1b}[m", "\u{1b}[1;31mx\u{1b}[m"),
        ("\u{1b}[38;5;104mx\u{1b}[39m", "\u{1b}[38;5;104mx\u{1b}[39m"),
        ("\u{1b}[38;5;256mx", "[38;5;256mx"),
        ("\u{1b}[48;5;1mx", "[48;5;1mx"),
        ("\u{1b}[38;5;1;5mx", "[38;5;1;5mx"),
        ("\u{1b}[38;5mx", "[38;5mx"),
        ("\u{1b}[2J", "[2J"),
        ("\u{1b}[8mhidden", "[8mhidden"),
        ("\u{1b}[1;5mx", "[1;5mx"),
        ("\u{1b}]0;t\u{7}x", "]0;tx"),
        ("\u{1b}[1", "[1"),
        ("\u{9b}1mx", "1mx"),
        ("\u{1b}", ""),
        ("a\r\u{8}\u{7f}\tb\nc", "ab\nc"),
        ("a\u{202e}b\u{2028}c", "abc"),
        ("世 👩\u{200d}👧", "世 👩\u{200d}👧"),
    ];
    for (line, harmless) in cases {
        assert_eq!(shown(line), harmless, "{line:?}");
    }
    let long = format!("\u{1b}[{}m", "1;".repeat(PAINT_BYTES_MAX));
    assert!(!shown(&long).contains('\u{1b}'));
}

proptest! {
    #[test]
    fn whatever_comes_nothing_steers(
        line in "(\\PC|[\\x00-\\x9f]|\u{1b}\\[[0-9;]{0,4}[a-zA-Z]){0,40}"
    ) {
        let shown = shown(&line);
        let steers = |char| char != '\n' && char != ESCAPE && sanitize::is_steering(char);
        prop_assert!(!shown.chars().any(steers), "{shown:?}");
        for behind in shown.split(ESCAPE).skip(1) {
            let end = behind.find('m').unwrap_or(0);
            let numbers = behind[..end].strip_prefix('[').unwrap_or("x");
            prop_assert!(numbers.chars().all(|char| char.is_ascii_digit() || char == ';'));
        }
    }
}

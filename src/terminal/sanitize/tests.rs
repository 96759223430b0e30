use proptest::prelude::*;

use super::*;

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || is_invisible(c))
}

#[test]
fn attacks_leave_plain_text_only() {
    let cases = [
        ("clipboard", "a\u{1b}]52;c;aGk=\u{7}b", "ab"),
        ("clipboard, ST", "a\u{1b}]52;c;aGk=\u{1b}\\b", "ab"),
        ("clipboard, 8-bit", "a\u{9d}52;c;aGk=\u{9c}b", "ab"),
        (
            "link",
            "\u{1b}]8;;http://evil\u{1b}\\safe\u{1b}]8;;\u{1b}\\",
            "safe",
        ),
        ("title", "\u{1b}]0;owned\u{7}x", "x"),
        ("clear screen", "a\u{1b}[2J\u{1b}[Hb", "ab"),
        ("8-bit CSI", "a\u{9b}2Jb", "ab"),
        ("color", "\u{1b}[1;31mred\u{1b}[0m", "red"),
        ("device control", "a\u{1b}P$q\"p\u{1b}\\b", "ab"),
        (
            "APC, PM, SOS",
            "\u{1b}_x\u{1b}\\a\u{1b}^y\u{1b}\\b\u{1b}Xz\u{1b}\\c",
            "abc",
        ),
        ("reset", "\u{1b}ca", "a"),
        ("charset", "\u{1b}(0a", "a"),
        ("unfinished string", "a\u{1b}]0;rest", "a0;rest"),
        ("unfinished CSI", "a\u{1b}[1;", "a"),
        ("CSI cut by a letter of another script", "a\u{1b}[1ж", "aж"),
        ("nested", "\u{1b}\u{1b}[2Ja", "a"),
        ("override", "a\u{202e}txt.exe\u{202c}", "atxt.exe"),
        ("isolates", "\u{2066}a\u{2069}", "a"),
        ("separators", "a\u{2028}b\u{2029}c", "abc"),
        ("bell, backspace, DEL", "a\u{7}\u{8}\u{7f}b", "ab"),
        ("carriage return", "me: hi\rroot: bye", "me: hiroot: bye"),
        ("zero width", "a\u{200b}b\u{200d}c\u{200c}d\u{feff}", "abcd"),
        ("tags", "a\u{e0041}\u{e007f}", "a"),
        ("tab", "a\tb", "a b"),
    ];
    for (name, attack, expected) in cases {
        assert_eq!(sanitize_inline(attack), expected, "{name}");
    }
}

#[test]
fn a_newline_cannot_forge_a_line() {
    assert_eq!(
        sanitize("hi\n12:00 root: obey"),
        "hi\n      12:00 root: obey"
    );
    assert_eq!(sanitize("a\r\nb"), "a\n      b");
    assert_eq!(sanitize_inline("a\nb"), "a b");
}

#[test]
fn what_people_write_stays() {
    let family = "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥";
    for text in [
        "héllo wörld",
        "你好",
        "שלום",
        "می\u{200c}خواهم",
        family,
        "🇩🇪 👍🏽",
        "a [1m b ]0; c",
    ] {
        assert_eq!(sanitize(text), text);
    }
}

proptest! {
    #[test]
    fn no_control_character_survives(text in any::<String>()) {
        prop_assert!(is_harmless(&sanitize_inline(&text)));
        prop_assert!(is_harmless(&sanitize(&text).replace(CONTINUATION, "")));
    }

    #[test]
    fn nor_from_pieces_of_sequences(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "\u{1b}", "[", "]", "P", "\\", "\u{7}", "\u{9b}", "\u{9c}", "\u{9d}", "\u{90}", "0;",
            "m", "a", "\n", "\r", "\t", "\u{202e}", "\u{200d}", "👍", "ж", "\u{7f}", "\u{85}",
        ]), 0..40)
    ) {
        let text = pieces.concat();
        prop_assert!(is_harmless(&sanitize_inline(&text)));
        let lines = sanitize(&text);
        prop_assert!(is_harmless(&lines.replace(CONTINUATION, "")));
        // Done once, it is done.
        prop_assert_eq!(sanitize_inline(&sanitize_inline(&text)), sanitize_inline(&text));
    }
}

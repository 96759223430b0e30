use proptest::prelude::*;

use super::*;

fn refused(raw: &str) -> NameError {
    UserName::parse(raw).expect_err(raw)
}

#[test]
fn names_are_folded_and_kept() {
    for (raw, name) in [
        ("Alice", "alice"),
        ("ｕｓｅｒ１", "user1"),
        ("user_1.x-y", "user_1.x-y"),
        ("小明", "小明"),
        ("Ωμέγα", "ωμέγα"),
        ("room1", "room1"),
    ] {
        assert_eq!(
            UserName::parse(raw).map(|n| n.to_string()),
            Ok(name.to_owned()),
            "{raw}"
        );
    }
}

#[test]
fn bad_names_are_refused_with_their_reason() {
    assert_eq!(refused(""), NameError::Empty);
    assert_eq!(refused(&"a".repeat(33)), NameError::TooLong);
    assert_eq!(refused(&"a".repeat(100_000)), NameError::TooLong);
    for raw in [
        "a b",
        "a:b",
        "a\u{1b}[2J",
        "a\0",
        "a\u{202e}b",
        "a\u{200d}b",
        "a\u{9b}b",
        "$ne",
        "a|b",
    ] {
        assert_eq!(refused(raw), NameError::Character, "{raw:?}");
    }
    // A Cyrillic first letter in front of Latin ones.
    assert_eq!(refused("аdmin"), NameError::MixedScript);
    assert_eq!(refused("-a"), NameError::Start);
    assert_eq!(refused(".a"), NameError::Start);
}

#[test]
fn look_alikes_share_a_skeleton() {
    let skeleton = |raw: &str| UserName::parse(raw).expect(raw).skeleton();
    assert_eq!(skeleton("user1"), skeleton("userl"));
    assert_ne!(skeleton("alice"), skeleton("alicf"));
    // All-Cyrillic "асе" looks like Latin "ace".
    assert_eq!(skeleton("асе"), skeleton("ace"));
}

proptest! {
    #[test]
    fn normalization_is_idempotent(raw in "\\PC{0,40}") {
        if let Ok(name) = UserName::parse(&raw) {
            prop_assert_eq!(UserName::parse(name.as_str()), Ok(name));
        }
    }
}

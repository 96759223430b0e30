//! What must pass and what must be caught.

use super::*;

const INNOCENT: &[&str] = &[
    "hello",
    "class assignment",
    "Essex",
    "analysis",
    "Scunthorpe United played at Penistone",
    "a classic cocktail in Middlesex and Sussex, passed by Dickens",
    "assess the assassin's bass; the mass of grass",
    "therapist, peacock, shiitake, Hancock, circumstance, document",
    "a Maine coon; spic and span; a chink in the armor; pussy willow",
    "Scunthorpe\u{301} na\u{ef}ve caf\u{e9} stra\u{df}e",
    "12345 5417 80085 1488 455 0.5 1,000 +49 (0) 30 1234-5678",
    "order A55, seat 4G, FA6, 5H17, v1.2.3, h264, mp3, 3D, R2D2, C3PO",
    "win10 $100 €20 100% a+b=c 1!2 me@example.com @sam #tag",
    "shot sh0t where wh3re? p4ssword passw0rd b00k",
    "👍🏽 👨‍👩‍👧‍👦 🇨🇳🇨🇦 ❤️",
    "我在操作系统里操控鼠标，别操心",
    "体操你会吗？早操你去不去？生日你妈妈来吗？",
    "饼干你娘家有吗",
    "今天天气很好，我们去操场打球",
    "他妈妈的手机丢了",
    "Привет, сосед! Как дела?",
    "Καλημέρα κόσμε",
    "おはようございます。安心してください",
    "안녕하세요 여러분",
];

const BYPASSES: &[(&str, &str)] = &[
    ("fuck", "****"),
    ("Fuck", "****"),
    ("FUCKING hell", "******* hell"),
    ("ｆｕｃｋ", "****"),
    ("ＦＵＣＫ you", "**** you"),
    ("fu\u{200B}ck", "*****"),
    ("f\u{AD}u\u{2060}ck", "******"),
    ("f\u{200D}uck", "****"),
    ("fück", "****"),
    ("f\u{336}u\u{336}c\u{336}k\u{336}", "****"),
    ("fuсk", "****"),
    ("ѕһіt", "****"),
    ("𝓯𝓾𝓬𝓴", "****"),
    ("ⓕⓤⓒⓚ", "****"),
    ("🅵🆄🅲🅺", "****"),
    ("ꜰᴜᴄᴋ", "****"),
    ("f4ck f@ck fvck", "**** **** ****"),
    ("sh1t SH!T $hit 5h1t", "**** **** **** ****"),
    ("b1tch a$$hole @sshole", "***** ******* *******"),
    ("what the fuck?!", "what the ****?!"),
    ("fuck_you fuck-you fuck.you", "****_you ****-you ****.you"),
    ("\"shit\" (shit) shit's", "\"****\" (****) ****'s"),
    ("fuck123", "****123"),
    ("sh1t!!!", "****!!!"),
    ("son of a bitch", "**************"),
    ("你这个傻逼", "你这个**"),
    ("傻 逼", "***"),
    ("傻\u{200B}逼", "***"),
    ("傻.逼 傻-逼", "*** ***"),
    ("傻B傻b傻Ｂ", "******"),
    ("我操！", "**！"),
    ("操你妈的", "***的"),
    ("我操fuck操作", "******操作"),
];

/// Pitfall 90.
#[test]
fn pitfall_90_innocent_words_are_untouched() {
    for text in INNOCENT {
        assert_eq!(filter().mask(text), *text);
        let shouted = text.to_uppercase();
        assert_eq!(filter().mask(&shouted), shouted);
    }
}

/// Pitfall 91.
#[test]
fn pitfall_91_bypasses_are_caught() {
    for (text, masked) in BYPASSES {
        assert_eq!(filter().mask(text), *masked, "of {text:?}");
        assert!(!filter().explain(text).is_empty());
    }
}

/// Pitfall 92.
#[test]
fn pitfall_92_numbers_stay_as_they_are() {
    for text in [
        "0",
        "42",
        "666",
        "1488",
        "5417",
        "455",
        "8008135",
        "3.14",
        "１２３",
        "٤٢",
    ] {
        assert_eq!(filter().mask(text), text);
    }
}

#[test]
fn every_builtin_term_is_masked_unless_allowed() {
    for term in &filter().masked.terms {
        let masked = filter().mask(&term.raw);
        assert!(
            !masked.is_empty() && masked.chars().all(|c| c == MASK),
            "{}",
            term.raw
        );
    }
    for term in &filter().allowed.terms {
        assert_eq!(filter().mask(&term.raw), term.raw);
    }
}

/// Ecosystem, finding 11: what is not masked keeps its diacritics and its emoji.
#[test]
fn finding_11_the_rest_of_a_masked_text_is_byte_for_byte_the_same() {
    let text = "Zoë is naïve, cafe\u{301} crème 🎉 ｏｋ, fück, ﬁne\u{200B} 你好！";
    let masked = "Zoë is naïve, cafe\u{301} crème 🎉 ｏｋ, ****, ﬁne\u{200B} 你好！";
    assert_eq!(filter().mask(text), masked);
}

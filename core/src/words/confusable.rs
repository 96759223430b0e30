//! Characters that look like a Latin letter.
//!
//! The pairs are those of UTS #39 that people type: Cyrillic, Greek, Armenian, small capitals,
//! letters with strokes. Within one script no two letters fold to the same one unless they
//! look the same, so that words of that script stay apart. Compatibility forms (full-width,
//! mathematical, circled letters) need no entry: NFKC folds them.

/// The Latin letter that a lower-case character looks like, or the character itself.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    match c {
        'а' | 'α' | 'ɑ' | 'ᴀ' => 'a',
        'в' | 'β' | 'ʙ' => 'b',
        'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'đ' | 'ᴅ' | 'ɖ' | 'ð' => 'd',
        'е' | 'ε' | 'ᴇ' | 'ҽ' | 'ə' => 'e',
        'ꜰ' | 'ƒ' => 'f',
        'ɡ' | 'ɢ' | 'ց' => 'g',
        'һ' | 'н' | 'ħ' | 'ʜ' | 'հ' => 'h',
        'і' | 'ι' | 'ı' | 'ɪ' | 'ɩ' => 'i',
        'ј' | 'ᴊ' => 'j',
        'к' | 'κ' | 'ᴋ' => 'k',
        'ӏ' | 'ł' | 'ʟ' | 'ǀ' => 'l',
        'м' | 'ᴍ' => 'm',
        'η' | 'ո' | 'ɴ' | 'ŋ' => 'n',
        'о' | 'ο' | 'ᴏ' | 'ø' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' | 'ᴘ' => 'p',
        'ԛ' => 'q',
        'ʀ' => 'r',
        'ѕ' | 'ꜱ' => 's',
        'т' | 'τ' | 'ᴛ' | 'ŧ' => 't',
        'υ' | 'μ' | 'ս' | 'ᴜ' => 'u',
        'ν' | 'ѵ' | 'ᴠ' => 'v',
        'ԝ' | 'ω' | 'ᴡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'ʏ' | 'γ' => 'y',
        'ᴢ' | 'ƶ' => 'z',
        '🅐'..='🅩' => letter(c, '🅐'),
        '🅰'..='🆉' => letter(c, '🅰'),
        other => other,
    }
}

/// The letter of an alphabet that begins at `first` and is in order.
fn letter(c: char, first: char) -> char {
    char::from_u32(u32::from(c) - u32::from(first) + u32::from('a')).unwrap_or(c)
}

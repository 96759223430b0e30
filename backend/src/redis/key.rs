//! Names of keys. All begin with the prefix and the version of the layout; the part in braces
//! decides the slot in a Redis Cluster, and each script stays within one.

use std::fmt::Write as _;

/// The layout that the scripts of this build read and write. Another build's keys are never
/// touched.
const LAYOUT: u32 = 1;

/// Makes the keys of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = format!("{}:{LAYOUT}", encode(prefix));
        Self { prefix }
    }

    /// A key in the slot of `tag`, which may be any text.
    pub(super) fn key(&self, kind: &str, tag: &str, rest: &str) -> String {
        format!("{}:{{{kind}:{}}}:{rest}", self.prefix, encode(tag))
    }
}

/// Percent-encodes all but letters, digits, `.`, `_` and `-` of ASCII.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The inverse of [`encode`].
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_have_keys_of_their_own() {
        let keys = Keys::new("a{b}:c");
        let made = [
            keys.key("recent", "room:x", "a"),
            keys.key("recent", "room", "x:a"),
            keys.key("recent", "room%3Ax", "a"),
            keys.key("recent", "room}:x", "a"),
            Keys::new("a").key("recent", "b", "c"),
        ];
        for (index, key) in made.iter().enumerate() {
            assert!(!made[..index].contains(key), "{key}");
            assert_eq!(key.matches('{').count(), 1, "{key}");
        }
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(text in ".*") {
            let encoded = encode(&text);
            let is_plain = encoded.is_ascii() && !encoded.contains([':', '{', '}', '\n', '\0']);
            prop_assert!(is_plain);
            prop_assert_eq!(decode(&encoded), Some(text));
        }

        #[test]
        fn decoding_junk_does_not_panic(junk in "[%0-9a-fA-Fé]*") {
            let _ = decode(&junk);
        }
    }
}

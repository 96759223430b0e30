//! Values as they are kept: JSON with the number of its form. A value of another form, which
//! an older or newer server wrote, reads as nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The form of this build.
const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    v: u32,
    #[serde(flatten)]
    value: T,
}

#[derive(Deserialize)]
struct Form {
    v: u32,
}

/// A value that says it is of our form but isn't.
#[derive(Debug, thiserror::Error)]
#[error("a stored value is damaged")]
pub(super) struct Damaged(#[source] serde_json::Error);

pub(super) fn encode<T: Serialize>(value: T) -> Vec<u8> {
    let stored = Stored { v: FORM, value };
    serde_json::to_vec(&stored).expect("strings and numbers can be written")
}

/// `None` for another form.
pub(super) fn decode<T: DeserializeOwned>(raw: &[u8]) -> Result<Option<T>, Damaged> {
    let form: Form = serde_json::from_slice(raw).map_err(Damaged)?;
    if form.v != FORM {
        return Ok(None);
    }
    let stored: Stored<T> = serde_json::from_slice(raw).map_err(Damaged)?;
    Ok(Some(stored.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Value {
        number: u64,
        text: String,
    }

    fn value() -> Value {
        Value {
            number: u64::MAX,
            text: "\"你好\"\n\0".to_owned(),
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        assert_eq!(decode(&encode(value())).unwrap(), Some(value()));
    }

    #[test]
    fn another_form_is_nothing_and_junk_is_damage() {
        let newer = br#"{"v":2,"number":"forty-two"}"#;
        assert_eq!(decode::<Value>(newer).unwrap(), None);
        for junk in [&b""[..], b"{}", b"{\"v\":1}", b"\xff", b"[1]"] {
            assert!(decode::<Value>(junk).is_err());
        }
    }
}

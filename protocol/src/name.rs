//! User and room names.
//!
//! A name is 1 to 32 characters after NFKC and lower-casing (RFC 8265's UsernameCaseMapped
//! idea), letters and digits of one script plus `_ - .`. Two names that look alike have the
//! same [`UserName::skeleton`] (UTS #39), by which stores keep them apart.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript};

use crate::limits::NAME_CHARS_MAX;

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters.
    #[error("a name has at least one character")]
    Empty,
    /// Over `NAME_CHARS_MAX` characters.
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// Something other than letters, digits, `_`, `-` and `.`.
    #[error("a name has letters, digits and _ - . only")]
    Character,
    /// Letters of several scripts, or characters kept for look-alikes.
    #[error("a name mixes scripts that look alike")]
    MixedScript,
    /// Begins with a dot or a hyphen.
    #[error("a name begins with a letter, a digit or _")]
    Start,
}

impl NameError {
    /// The part of `ext` behind `invalid_name:`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Character => "character",
            Self::MixedScript => "mixed_script",
            Self::Start => "start",
        }
    }
}

fn fold(raw: &str) -> String {
    raw.nfkc()
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect()
}

fn normalize(raw: &str) -> Result<String, NameError> {
    // NFKC can lengthen a character 18-fold; anything longer than this can't be a name.
    if raw.len() > NAME_CHARS_MAX * 16 {
        return Err(NameError::TooLong);
    }
    let name = fold(raw);
    let mut chars = name.chars();
    let Some(first) = chars.next() else {
        return Err(NameError::Empty);
    };
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(NameError::TooLong);
    }
    let plain = |c: char| c.is_alphanumeric() || is_mark(c) || matches!(c, '_' | '-' | '.');
    if !name.chars().all(plain) || fold(&name) != name {
        return Err(NameError::Character);
    }
    if matches!(first, '-' | '.') || is_mark(first) {
        return Err(NameError::Start);
    }
    if !name.is_single_script() || !name.chars().all(GeneralSecurityProfile::identifier_allowed) {
        return Err(NameError::MixedScript);
    }
    Ok(name)
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Normalizes and checks a name.
            pub fn parse(raw: &str) -> Result<Self, NameError> {
                normalize(raw).map(Self)
            }
            /// The normalized name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// Names that look alike share this (UTS #39); stores keep it unique.
            pub fn skeleton(&self) -> String {
                unicode_security::skeleton(&self.0).collect()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let raw = String::deserialize(d)?;
                Self::parse(&raw).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// The normalized name of a user.
    UserName
}
name_type! {
    /// The normalized name of a room.
    RoomName
}

#[cfg(test)]
mod tests;

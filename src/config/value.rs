//! What a key may hold, and how text becomes it.

use std::fmt;
use std::net::SocketAddr;

/// A value as the file, a variable or a flag gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number, not negative.
    Number(u64),
    /// True or false.
    Switch(bool),
    /// Strings.
    List(Vec<String>),
}

impl fmt::Display for Value {
    /// As TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", toml_edit::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::List(items) => {
                let array: toml_edit::Array = items.iter().map(String::as_str).collect();
                write!(f, "{}", toml_edit::Value::Array(array))
            }
        }
    }
}

/// What a key accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IP address or a host name.
    Host,
    /// `HOST:PORT`.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number from `min` to `max`.
    Number {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// True or false.
    Switch,
    /// A path, or the empty string for the default place.
    Path,
    /// Paths of files.
    Files,
    /// Web origins.
    Origins,
    /// The beginning of a server's name.
    NamePrefix,
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// This, or the empty string for nothing.
    Optional(&'static Kind),
}

/// Longest `server.name_prefix`; a number follows it.
const NAME_PREFIX_CHARS_MAX: usize = 24;
/// Longest host name (RFC 1035).
const HOST_CHARS_MAX: usize = 253;

impl fmt::Display for Kind {
    /// What is expected, to be read behind "takes".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("an IP address or a host name, without a port"),
            Self::Address => f.write_str("HOST:PORT, such as \"127.0.0.1:8888\""),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(f, "one of {}", quoted.join(", "))
            }
            Self::Number { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Switch => f.write_str("true or false"),
            Self::Path => f.write_str("a path (or \"\" for the default place)"),
            Self::Files => f.write_str("a list of file paths"),
            Self::Origins => f.write_str("a list of origins such as \"https://chat.example\""),
            Self::NamePrefix => {
                write!(
                    f,
                    "1 to {NAME_PREFIX_CHARS_MAX} of a-z, 0-9 and -, beginning with a letter"
                )
            }
            Self::Url(schemes) => {
                let schemes: Vec<String> = schemes.iter().map(|s| format!("{s}://…")).collect();
                write!(f, "a URL: {}", schemes.join(" or "))
            }
            Self::Optional(kind) => write!(f, "{kind}, or \"\" for none"),
        }
    }
}

impl Kind {
    /// Reads a variable's or flag's text. Lists are separated by commas.
    pub(super) fn read_text(&self, text: &str) -> Option<Value> {
        match self {
            Self::Host
            | Self::Address
            | Self::Choice(_)
            | Self::Path
            | Self::NamePrefix
            | Self::Url(_) => Some(Value::Text(text.to_owned())),
            Self::Optional(kind) => kind.read_text(text),
            Self::Number { .. } => text.trim().parse().ok().map(Value::Number),
            Self::Switch => text.trim().parse().ok().map(Value::Switch),
            Self::Files | Self::Origins => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Some(Value::List(items.map(str::to_owned).collect()))
            }
        }
    }

    /// Whether `value` has the right type and range.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Host, Value::Text(text)) => is_host(text),
            (Self::Address, Value::Text(text)) => split_address(text).is_some(),
            (Self::Choice(words), Value::Text(text)) => words.contains(&text.as_str()),
            (Self::Path, Value::Text(text)) => !text.contains('\0'),
            (Self::NamePrefix, Value::Text(text)) => is_name_prefix(text),
            (Self::Url(schemes), Value::Text(text)) => is_url(text, schemes),
            (Self::Optional(_), Value::Text(text)) if text.is_empty() => true,
            (Self::Optional(kind), value) => kind.accepts(value),
            (Self::Number { min, max }, Value::Number(number)) => (min..=max).contains(&number),
            (Self::Switch, Value::Switch(_)) => true,
            (Self::Files, Value::List(items)) => items
                .iter()
                .all(|item| !item.is_empty() && !item.contains('\0')),
            (Self::Origins, Value::List(items)) => items.iter().all(|item| is_origin(item)),
            (
                Self::Host
                | Self::Address
                | Self::Choice(_)
                | Self::Path
                | Self::NamePrefix
                | Self::Url(_),
                Value::Number(_) | Value::Switch(_) | Value::List(_),
            )
            | (Self::Number { .. }, Value::Text(_) | Value::Switch(_) | Value::List(_))
            | (Self::Switch, Value::Text(_) | Value::Number(_) | Value::List(_))
            | (Self::Files | Self::Origins, Value::Text(_) | Value::Number(_) | Value::Switch(_)) => {
                false
            }
        }
    }
}

fn is_host(text: &str) -> bool {
    let name = |text: &str| {
        (1..=HOST_CHARS_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
            && !text.starts_with(['-', '.'])
    };
    text.parse::<std::net::IpAddr>().is_ok() || name(text)
}

/// The host and port of `HOST:PORT` or `[IPV6]:PORT`.
pub fn split_address(text: &str) -> Option<(String, u16)> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?)).filter(|(host, _)| is_host(host))
}

/// A scheme and an authority, and nothing behind them, as browsers send it.
fn is_origin(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(authority) = authority else {
        return false;
    };
    if authority.bytes().any(|b| b.is_ascii_uppercase()) {
        return false;
    }
    let bare = authority
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_ipv6 = bare.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    is_ipv6
        || split_address(authority).is_some()
        || (is_host(authority) && !authority.contains(':'))
}

/// The scheme and that something follows; the rest is for whoever connects to it.
fn is_url(text: &str, schemes: &[&str]) -> bool {
    let split = text.split_once("://");
    let fits = split.is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty());
    fits && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn is_name_prefix(text: &str) -> bool {
    (1..=NAME_PREFIX_CHARS_MAX).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A Rust type that a key's value becomes.
pub(super) trait Setting: Sized {
    /// From a value that the key's kind accepts.
    fn from_value(value: Value) -> Option<Self>;
    /// Back again, for the generated file.
    fn to_value(&self) -> Value;
}

macro_rules! setting {
    ($type:ty, $variant:ident) => {
        impl Setting for $type {
            fn from_value(value: Value) -> Option<Self> {
                if let Value::$variant(inner) = value {
                    Some(inner)
                } else {
                    None
                }
            }
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }
        }
    };
}

setting!(String, Text);
setting!(u64, Number);
setting!(bool, Switch);
setting!(Vec<String>, List);

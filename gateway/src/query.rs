//! The query of `GET /server`, read strictly: what is known has one meaning or is refused,
//! what is unknown is ignored.

use antiphon_protocol::UserName;

/// What `GET /server` was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerQuery {
    /// Every server rather than one.
    pub(crate) all: bool,
    /// The key of consistent hashing: a user name, normalized if it is one.
    pub(crate) user: Option<String>,
}

/// The key whose value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidQuery(pub(crate) &'static str);

impl ServerQuery {
    pub(crate) fn parse(query: &str) -> Result<Self, InvalidQuery> {
        let mut all = None;
        let mut user = None;
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match decode(key).as_deref() {
                Some("all") => set("all", &mut all, parse_bool(value))?,
                Some("user") => set("user", &mut user, parse_user(value))?,
                Some(_) | None => {}
            }
        }
        Ok(Self {
            all: all.unwrap_or(false),
            user,
        })
    }
}

/// A key that comes twice says two things, and is refused like a value that says nothing.
fn set<T>(key: &'static str, slot: &mut Option<T>, value: Option<T>) -> Result<(), InvalidQuery> {
    if slot.is_some() || value.is_none() {
        return Err(InvalidQuery(key));
    }
    *slot = value;
    Ok(())
}

fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn parse_user(value: &str) -> Option<String> {
    let user = decode(value).filter(|user| !user.is_empty())?;
    Some(UserName::parse(&user).map_or(user, |name| name.as_str().to_owned()))
}

/// Undoes the encoding of HTML forms; `None` if it is broken.
fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => 16 * hex_digit(rest.next()?)? + hex_digit(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;

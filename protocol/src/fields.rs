//! Typed reading of a frame's `data`: a required field that is absent, a wrong type and a
//! value out of range each have their own error. Unknown fields are ignored.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::error_code::DecodeError;
use crate::id::ClientId;
use crate::name::{RoomName, UserName};

/// The fields of one request.
#[derive(Debug, Clone, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Wraps a request's `data`.
    pub fn new(data: Map<String, Value>) -> Self {
        Self(data)
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.0.remove(field)
    }

    fn take_present(&mut self, field: &'static str) -> Option<Value> {
        self.take(field).filter(|value| !value.is_null())
    }

    /// A string that must be there; `chars` bounds its length in Unicode scalar values.
    pub fn text(
        &mut self,
        field: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Result<String, DecodeError> {
        let value = self.take(field).ok_or(DecodeError::MissingField(field))?;
        bounded_text(field, value, chars)
    }

    /// A string that may be absent or null.
    pub fn text_opt(
        &mut self,
        field: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<String>, DecodeError> {
        self.take_present(field)
            .map(|value| bounded_text(field, value, chars))
            .transpose()
    }

    /// A one-line text that may be absent or null: no control characters, nothing that turns
    /// the direction of writing.
    pub fn line_opt(
        &mut self,
        field: &'static str,
        chars: RangeInclusive<usize>,
    ) -> Result<Option<String>, DecodeError> {
        let text = self.text_opt(field, chars)?;
        let turns = |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match text {
            Some(text) if text.chars().any(|c| c.is_control() || turns(c)) => Err(
                DecodeError::invalid(field, "one line without control characters"),
            ),
            text => Ok(text),
        }
    }

    /// A user name that must be there.
    pub fn user(&mut self, field: &'static str) -> Result<UserName, DecodeError> {
        let raw = self.text(field, 0..=usize::MAX)?;
        UserName::parse(&raw).map_err(DecodeError::InvalidName)
    }

    /// A user name that may be absent, null or empty (the ancestor sends all three).
    pub fn user_opt(&mut self, field: &'static str) -> Result<Option<UserName>, DecodeError> {
        let raw = self
            .text_opt(field, 0..=usize::MAX)?
            .filter(|raw| !raw.is_empty());
        raw.map(|raw| UserName::parse(&raw).map_err(DecodeError::InvalidName))
            .transpose()
    }

    /// A room name that must be there.
    pub fn room(&mut self, field: &'static str) -> Result<RoomName, DecodeError> {
        let raw = self.text(field, 0..=usize::MAX)?;
        RoomName::parse(&raw).map_err(DecodeError::InvalidName)
    }

    /// A room name that may be absent, null or empty.
    pub fn room_opt(&mut self, field: &'static str) -> Result<Option<RoomName>, DecodeError> {
        let raw = self
            .text_opt(field, 0..=usize::MAX)?
            .filter(|raw| !raw.is_empty());
        raw.map(|raw| RoomName::parse(&raw).map_err(DecodeError::InvalidName))
            .transpose()
    }

    /// A client id that may be absent or null.
    pub fn client_id_opt(&mut self, field: &'static str) -> Result<Option<ClientId>, DecodeError> {
        let Some(raw) = self.text_opt(field, 0..=usize::MAX)? else {
            return Ok(None);
        };
        let expected = "1 to 64 visible ASCII characters";
        ClientId::parse(&raw)
            .map(Some)
            .ok_or_else(|| DecodeError::invalid(field, expected))
    }

    /// A whole number that must be there.
    pub fn number(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, DecodeError> {
        let value = self.take(field).ok_or(DecodeError::MissingField(field))?;
        bounded_number(field, &value, range)
    }

    /// A whole number that may be absent or null.
    pub fn number_opt(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, DecodeError> {
        self.take_present(field)
            .map(|value| bounded_number(field, &value, range))
            .transpose()
    }

    /// A number, or a string of digits (the ancestor's client sends what was typed), moved
    /// into `range`; `None` if absent.
    pub fn clamped_opt(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, DecodeError> {
        let Some(value) = self.take_present(field) else {
            return Ok(None);
        };
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if text.len() <= 20 => {
                text.trim().parse::<i64>().ok().map(|n| n as f64)
            }
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        let number = number.ok_or_else(|| DecodeError::invalid(field, "a number"))?;
        Ok(Some(
            (number.clamp(0.0, 1e15) as u64).clamp(*range.start(), *range.end()),
        ))
    }

    /// A list of objects that must be there, at most `max` of them, each read by `read`.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        max: usize,
        mut read: impl FnMut(Fields) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let value = self.take(field).ok_or(DecodeError::MissingField(field))?;
        let Value::Array(items) = value else {
            return Err(DecodeError::invalid(field, "a list"));
        };
        if items.len() > max {
            return Err(DecodeError::invalid(
                field,
                format!("at most {max} entries"),
            ));
        }
        let objects = items.into_iter().map(|item| match item {
            Value::Object(object) => Ok(Fields(object)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(DecodeError::invalid(field, "a list of objects")),
        });
        objects.map(|object| read(object?)).collect()
    }

    /// A list of numbers that may be absent or null, at most `max` of them.
    pub fn numbers_opt(
        &mut self,
        field: &'static str,
        max: usize,
    ) -> Result<Option<Vec<u64>>, DecodeError> {
        let Some(value) = self.take_present(field) else {
            return Ok(None);
        };
        let numbers = value
            .as_array()
            .filter(|items| items.len() <= max)
            .and_then(|items| {
                items
                    .iter()
                    .map(Value::as_u64)
                    .collect::<Option<Vec<u64>>>()
            });
        let expected = || DecodeError::invalid(field, format!("a list of at most {max} numbers"));
        numbers.map(Some).ok_or_else(expected)
    }
}

fn bounded_text(
    field: &'static str,
    value: Value,
    chars: RangeInclusive<usize>,
) -> Result<String, DecodeError> {
    let Value::String(text) = value else {
        return Err(DecodeError::invalid(field, "a string"));
    };
    let count = if text.len() <= *chars.end() && *chars.start() <= 1 {
        usize::from(!text.is_empty())
    } else {
        text.chars().count()
    };
    if count < *chars.start() || count > *chars.end() {
        let reason = format!("{} to {} characters", chars.start(), chars.end());
        return Err(DecodeError::invalid(field, reason));
    }
    Ok(text)
}

fn bounded_number(
    field: &'static str,
    value: &Value,
    range: RangeInclusive<u64>,
) -> Result<u64, DecodeError> {
    value
        .as_u64()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            DecodeError::invalid(
                field,
                format!("a whole number from {} to {}", range.start(), range.end()),
            )
        })
}

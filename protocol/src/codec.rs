//! The envelope: one JSON object a frame, `{"id", "action", "data"}` from clients and
//! `{"id", "re", "action", "data"}` from servers.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::ClientCommand;
use crate::error_code::{DecodeError, ErrorBody};
use crate::fields::Fields;
use crate::id::RequestId;
use crate::strict_json;

/// A client's frame, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestFrame {
    /// The client's id of this request, which the reply names in `re`.
    pub id: Option<RequestId>,
    /// What the client asks for.
    pub command: ClientCommand,
}

/// A client's frame that could not be decoded, with its id where that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedFrame {
    /// The id to answer to.
    pub id: Option<RequestId>,
    /// The action's name, if it was a string; for logs only.
    pub action: Option<String>,
    /// What was wrong.
    pub error: DecodeError,
}

/// Decodes what a client sent.
pub fn decode_request(text: &str) -> Result<RequestFrame, Box<RejectedFrame>> {
    let reject = |id, action, error| Box::new(RejectedFrame { id, action, error });
    let mut envelope =
        strict_json::parse_object(text).map_err(|error| reject(None, None, error))?;
    let id = match envelope.get("id") {
        None | Some(Value::Null) => None,
        Some(value) => match RequestId::from_json(value) {
            Some(id) => Some(id),
            None => {
                let reason = "a number or a string of at most 64 bytes";
                return Err(reject(None, None, DecodeError::invalid("id", reason)));
            }
        },
    };
    let action = match envelope.remove("action") {
        Some(Value::String(action)) => action,
        None => return Err(reject(id, None, DecodeError::MissingField("action"))),
        Some(_) => return Err(reject(id, None, DecodeError::invalid("action", "a string"))),
    };
    // An unknown action is told as such, whatever its data look like.
    if !ClientCommand::is_known(&action) {
        return Err(reject(id, Some(action), DecodeError::UnknownAction));
    }
    let data = match envelope.remove("data") {
        Some(Value::Object(data)) => data,
        None if ClientCommand::needs_no_data(&action) => Map::new(),
        None => return Err(reject(id, Some(action), DecodeError::MissingField("data"))),
        Some(_) => {
            return Err(reject(
                id,
                Some(action),
                DecodeError::invalid("data", "an object"),
            ));
        }
    };
    match ClientCommand::decode(&action, Fields::new(data)) {
        Ok(command) => Ok(RequestFrame { id, command }),
        Err(error) => Err(reject(id, Some(action), error)),
    }
}

#[derive(Serialize)]
struct Outgoing<'a, T: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    re: Option<&'a RequestId>,
    action: &'a str,
    data: &'a T,
}

fn encode<T: Serialize>(outgoing: &Outgoing<'_, T>) -> String {
    serde_json::to_string(outgoing).expect("frames have string keys and no failing Serialize")
}

/// Encodes a client's request.
pub fn encode_request(id: &RequestId, command: &ClientCommand) -> String {
    #[derive(Serialize)]
    struct Request<'a> {
        id: &'a RequestId,
        action: &'a str,
        data: &'a ClientCommand,
    }
    let request = Request {
        id,
        action: command.action(),
        data: command,
    };
    serde_json::to_string(&request).expect("frames have string keys and no failing Serialize")
}

/// Encodes the reply to the request `re`.
pub fn encode_reply<T: Serialize>(re: Option<&RequestId>, action: &str, data: &T) -> String {
    encode(&Outgoing {
        id: None,
        re,
        action,
        data,
    })
}

/// Encodes an `error` frame.
pub fn encode_error(re: Option<&RequestId>, body: &ErrorBody) -> String {
    encode_reply(re, "error", body)
}

/// Encodes an event or a delivery; `id` is the server's id of the frame (a delivery has its
/// message's).
pub fn encode_event<T: Serialize>(id: Option<&str>, action: &str, data: &T) -> String {
    encode(&Outgoing {
        id,
        re: None,
        action,
        data,
    })
}

/// A delivery's frame as the sender's own connections get it: `clientId` is added at the end
/// of `data`. `frame` must come from [`encode_event`] with an object as data.
pub fn with_client_id(frame: &str, client_id: &crate::ClientId) -> String {
    let body = frame.strip_suffix("}}").unwrap_or(frame);
    format!("{body},\"clientId\":\"{}\"}}}}", client_id.as_str())
}

/// A server's frame, as a client reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFrame {
    /// The server's id of the frame.
    pub id: Option<RequestId>,
    /// The request that this answers; `None` for deliveries and events.
    pub re: Option<RequestId>,
    /// What it is.
    pub action: String,
    /// Its content.
    pub data: Value,
}

/// Decodes what a server sent; a tolerant reader that leaves unknown actions to its caller.
pub fn decode_server_frame(text: &str) -> Result<ServerFrame, DecodeError> {
    let mut envelope = strict_json::parse_object(text)?;
    let id = envelope.get("id").and_then(RequestId::from_json);
    let re = envelope.get("re").and_then(RequestId::from_json);
    let action = match envelope.remove("action") {
        Some(Value::String(action)) => action,
        None => return Err(DecodeError::MissingField("action")),
        Some(_) => return Err(DecodeError::invalid("action", "a string")),
    };
    let data = envelope.remove("data").unwrap_or(Value::Null);
    Ok(ServerFrame {
        id,
        re,
        action,
        data,
    })
}

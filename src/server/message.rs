//! A record as a viewer sees it.

use antiphon_core::contract::Record;
use antiphon_protocol::{ConversationId, Message, UserName};

/// Bytes of a message in JSON besides its text, roughly.
const ENVELOPE_BYTES: usize = 400;

/// At most so many bytes the message of a record takes in an answer, where JSON escapes make
/// up to six bytes of one.
pub(crate) fn encoded_bytes(record: &Record) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    ENVELOPE_BYTES + record.body.bytes().map(escaped).sum::<usize>()
}

/// The message of a record, with the conversation's name for `viewer`.
pub(crate) fn view(record: &Record, viewer: &UserName) -> Message {
    let room_name = match &record.conversation {
        ConversationId::Room(room) => room.to_string(),
        ConversationId::Direct(..) => String::new(),
    };
    Message {
        from: record.sender.clone(),
        room_name,
        message: record.body.clone(),
        ts: record.ts_ms,
        format: record.format.clone(),
        conversation: record.conversation.name_for(viewer),
        seq: record.seq,
        message_id: record.message_id.clone(),
        client_id: None,
    }
}

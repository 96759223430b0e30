//! A record as a viewer sees it.

use antiphon_core::contract::Record;
use antiphon_protocol::{ConversationId, Message, UserName};

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

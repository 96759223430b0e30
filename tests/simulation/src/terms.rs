//! Under which term each record was written. Clients are not told, so the store is asked.

use std::collections::HashMap;

use antiphon::torture::history::History;
use antiphon::torture::load::canonical;
use antiphon_core::contract::Record;
use antiphon_protocol::ConversationId;

/// Adds to what clients have read the term of each record.
pub(crate) fn tell(history: &mut History, records: &[Record]) {
    let place = |record: &Record| {
        let conversation = match &record.conversation {
            ConversationId::Room(room) => format!("room:{room}"),
            ConversationId::Direct(a, b) => canonical(a.as_str(), &format!("user:{b}")),
        };
        ((conversation, record.seq), record.epoch)
    };
    let terms: HashMap<(String, u64), u64> = records.iter().map(place).collect();
    for entry in &mut history.log {
        let place = (entry.conversation.clone(), entry.seq);
        entry.epoch = terms.get(&place).copied();
    }
}

//! A history, looked up: messages by their id, logs and streams by their conversation.

use std::collections::{BTreeMap, HashMap};

use super::stream::{self, Stream};
use crate::torture::history::{History, LogEntry, LogHead, Outcome};

/// A message with all attempts to send it.
#[derive(Debug)]
pub(super) struct Message<'h> {
    pub(super) conversation: &'h str,
    pub(super) user: &'h str,
    pub(super) session: u32,
    pub(super) number: u64,
    /// When it was first given to the client.
    pub(super) begin: u64,
    /// The first acknowledgment: its place and when it came.
    pub(super) acked: Option<(u64, u64)>,
    /// Later acknowledgments that named another place.
    pub(super) moved_to: Vec<u64>,
    pub(super) attempts: u32,
    /// The first attempt ended without an answer, so a retry may have come late.
    pub(super) late_retry: bool,
    /// Some attempt may have taken effect.
    pub(super) possible: bool,
}

impl Message<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        match (self.acked, self.possible) {
            (Some(_), _) => Outcome::Ok,
            (None, true) => Outcome::Unknown,
            (None, false) => Outcome::Refused,
        }
    }
}

/// A conversation as it was read back.
#[derive(Debug)]
pub(super) struct Log<'h> {
    pub(super) head: &'h LogHead,
    pub(super) entries: Vec<&'h LogEntry>,
    /// The first entry at each place.
    pub(super) by_seq: HashMap<u64, &'h LogEntry>,
}

impl<'h> Log<'h> {
    /// The message at a place.
    pub(super) fn id_at(&self, seq: u64) -> Option<&'h str> {
        self.by_seq.get(&seq).and_then(|entry| entry.id.as_deref())
    }

    /// The first place from `seq` on that holds a message, or is not known to hold none.
    pub(super) fn skip_marks(&self, mut seq: u64) -> u64 {
        let is_mark = |seq| {
            let entry = self.by_seq.get(&seq);
            entry.is_some_and(|entry| entry.id.is_none())
        };
        while seq < u64::MAX && is_mark(seq) {
            seq += 1;
        }
        seq
    }
}

/// The whole history, looked up.
#[derive(Debug)]
pub(super) struct Index<'h> {
    pub(super) history: &'h History,
    pub(super) messages: HashMap<&'h str, Message<'h>>,
    pub(super) logs: BTreeMap<&'h str, Log<'h>>,
    pub(super) streams: Vec<Stream<'h>>,
}

impl<'h> Index<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let logs = logs(history);
        let streams = stream::walk(history, &logs);
        Self {
            history,
            messages: messages(history),
            logs,
            streams,
        }
    }

    /// The id of what is at a place.
    pub(super) fn id_at(&self, conversation: &str, seq: u64) -> Option<&'h str> {
        self.logs.get(conversation).and_then(|log| log.id_at(seq))
    }
}

fn messages(history: &History) -> HashMap<&str, Message<'_>> {
    let mut messages: HashMap<&str, Message<'_>> = HashMap::new();
    for send in &history.sends {
        let message = messages.entry(&send.id).or_insert(Message {
            conversation: &send.conversation,
            user: &send.user,
            session: send.session,
            number: send.number,
            begin: send.begin,
            acked: None,
            moved_to: Vec::new(),
            attempts: 0,
            late_retry: false,
            possible: false,
        });
        message.begin = message.begin.min(send.begin);
        message.attempts += 1;
        match send.outcome {
            Outcome::Ok => {
                let place = (send.seq.unwrap_or_default(), send.end);
                match message.acked {
                    None => message.acked = Some(place),
                    Some((seq, _)) if seq != place.0 => message.moved_to.push(place.0),
                    Some(_) => {}
                }
                message.possible = true;
            }
            Outcome::Unknown => {
                message.possible = true;
                message.late_retry |= message.acked.is_none();
            }
            Outcome::Refused => message.late_retry |= message.acked.is_none(),
        }
    }
    messages
}

fn logs(history: &History) -> BTreeMap<&str, Log<'_>> {
    let mut logs: BTreeMap<&str, Log<'_>> = BTreeMap::new();
    for head in &history.heads {
        logs.entry(&head.conversation).or_insert(Log {
            head,
            entries: Vec::new(),
            by_seq: HashMap::new(),
        });
    }
    for entry in &history.log {
        if let Some(log) = logs.get_mut(entry.conversation.as_str()) {
            log.entries.push(entry);
            log.by_seq.entry(entry.seq).or_insert(entry);
        }
    }
    logs
}

//! Logs in memory, with their two unique keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use antiphon_core::contract::{AppendOutcome, Extent, Record, RecordKind, SeqRange, Tail, Trimmed};
use antiphon_core::mutant::{self, Mutant};
use antiphon_core::words::{index_tokens, query_tokens};
use antiphon_protocol::{ClientId, ConversationId, UserName};

/// Logs that one call looks at for records to remove.
const TRIM_LOGS_MAX: usize = 64;

/// One log; never empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    records: BTreeMap<u64, Arc<Record>>,
    by_client_id: BTreeMap<(UserName, ClientId), u64>,
}

/// All logs, by the conversations' keys.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Logs(BTreeMap<String, Log>);

impl Log {
    pub(super) fn tail(&self) -> Tail {
        let last = self.records.last_key_value();
        last.map_or(Tail { seq: 0, epoch: 0 }, |(seq, record)| Tail {
            seq: *seq,
            epoch: record.epoch,
        })
    }

    pub(super) fn extent(&self) -> Extent {
        let first = self.records.first_key_value();
        Extent {
            first: first.map_or(0, |(seq, _)| *seq),
            last: self.tail().seq,
        }
    }

    pub(super) fn range(&self, window: SeqRange, limit: usize, newest_first: bool) -> Vec<Record> {
        if window.from > window.to {
            return Vec::new();
        }
        let window = self.records.range(window.from..=window.to);
        let records = window.map(|(_, record)| Record::clone(record));
        if !newest_first {
            return records.take(limit).collect();
        }
        let mut newest: Vec<Record> = records.rev().take(limit).collect();
        newest.reverse();
        newest
    }

    pub(super) fn seq_at(&self, ts_ms: u64) -> Option<u64> {
        let mut records = self.records.values();
        let found = records.find(|record| record.ts_ms >= ts_ms)?;
        Some(found.seq)
    }

    pub(super) fn find(&self, sender: &UserName, client_id: &ClientId) -> Option<&Record> {
        // The known mistake: the log does not know client ids.
        if mutant::is_on(Mutant::NoDedupeKey) {
            return None;
        }
        let seq = self
            .by_client_id
            .get(&(sender.clone(), client_id.clone()))?;
        self.records.get(seq).map(|record| &**record)
    }

    pub(super) fn unread(&self, viewer: &UserName, after_seq: u64) -> u64 {
        let behind = (Bound::Excluded(after_seq), Bound::Unbounded);
        let of_others =
            |record: &Record| record.kind == RecordKind::Chat && record.sender != *viewer;
        let behind = self.records.range(behind);
        behind.filter(|(_, record)| of_others(record)).count() as u64
    }

    fn append(&mut self, record: &Record) -> AppendOutcome {
        if let Some(existing) = self.find(&record.sender, &record.client_id) {
            return AppendOutcome::DuplicateClientId(Box::new(existing.clone()));
        }
        let tail = self.tail();
        // Only the next sequence is free: one beyond it would leave a hole.
        if tail.seq.checked_add(1) != Some(record.seq) {
            return AppendOutcome::SequenceTaken(tail);
        }
        let client_id = (record.sender.clone(), record.client_id.clone());
        self.by_client_id.insert(client_id, record.seq);
        self.records.insert(record.seq, Arc::new(record.clone()));
        AppendOutcome::Stored
    }

    /// How many of the first records are older, the newest never.
    fn doomed(&self, before_ms: u64) -> usize {
        let records = self.records.values();
        let old = records.take_while(|record| record.ts_ms < before_ms);
        old.count().min(self.records.len() - 1)
    }

    fn remove_first(&mut self) {
        let Some((seq, record)) = self.records.pop_first() else {
            return;
        };
        let client_id = (record.sender.clone(), record.client_id.clone());
        if self.by_client_id.get(&client_id) == Some(&seq) {
            self.by_client_id.remove(&client_id);
        }
    }

    /// The chat records, each with the latest time up to it.
    fn chat(&self) -> impl Iterator<Item = (u64, &Record)> {
        let records = self.records.values().scan(0, |latest, record| {
            *latest = record.ts_ms.max(*latest);
            Some((*latest, &**record))
        });
        records.filter(|(_, record)| record.kind == RecordKind::Chat)
    }
}

impl Logs {
    pub(super) fn get(&self, key: &str) -> Option<&Log> {
        self.0.get(key)
    }

    pub(super) fn append(&mut self, records: &[Record]) -> Vec<AppendOutcome> {
        let mut ended = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            let key = record.conversation.key();
            if ended.contains(&key) {
                outcomes.push(AppendOutcome::NotTried);
                continue;
            }
            let log = self.0.entry(key.clone()).or_default();
            let outcome = log.append(record);
            if log.records.is_empty() {
                self.0.remove(&key);
            }
            if outcome != AppendOutcome::Stored {
                ended.insert(key);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    pub(super) fn direct_conversations(&self, user: &UserName) -> Vec<ConversationId> {
        let conversations = self
            .0
            .keys()
            .filter_map(|key| ConversationId::from_key(key));
        let direct = conversations.filter(|conversation| conversation.peer_of(user).is_some());
        direct.collect()
    }

    pub(super) fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> Vec<Record> {
        let wanted = query_tokens(text);
        if wanted.is_empty() {
            return Vec::new();
        }
        let has_all = |record: &Record| {
            let words: BTreeSet<String> = index_tokens(&record.body).into_iter().collect();
            wanted.iter().all(|word| words.contains(word))
        };
        let keys: BTreeSet<String> = conversations.iter().map(ConversationId::key).collect();
        let logs = keys.iter().filter_map(|key| self.0.get_key_value(key));
        let chat =
            logs.flat_map(|(key, log)| log.chat().map(move |(at, record)| (at, key, record)));
        let mut hits: Vec<_> = chat.filter(|(.., record)| has_all(record)).collect();
        hits.sort_by(|a, b| (b.0, b.1, b.2.seq).cmp(&(a.0, a.1, a.2.seq)));
        let hits = hits.into_iter().take(limit);
        hits.map(|(.., record)| record.clone()).collect()
    }

    pub(super) fn since(&self, ts_ms: u64, limit: usize) -> Vec<Record> {
        let chat = self
            .0
            .values()
            .flat_map(Log::chat)
            .map(|(_, record)| record);
        let mut found: Vec<&Record> = chat.filter(|record| record.ts_ms >= ts_ms).collect();
        let place = |record: &Record| (record.ts_ms, record.conversation.key(), record.seq);
        found.sort_by_cached_key(|record| std::cmp::Reverse(place(record)));
        found.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn trim(&mut self, before_ms: u64, after: &str, limit: usize) -> Trimmed {
        let (mut removed, mut done) = (0, after.to_owned());
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let mut looked_at = 0;
        for (key, log) in self.0.range_mut::<str, _>(behind).take(TRIM_LOGS_MAX) {
            let doomed = log.doomed(before_ms);
            let room = limit - removed;
            (0..doomed.min(room)).for_each(|_| log.remove_first());
            removed += doomed.min(room);
            if doomed > room {
                return Trimmed {
                    removed: removed as u64,
                    next: Some(done),
                };
            }
            (looked_at, done) = (looked_at + 1, key.clone());
        }
        Trimmed {
            removed: removed as u64,
            next: (looked_at == TRIM_LOGS_MAX).then_some(done),
        }
    }

    /// Every record, by key and sequence.
    pub(in super::super) fn records(&self) -> Vec<Record> {
        let records = self.0.values().flat_map(|log| log.records.values());
        records.map(|record| Record::clone(record)).collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.0.values().map(|log| log.records.len() as u64).sum()
    }
}

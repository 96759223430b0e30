//! Stores batches through the archive's own append, a few at a time.
//!
//! Each batch is numbered on the assumption that nobody else writes and that the ones before
//! it are stored. Where that is wrong the archive refuses, since it leaves no hole: then what
//! is under way is waited for, and the rest is numbered anew.

use std::collections::BTreeMap;
use std::pin::Pin;

use antiphon_core::contract::{AppendOutcome, BackendResult, Record, Tail};
use futures_util::stream::{FuturesOrdered, StreamExt};

use crate::feed::Item;
use crate::options::{SeedError, Stores};
use crate::world::{SEED_EPOCH, World};

/// Batches under way.
const IN_FLIGHT_MAX: usize = 3;
/// How often in a row others may take the place of the next record.
const TRIES_MAX: u32 = 20;

type Answer<'s> = Pin<Box<dyn Future<Output = BackendResult<Vec<AppendOutcome>>> + Send + 's>>;

/// Stores batches.
pub(crate) struct Appender<'s> {
    stores: &'s Stores,
    world: &'s World,
    /// The top of each conversation, as far as known.
    tops: Vec<Option<Tail>>,
    /// What is under way, in order: the records and the archive's answer.
    sent: FuturesOrdered<Pin<Box<dyn Future<Output = Sent> + Send + 's>>>,
    pub(crate) made: u64,
    pub(crate) there: u64,
}

struct Sent {
    items: Vec<Item>,
    outcomes: BackendResult<Vec<AppendOutcome>>,
}

impl<'s> Appender<'s> {
    pub(crate) fn new(stores: &'s Stores, world: &'s World) -> Self {
        Self {
            stores,
            world,
            tops: vec![None; world.talks.len()],
            sent: FuturesOrdered::new(),
            made: 0,
            there: 0,
        }
    }

    /// Stores a batch, at the latest by [`Appender::finish`].
    pub(crate) async fn add(&mut self, mut items: Vec<Item>) -> Result<(), SeedError> {
        self.number(&mut items).await?;
        let answer = self.send(&items);
        self.sent.push_back(Box::pin(async move {
            let outcomes = answer.await;
            Sent { items, outcomes }
        }));
        while self.sent.len() >= IN_FLIGHT_MAX {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Waits for everything that is under way.
    pub(crate) async fn finish(&mut self) -> Result<(), SeedError> {
        while !self.sent.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    fn send(&self, items: &[Item]) -> Answer<'s> {
        let records: Vec<Record> = items.iter().map(|(_, record)| record.clone()).collect();
        self.stores.archive.append(records)
    }

    /// Gives the records the next places of their conversations.
    async fn number(&mut self, items: &mut [Item]) -> Result<(), SeedError> {
        for (place, record) in items {
            let top = match self.tops[*place] {
                Some(top) => top,
                None => self.look(*place).await?,
            };
            record.seq = top.seq + 1;
            record.epoch = top.epoch;
            self.tops[*place] = Some(Tail {
                seq: record.seq,
                ..top
            });
        }
        Ok(())
    }

    async fn look(&self, place: usize) -> Result<Tail, SeedError> {
        let conversation = &self.world.talks[place].conversation;
        let tail = self.stores.archive.tail(conversation).await?;
        Ok(tail.unwrap_or(Tail {
            seq: 0,
            epoch: SEED_EPOCH,
        }))
    }

    async fn settle_first(&mut self) -> Result<(), SeedError> {
        let Some(first) = self.sent.next().await else {
            return Ok(());
        };
        let mut left = self.count(first)?;
        if left.is_empty() {
            return Ok(());
        }
        while let Some(sent) = self.sent.next().await {
            left.extend(self.count(sent)?);
        }
        self.retry(left).await
    }

    /// Counts what is stored; returns what is not, in order.
    fn count(&mut self, sent: Sent) -> Result<Vec<Item>, SeedError> {
        let outcomes = sent.outcomes?;
        if outcomes.len() != sent.items.len() {
            return Err(SeedError::Contract {
                operation: "message_archive.append",
            });
        }
        let mut left = Vec::new();
        for (item, outcome) in sent.items.into_iter().zip(outcomes) {
            match outcome {
                AppendOutcome::Stored => self.made += 1,
                AppendOutcome::DuplicateClientId(_) => self.there += 1,
                AppendOutcome::SequenceTaken(_) | AppendOutcome::NotTried => left.push(item),
            }
        }
        Ok(left)
    }

    /// Numbers records anew and stores them, again and again while others come between.
    async fn retry(&mut self, mut left: Vec<Item>) -> Result<(), SeedError> {
        let mut tries = 0;
        while let Some((place, _)) = left.first() {
            if tries == TRIES_MAX {
                return Err(SeedError::Contended {
                    conversation: self.world.talks[*place].conversation.key(),
                });
            }
            let places: BTreeMap<usize, ()> = left.iter().map(|(place, _)| (*place, ())).collect();
            for place in places.into_keys() {
                self.tops[place] = None;
            }
            let before = left.len();
            self.number(&mut left).await?;
            let outcomes = self.send(&left).await;
            left = self.count(Sent {
                items: left,
                outcomes,
            })?;
            tries = if left.len() < before { 0 } else { tries + 1 };
        }
        // What was refused has left the tops wrong that the next batch would use.
        self.tops.fill(None);
        Ok(())
    }
}

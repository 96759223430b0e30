//! Writes the messages of all conversations, oldest first over all of them, on a thread of
//! its own. So the store's indexes grow at their ends, and an interrupted set is whole up to
//! a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use antiphon_core::contract::Record;
use antiphon_core::task;
use tokio::sync::mpsc;

use crate::conversation::{Conversation, There};
use crate::mark::Mark;
use crate::options::SeedOptions;
use crate::world::World;

/// Batches that wait to be stored.
const BATCHES_WAITING: usize = 2;

/// A record and the place of its conversation among the set's.
pub(crate) type Item = (usize, Record);

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) world: Arc<World>,
    pub(crate) options: SeedOptions,
    pub(crate) mark: Mark,
    /// What is there of each conversation.
    pub(crate) there: Vec<There>,
    pub(crate) now_ms: u64,
}

impl Feed {
    /// Starts the thread. It ends when all is written, or when nobody listens any more.
    pub(crate) fn start(self) -> (mpsc::Receiver<Vec<Item>>, impl Future<Output = bool>) {
        let (batches, batches_rx) = mpsc::channel(BATCHES_WAITING);
        let end = task::blocking(move || self.write(&batches));
        (batches_rx, async { end.await.is_some() })
    }

    fn write(&self, batches: &mpsc::Sender<Vec<Item>>) {
        let talks = self.world.talks.iter().zip(&self.there);
        let mut conversations: Vec<Conversation<'_>> = talks
            .map(|(talk, &there)| {
                let (world, options) = (&self.world, &self.options);
                Conversation::behind(world, talk, options, self.mark, there, self.now_ms)
            })
            .collect();
        let mut heads: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for (place, conversation) in conversations.iter_mut().enumerate() {
            heads.extend(conversation.next_ms().map(|ts_ms| Reverse((ts_ms, place))));
        }
        let mut batch: Vec<Item> = Vec::new();
        while let Some(Reverse((_, place))) = heads.pop() {
            let conversation = &mut conversations[place];
            batch.extend(conversation.next().map(|record| (place, record)));
            heads.extend(conversation.next_ms().map(|ts_ms| Reverse((ts_ms, place))));
            if batch.len() >= self.options.batch_max
                && batches.blocking_send(std::mem::take(&mut batch)).is_err()
            {
                return;
            }
        }
        if !batch.is_empty() {
            // Nobody listens if the run was given up.
            let _ = batches.blocking_send(batch);
        }
    }
}

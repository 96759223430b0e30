//! What a set's messages carry in their client ids: which set, anchored when, which
//! conversation, which message. So a later run finds what is there, and goes on with the
//! anchor of the first one.

use antiphon_core::contract::SeqRange;
use antiphon_protocol::ClientId;

use crate::conversation::There;
use crate::options::{SeedError, SeedOptions, Stores};
use crate::random::Random;
use crate::schedule::Calendar;
use crate::world::Talk;

const MINUTE_MS: u64 = 60_000;
/// Records in one look at what others wrote behind the set's.
const PAGE: usize = 500;

/// A set of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    set: u32,
    anchor_minutes: u64,
}

impl Mark {
    /// The set that the options describe, ending at the minute of `now_ms`.
    pub(crate) fn new(options: &SeedOptions, now_ms: u64) -> Self {
        // The number of messages and the days are not in it: a larger set goes on behind a
        // smaller one.
        let mut path = vec![u64::from(options.users), u64::from(options.rooms)];
        path.extend(options.languages.iter().map(|&language| language as u64));
        let drawn = Random::new(options.seed, &path).next() >> 32;
        Self {
            set: u32::try_from(drawn).expect("32 bits"),
            anchor_minutes: now_ms / MINUTE_MS,
        }
    }

    /// The end of the set, in milliseconds since 1970.
    pub(crate) fn anchor_ms(self) -> u64 {
        self.anchor_minutes * MINUTE_MS
    }

    /// The days that the set is spread over.
    pub(crate) fn calendar(self, options: &SeedOptions) -> Calendar {
        Calendar::new(self.anchor_ms(), options.days)
    }

    /// Draws what only ids need.
    pub(crate) fn key(self) -> u64 {
        u64::from(self.set)
    }

    /// The client id of a message.
    pub(crate) fn client_id(self, talk: u64, index: u64) -> String {
        let Self {
            set,
            anchor_minutes,
        } = self;
        format!("seed-{set:08x}-{anchor_minutes:x}-{talk}-{index}")
    }

    /// The anchor and the index in a client id of this set and conversation.
    fn read(self, talk: u64, id: &ClientId) -> Option<(Self, usize)> {
        let mut parts = id.as_str().split('-');
        let set = u32::from_str_radix(parts.nth(1)?, 16).ok()?;
        let anchor_minutes = u64::from_str_radix(parts.next()?, 16).ok()?;
        let is_of_talk = parts.next()?.parse() == Ok(talk);
        let index = parts.next()?.parse().ok()?;
        let is_own = set == self.set && is_of_talk && id.as_str().starts_with("seed-");
        is_own.then_some((
            Self {
                set,
                anchor_minutes,
            },
            index,
        ))
    }

    /// How much of a conversation is in the archive, and the mark that it carries. Messages
    /// of the set were written in order, so what is there is the beginning; others may have
    /// written behind.
    pub(crate) async fn find(
        self,
        stores: &Stores,
        talk: &Talk,
    ) -> Result<Option<(Self, There)>, SeedError> {
        let extent = stores.archive.extent(&talk.conversation).await?;
        let (mut to, mut page) = (extent.last, 1);
        while to > 0 && to >= extent.first {
            let window = SeqRange {
                from: extent.first,
                to,
            };
            let records = stores
                .archive
                .range(&talk.conversation, window, page, true)
                .await?;
            let Some(oldest) = records.first() else {
                break;
            };
            to = oldest.seq - 1;
            page = PAGE;
            for record in records.iter().rev() {
                if let Some((mark, messages)) = self.read(talk.number, &record.client_id) {
                    let there = There {
                        messages,
                        last_ms: record.ts_ms,
                    };
                    return Ok(Some((mark, there)));
                }
            }
        }
        Ok(None)
    }
}

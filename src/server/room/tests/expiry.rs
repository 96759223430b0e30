//! What is older than messages are kept is shown no more, though a cache has it.

use antiphon_core::contract::Record;
use antiphon_protocol::ConversationId;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::limits::RECENT_MAX;

use super::*;
use crate::server::tests::support::{record, until};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn seqs(recent: &[Message]) -> Vec<u64> {
    recent.iter().map(|message| message.seq).collect()
}

#[tokio::test]
async fn a_joiner_sees_nothing_that_is_too_old() {
    let top = RECENT_MAX as u64;
    for (keep, shown) in [(None, (1..=top).collect()), (Some(DAY), vec![top])] {
        let mut f = fixture().await;
        f.settings.retention = keep;
        f.stores
            .add_room(HALL, Visibility::Public, &["alice"])
            .await;
        let hall = ConversationId::Room(room(HALL));
        let old: Vec<Record> = (1..=top)
            .map(|seq| record(&hall, seq, 1, &format!("old-{seq}")))
            .collect();
        f.backends.archive.append(old.clone()).await.unwrap();
        f.backends.recent.push(&old).await.unwrap();
        let (_term, mut link) = f.led(&["alice"]).await;
        if keep.is_some() {
            until("the old ones gone", async || {
                let extent = f.backends.archive.extent(&hall).await.unwrap();
                (extent.first == top).then_some(())
            })
            .await;
        }
        let (last_seq, recent) = link.join("bob").await;
        assert_eq!((last_seq, seqs(&recent)), (top, shown));
        // Behind the mark of the term the newest of the old is not the newest any more.
        let said = link.chat("alice", "new").await.seq;
        assert_eq!(said, top + 2);
        let (_, recent) = link.join("carol").await;
        if keep.is_some() {
            assert_eq!(seqs(&recent), [said]);
        } else {
            assert_eq!(recent.len(), RECENT_MAX);
        }
    }
}

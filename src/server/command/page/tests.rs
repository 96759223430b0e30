use antiphon_protocol::RoomName;

use super::*;
use crate::server::tests::support::{record, stores};

const RECORDS: u64 = 200;

/// Whatever the budget and the direction: the end that was asked for, without a hole, enough
/// to spend the budget, and not much more.
#[tokio::test]
async fn a_page_is_read_in_steps_that_end_where_its_budget_does() {
    let stores = stores().await;
    let archive = &stores.backends.archive;
    let garden = ConversationId::Room(RoomName::parse("garden").unwrap());
    let records = (1..=RECORDS).map(|seq| {
        let mut record = record(&garden, seq, 1, &format!("client-{seq}"));
        record.body = "x".repeat(seq as usize * 20);
        record
    });
    archive.append(records.collect()).await.unwrap();

    let window = SeqRange { from: 3, to: 150 };
    let in_window = archive.range(&garden, window, 500, false).await.unwrap();
    for newest_first in [false, true] {
        for budget in [0, 1, 5_000, 30_000, 100_000, usize::MAX] {
            let read = read_steps(archive, &garden, window, newest_first, budget).await;
            let read = read.unwrap().expect("nothing was removed");
            let bytes: usize = read.iter().map(encoded_bytes).sum();
            let expected = if newest_first {
                &in_window[in_window.len() - read.len()..]
            } else {
                &in_window[..read.len()]
            };
            assert!(read == expected, "{newest_first} {budget}");
            assert!(bytes >= budget || read.len() == in_window.len());
            let step_max = PAGE_STEP_MAX as usize * encoded_bytes(&in_window[147]);
            assert!(bytes < budget.saturating_add(step_max));
        }
    }

    archive.trim(u64::MAX, "", 100).await.unwrap();
    for newest_first in [false, true] {
        let read = read_steps(archive, &garden, window, newest_first, usize::MAX).await;
        assert_eq!(read.unwrap(), None, "its beginning is gone");
    }
}

#[test]
fn the_next_step_is_what_should_fill_the_budget() {
    assert_eq!(step(0, 0, 1_000), PAGE_STEP_FIRST);
    assert_eq!(step(10, 500, 1_000), 11);
    assert_eq!(step(10, 500, 500), 1);
    assert_eq!(step(10, 0, 7), 8);
    assert_eq!(step(10, 10, usize::MAX), PAGE_STEP_MAX);
}

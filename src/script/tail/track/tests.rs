//! Tests.

use antiphon_protocol::{MessageId, UserName};
use proptest::prelude::*;

use super::*;

fn message(seq: u64) -> Message {
    Message {
        from: UserName::parse("alice").unwrap(),
        room_name: "garden".to_owned(),
        message: format!("text {seq}"),
        ts: seq,
        format: "text".to_owned(),
        conversation: "room:garden".to_owned(),
        seq,
        message_id: MessageId(seq.to_string()),
        client_id: None,
    }
}

/// A server's log: some places are sealed, those before `first` are gone.
struct Log {
    top: u64,
    first: u64,
    sealed: Vec<u64>,
}

impl Log {
    fn page(&self, after: u64, limit: u64) -> Page {
        let low = (after + 1).max(self.first);
        let high = self.top.min(low + limit - 1);
        let (sealed, told): (Vec<u64>, Vec<u64>) =
            (low..=high).partition(|seq| self.sealed.contains(seq));
        Page {
            conversation: "room:garden".to_owned(),
            messages: told.into_iter().map(message).collect(),
            sealed,
            complete: low == after + 1,
            more: high < self.top,
            first_available_seq: self.first,
            last_seq: self.top,
        }
    }

    fn expected(&self, since: u64, to: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.first > since + 1 {
            let (from, to) = (since + 1, self.first - 1);
            steps.push(Step::Gap { from, to });
        }
        let rest = (since + 1).max(self.first)..=to;
        let rest = rest.filter(|seq| !self.sealed.contains(seq));
        steps.extend(rest.map(|seq| Step::Message(Box::new(message(seq)))));
        steps
    }
}

#[test]
fn live_messages_pass_and_doubles_do_not() {
    let mut track = Track::new(7, 7);
    assert_eq!(track.lacks(), None);
    assert_eq!(track.message(message(8)).len(), 1);
    assert_eq!(track.message(message(8)), []);
    assert_eq!(track.message(message(3)), []);
    assert_eq!(track.lacks(), None);
    assert_eq!(track.message(message(10)), []);
    assert_eq!(track.lacks(), Some(8));
    let log = Log {
        top: 10,
        first: 1,
        sealed: vec![9],
    };
    let steps = track.page(log.page(8, 500));
    assert_eq!(steps, [Step::Message(Box::new(message(10)))]);
    assert_eq!(track.lacks(), None);
}

#[test]
fn what_is_gone_for_good_is_told_once() {
    let log = Log {
        top: 9,
        first: 5,
        sealed: Vec::new(),
    };
    let mut track = Track::new(2, 9);
    assert_eq!(track.page(log.page(2, 500)), log.expected(2, 9));
    // Everything is gone.
    let mut track = Track::new(2, 4);
    let nothing = Page {
        messages: Vec::new(),
        complete: false,
        first_available_seq: 0,
        last_seq: 4,
        ..log.page(4, 1)
    };
    assert_eq!(track.page(nothing), [Step::Gap { from: 3, to: 4 }]);
    assert_eq!(track.lacks(), None);
}

proptest! {
    /// Whatever comes when: each message once, in order, none left out.
    #[test]
    fn every_message_once_and_in_order(
        since in 0_u64..20,
        known in 20_u64..40,
        later in 0_u64..700,
        first in 1_u64..15,
        sealed in proptest::collection::vec(1_u64..700, 0..6),
        limit in 1_u64..50,
        moves in proptest::collection::vec((any::<bool>(), 1_u64..40), 0..80),
    ) {
        let mut log = Log { top: known, first, sealed };
        let end = known + later;
        let mut track = Track::new(since, known);
        let mut steps = Vec::new();
        let mut asked = None;
        for (fetches, many) in moves {
            if fetches {
                // A page is laid out when it is asked for, and comes after what was live since.
                if let Some(page) = asked.take() {
                    steps.extend(track.page(page));
                }
                asked = track.lacks().map(|after| log.page(after, limit));
            } else {
                for _ in 0..many {
                    if log.top < end {
                        log.top += 1;
                        if !log.sealed.contains(&log.top) {
                            steps.extend(track.message(message(log.top)));
                        }
                    }
                }
            }
        }
        if let Some(page) = asked.take() {
            steps.extend(track.page(page));
        }
        track.reaches(log.top);
        while let Some(after) = track.lacks() {
            let page = log.page(after, limit);
            prop_assert!(!page.messages.is_empty() || !page.sealed.is_empty());
            steps.extend(track.page(page));
        }
        prop_assert_eq!(steps, log.expected(since, log.top));
    }
}

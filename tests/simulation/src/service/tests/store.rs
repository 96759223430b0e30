//! What the store does when it crashes, is away, full or slow.

use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Tail, UserRecord};
use antiphon_core::mutant::{self, Mutant};

use super::{append, hall, heal, is_stored, millis, on_a_host, said, seconds, texts, timed, user};
use crate::service::{Link, Service};

#[test]
fn a_crash_loses_exactly_what_was_not_synced() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        assert_eq!(append(&a, 1, "acked").await.unwrap(), AppendOutcome::Stored);
        faults.set_store_sync(Some(seconds(1)..=seconds(1)));
        // Synced, though its sender never heard of it.
        faults.set_link("mute", Service::Store, Link::OneWay);
        let mute = services.backends("mute");
        assert!(append(&mute, 2, "synced").await.is_err());
        let crashing = async {
            clock::sleep(millis(500)).await;
            faults.crash_store();
        };
        let ((lost, took), ()) = tokio::join!(timed(append(&a, 3, "lost")), crashing);
        assert_eq!(lost.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!(
            took < seconds(2),
            "told that the connection broke: {took:?}"
        );
        assert_eq!(texts(&services), ["acked", "synced"]);
        let (away, took) = timed(append(&a, 3, "later")).await;
        assert_eq!(away.unwrap_err().kind, BackendErrorKind::Unavailable);
        assert!(took < millis(20), "{took:?}");
        heal(&services).await;
        let tail = a.archive.tail(&hall()).await.unwrap();
        assert_eq!(tail, Some(Tail { seq: 2, epoch: 1 }));
        assert!(!is_stored(&a, "lost").await);
        // Neither of its keys is taken.
        assert_eq!(append(&a, 3, "lost").await.unwrap(), AppendOutcome::Stored);
        assert_eq!(texts(&services), ["acked", "synced", "lost"]);
    });
}

#[test]
fn an_orderly_stop_loses_nothing_and_answers_nobody() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(seconds(1)..=seconds(1)));
        let stopping = async {
            clock::sleep(millis(500)).await;
            faults.stop_store();
        };
        let (unknown, ()) = tokio::join!(append(&a, 1, "one"), stopping);
        assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        let away = append(&a, 2, "two").await.unwrap_err();
        assert_eq!(away.kind, BackendErrorKind::Unavailable);
        heal(&services).await;
        assert!(is_stored(&a, "one").await);
    });
}

/// What the store was about to sync does not hold up what comes after the crash.
#[test]
fn a_restarted_store_is_as_fast_as_before() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(seconds(60)..=seconds(60)));
        assert!(append(&a, 1, "lost").await.is_err());
        faults.crash_store();
        heal(&services).await;
        let (stored, took) = timed(append(&a, 1, "one")).await;
        assert_eq!(stored.unwrap(), AppendOutcome::Stored);
        assert!(took < millis(50), "{took:?}");
    });
}

/// At whatever moment the crash comes: what was acked is there, and the log has no hole.
#[test]
fn what_was_acked_survives_every_crash() {
    for seed in 0..20 {
        super::seeded(seed, async move |services| {
            let (faults, a) = (services.faults(), services.backends("a"));
            faults.set_store_sync(Some(millis(1)..=millis(40)));
            let (mut acked, mut lost) = (Vec::new(), 0);
            for round in 0..30 {
                let tail = a.archive.tail(&hall()).await.unwrap();
                let next = tail.map_or(1, |tail| tail.seq + 1);
                let crashing = async {
                    clock::sleep(millis(round * 2)).await;
                    faults.crash_store();
                    clock::sleep(millis(5)).await;
                    faults.restart_store();
                };
                let text = format!("round{round}");
                let (told, ()) = tokio::join!(append(&a, next, &text), crashing);
                clock::sleep(seconds(1)).await;
                match told {
                    Ok(AppendOutcome::Stored) => acked.push(text),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => lost += u64::from(!is_stored(&a, &text).await),
                }
            }
            let log = texts(&services);
            assert!(acked.iter().all(|text| log.contains(text)), "{acked:?}");
            assert!(!acked.is_empty() && lost > 0, "{acked:?} {lost}");
            let seqs: Vec<u64> = services.records().iter().map(|r| r.seq).collect();
            assert_eq!(seqs, (1..=log.len() as u64).collect::<Vec<_>>());
        });
    }
}

#[test]
fn reads_see_what_is_durable_and_nothing_else() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(seconds(8)..=seconds(8)));
        let (unknown, _) = timed(append(&a, 1, "slow")).await;
        assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!(!is_stored(&a, "slow").await);
        assert_eq!(a.archive.tail(&hall()).await.unwrap(), None);
        clock::sleep(seconds(4)).await;
        assert!(is_stored(&a, "slow").await);
    });
}

/// An answer that rests on what others have written waits for that, too.
#[test]
fn a_refusal_is_told_when_what_refuses_is_durable() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(seconds(1)..=seconds(1)));
        let second = async {
            clock::sleep(millis(100)).await;
            faults.set_store_sync(None);
            timed(append(&a, 1, "second")).await
        };
        let (first, (second, took)) = tokio::join!(append(&a, 1, "first"), second);
        assert_eq!(first.unwrap(), AppendOutcome::Stored);
        let taken = AppendOutcome::SequenceTaken(Tail { seq: 1, epoch: 1 });
        assert_eq!(second.unwrap(), taken);
        assert!(took > millis(850), "{took:?}");
    });
}

#[test]
fn a_full_store_refuses_writes_and_reads_on() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        append(&a, 1, "one").await.unwrap();
        faults.set_store_full(true);
        let refused = append(&a, 2, "two").await.unwrap_err();
        assert_eq!(refused.kind, BackendErrorKind::Unavailable);
        let ann = UserRecord {
            name: user("ann"),
            password_hash: None,
            created_at_ms: 0,
        };
        let refused = a.users.create(ann).await.unwrap_err();
        assert_eq!(refused.kind, BackendErrorKind::Unavailable);
        let read_on = a
            .rooms
            .set_read(&user("ann"), &hall(), 1)
            .await
            .unwrap_err();
        assert_eq!(read_on.kind, BackendErrorKind::Unavailable);
        assert!(is_stored(&a, "one").await);
        faults.heal();
        assert_eq!(append(&a, 2, "two").await.unwrap(), AppendOutcome::Stored);
        assert_eq!(a.users.count().await.unwrap(), 0);
    });
}

#[test]
fn the_log_keeps_its_name_over_a_crash() {
    on_a_host(async |services| {
        let a = services.backends("a");
        let name = a.archive.log_id();
        services.faults().crash_store();
        services.faults().restart_store();
        assert_eq!(a.archive.log_id(), name);
        assert_eq!(services.backends("b").archive.log_id(), name);
        let others = super::super::Services::new(8, super::ServiceSettings::default());
        assert_ne!(others.backends("a").archive.log_id(), name);
    });
}

#[test]
fn the_mutant_that_acks_before_the_commit_loses_what_it_acked() {
    on_a_host(async |services| {
        let _on = mutant::switch(Mutant::AckBeforeCommit);
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(seconds(1)..=seconds(1)));
        let (stored, took) = timed(append(&a, 1, "acked")).await;
        assert_eq!(stored.unwrap(), AppendOutcome::Stored);
        assert!(took < millis(50), "{took:?}");
        faults.crash_store();
        faults.restart_store();
        assert!(!is_stored(&a, "acked").await);
    });
}

#[test]
fn the_mutant_without_a_dedupe_key_stores_twice() {
    on_a_host(async |services| {
        let on = mutant::switch(Mutant::NoDedupeKey);
        let a = services.backends("a");
        for seq in [1, 2] {
            assert_eq!(
                append(&a, seq, "same").await.unwrap(),
                AppendOutcome::Stored
            );
        }
        assert!(!is_stored(&a, "same").await);
        drop(on);
        assert_eq!(texts(&services), ["same", "same"]);
        let again = append(&a, 3, "same").await.unwrap();
        let first = Box::new(said(2, "same"));
        assert_eq!(again, AppendOutcome::DuplicateClientId(first));
    });
}

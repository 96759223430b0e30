//! What the states of a link do to calls.

use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Tail};

use super::{append, heal, is_stored, millis, on_a_host, seconds, simulation, texts, timed};
use crate::service::{Link, Service, ServiceSettings, Services};

const STORE: Service = Service::Store;

#[test]
fn what_is_cut_never_arrives_and_is_waited_for() {
    on_a_host(async |services| {
        let (faults, cut) = (services.faults(), services.backends("cut"));
        let other = services.backends("other");
        faults.set_link("cut", STORE, Link::Cut);
        let (lost, took) = timed(append(&cut, 1, "lost")).await;
        assert_eq!(lost.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!((seconds(4)..seconds(5)).contains(&took), "{took:?}");
        assert!(!is_stored(&other, "lost").await);
        assert_eq!(
            append(&other, 1, "one").await.unwrap(),
            AppendOutcome::Stored
        );
        faults.set_link("cut", STORE, Link::Up);
        clock::sleep(seconds(1)).await;
        assert_eq!(append(&cut, 2, "two").await.unwrap(), AppendOutcome::Stored);
        assert_eq!(texts(&services), ["one", "two"]);
    });
}

#[test]
fn a_cut_takes_what_is_on_the_way() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", STORE, Link::Slow(millis(100)..=millis(100)));
        let cutting = async {
            clock::sleep(millis(50)).await;
            faults.set_link("a", STORE, Link::Cut);
        };
        let (lost, ()) = tokio::join!(append(&a, 1, "lost"), cutting);
        assert_eq!(lost.unwrap_err().kind, BackendErrorKind::Timeout);
        assert_eq!(services.records(), []);
    });
}

#[test]
fn one_way_is_applied_and_not_answered() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", STORE, Link::OneWay);
        let (unknown, took) = timed(append(&a, 1, "stored")).await;
        assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!(took > seconds(4), "{took:?}");
        let (refused, took) = timed(append(&a, 2, "refused")).await;
        assert_eq!(refused.unwrap_err().kind, BackendErrorKind::Unavailable);
        assert!(took < millis(20), "nobody waits twice: {took:?}");
        heal(&services).await;
        assert!(is_stored(&a, "stored").await);
        assert!(!is_stored(&a, "refused").await);
    });
}

#[test]
fn refused_is_told_at_once_and_nothing_is_done() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", STORE, Link::Refused);
        let (refused, took) = timed(append(&a, 1, "never")).await;
        assert_eq!(refused.unwrap_err().kind, BackendErrorKind::Unavailable);
        assert!(took < millis(20), "{took:?}");
        assert_eq!(faults.link("a", STORE), Link::Refused);
        faults.heal_links();
        assert_eq!(faults.link("a", STORE), Link::Up);
        clock::sleep(seconds(1)).await;
        assert_eq!(append(&a, 1, "one").await.unwrap(), AppendOutcome::Stored);
        assert_eq!(texts(&services), ["one"]);
    });
}

#[test]
fn slow_takes_longer_and_too_slow_is_applied_all_the_same() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", STORE, Link::Slow(millis(400)..=millis(500)));
        let (stored, took) = timed(append(&a, 1, "one")).await;
        assert_eq!(stored.unwrap(), AppendOutcome::Stored);
        assert!((millis(800)..millis(1_100)).contains(&took), "{took:?}");
        faults.set_link("a", STORE, Link::Slow(seconds(8)..=seconds(8)));
        let (unknown, took) = timed(append(&a, 2, "two")).await;
        assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!(took < seconds(5), "{took:?}");
        heal(&services).await;
        assert!(!is_stored(&a, "two").await);
        clock::sleep(seconds(3)).await;
        assert!(is_stored(&a, "two").await);
    });
}

#[test]
fn what_was_held_is_answered_if_it_is_released_in_time() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", STORE, Link::Held);
        let releasing = async {
            clock::sleep(seconds(2)).await;
            assert_eq!(services.records(), []);
            faults.set_link("a", STORE, Link::Up);
        };
        let ((stored, took), ()) = tokio::join!(timed(append(&a, 1, "one")), releasing);
        assert_eq!(stored.unwrap(), AppendOutcome::Stored);
        assert!((seconds(2)..millis(2_100)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_reply_is_held_too() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_store_sync(Some(millis(100)..=millis(100)));
        let holding = async {
            clock::sleep(millis(50)).await;
            faults.set_link("a", STORE, Link::Held);
            clock::sleep(seconds(2)).await;
            assert_eq!(texts(&services), ["one"]);
            faults.set_link("a", STORE, Link::Up);
        };
        let ((stored, took), ()) = tokio::join!(timed(append(&a, 1, "one")), holding);
        assert_eq!(stored.unwrap(), AppendOutcome::Stored);
        assert!(took > seconds(2), "{took:?}");
    });
}

#[test]
fn what_was_held_too_long_arrives_in_order_or_never() {
    on_a_host(async |services| {
        let faults = services.faults();
        let (zombie, gone) = (services.backends("zombie"), services.backends("gone"));
        faults.set_link("zombie", STORE, Link::Held);
        faults.set_link("gone", STORE, Link::Held);
        let late = async {
            tokio::join!(
                append(&zombie, 1, "late-one"),
                append(&zombie, 2, "late-two"),
                append(&gone, 1, "never"),
            )
        };
        let (one, two, never) = late.await;
        for unknown in [one, two, never] {
            assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        }
        assert_eq!(services.records(), []);
        faults.set_link("gone", STORE, Link::Cut);
        faults.set_link("zombie", STORE, Link::Up);
        clock::sleep(seconds(1)).await;
        heal(&services).await;
        assert!(!is_stored(&gone, "never").await);
        assert_eq!(texts(&services), ["late-one", "late-two"]);
    });
}

#[test]
fn a_late_append_meets_what_was_written_meanwhile() {
    on_a_host(async |services| {
        let faults = services.faults();
        let (zombie, heir) = (services.backends("zombie"), services.backends("heir"));
        faults.set_link("zombie", STORE, Link::Held);
        assert!(append(&zombie, 1, "late").await.is_err());
        assert_eq!(
            append(&heir, 1, "new").await.unwrap(),
            AppendOutcome::Stored
        );
        heal(&services).await;
        let taken = AppendOutcome::SequenceTaken(Tail { seq: 1, epoch: 1 });
        assert_eq!(append(&zombie, 1, "again").await.unwrap(), taken);
        assert_eq!(texts(&services), ["new"]);
    });
}

/// The sender is not there any more, nor anything that ran on its host.
#[test]
fn what_a_dead_host_has_sent_arrives() {
    let mut sim = simulation(3);
    let services = Services::new(3, ServiceSettings::default());
    let faults = services.faults();
    let on_host = services.clone();
    sim.host("zombie", move || {
        let backends = on_host.backends("zombie");
        async move {
            let _ = append(&backends, 1, "of-the-dead").await;
            std::future::pending().await
        }
    });
    let watching = services.clone();
    let watch = async move {
        let backends = watching.backends("watcher");
        while watching.records().is_empty() {
            clock::sleep(millis(10)).await;
            let _ = backends.archive.count().await;
        }
        Ok(())
    };
    sim.client("watcher", watch);
    faults.set_link("zombie", STORE, Link::Held);
    let run = |sim: &mut turmoil::Sim<'_>, steps| {
        for _ in 0..steps {
            sim.step().expect("a step");
        }
    };
    run(&mut sim, 20);
    sim.crash("zombie");
    run(&mut sim, 2_000);
    assert_eq!(services.records(), []);
    faults.set_link("zombie", STORE, Link::Up);
    sim.run().expect("the watcher sees it");
    assert_eq!(texts(&services), ["of-the-dead"]);
}

//! Sessions of the coordinator: who is cut off, who crashed, and when the service is down.

use std::sync::{Arc, Mutex};

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, Backends, Contact, Leadership, Registration};
use tokio::sync::watch;

use super::{millis, on_a_host, seconds, server, simulation, timed};
use crate::service::{Link, Service, ServiceSettings, Services};

const COORDINATOR: Service = Service::Coordinator;

async fn join(backends: &Backends, name: &str) -> Arc<dyn Registration> {
    let registered = backends.coordinator.register(server(name)).await;
    registered.expect("a registration")
}

async fn stand(registration: &Arc<dyn Registration>) -> watch::Receiver<Leadership> {
    registration.campaign().await.expect("a candidacy")
}

async fn elected(told: &mut watch::Receiver<Leadership>) -> u64 {
    let leads = |told: &Leadership| matches!(told, Leadership::Leader { .. });
    let told = told.wait_for(leads).await.expect("a leader").clone();
    match told {
        Leadership::Leader { epoch } => epoch,
        Leadership::Follower | Leadership::Lost => unreachable!("waited for a leader"),
    }
}

fn contact(backends: &Backends) -> Contact {
    *backends.coordinator.contact().borrow()
}

fn leader_seen(backends: &Backends) -> Option<u64> {
    let view = backends.coordinator.view();
    let leader = view.borrow().leader.clone();
    leader.map(|leader| leader.epoch)
}

#[test]
fn who_is_cut_off_leads_on_and_learns_the_truth_when_it_is_back() {
    on_a_host(async |services| {
        let faults = services.faults();
        let (a, b) = (services.backends("a"), services.backends("b"));
        let (first, second) = (join(&a, "one").await, join(&b, "two").await);
        let mut of_first = stand(&first).await;
        let mut of_second = stand(&second).await;
        let old = elected(&mut of_first).await;
        clock::sleep(seconds(1)).await;
        faults.set_link("a", COORDINATOR, Link::Cut);
        let (new, took) = timed(elected(&mut of_second)).await;
        assert!(new > old);
        assert!((seconds(5)..seconds(7)).contains(&took), "{took:?}");
        clock::sleep(seconds(5)).await;
        let leads = Leadership::Leader { epoch: old };
        assert_eq!(*of_first.borrow(), leads);
        assert_eq!((leader_seen(&a), leader_seen(&b)), (Some(old), Some(new)));
        let Contact::Suspended { since } = contact(&a) else {
            panic!("it hears nothing");
        };
        assert!(since.elapsed() > seconds(10), "{:?}", since.elapsed());
        assert_eq!(contact(&b), Contact::Connected);
        let away = first.resign().await.unwrap_err();
        assert_eq!(away.kind, BackendErrorKind::Timeout);
        faults.heal();
        let lost = |told: &Leadership| *told == Leadership::Lost;
        let (_, took) = timed(of_first.wait_for(lost)).await;
        assert!(took < seconds(3), "{took:?}");
        clock::sleep(seconds(3)).await;
        assert_eq!(contact(&a), Contact::Connected);
        assert_eq!(leader_seen(&a), Some(new));
        assert_eq!(
            (services.leaders_elected(), services.leader().unwrap().epoch),
            (2, new)
        );
        assert!(join(&a, "one").await.id().incarnation > first.id().incarnation);
    });
}

#[test]
fn a_short_silence_changes_nothing() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        let b = services.backends("b");
        let (one, two) = (join(&a, "one").await, join(&b, "two").await);
        let (mut told, mut other) = (stand(&one).await, stand(&two).await);
        let epoch = elected(&mut told).await;
        for link in [Link::Cut, Link::Held, Link::Refused] {
            clock::sleep(seconds(2)).await;
            faults.set_link("a", COORDINATOR, link);
            clock::sleep(seconds(3)).await;
            assert_ne!(contact(&a), Contact::Connected);
            faults.heal();
            clock::sleep(seconds(3)).await;
            assert_eq!(contact(&a), Contact::Connected);
        }
        assert_eq!(*told.borrow_and_update(), Leadership::Leader { epoch });
        assert_eq!(*other.borrow_and_update(), Leadership::Follower);
        assert_eq!(services.leaders_elected(), 1);
    });
}

/// Who hears nothing closes its connection, and another does not come about without answers.
#[test]
fn one_way_ends_a_session_and_suspends_its_owner() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        let b = services.backends("b");
        let (one, two) = (join(&a, "one").await, join(&b, "two").await);
        let (mut told, mut other) = (stand(&one).await, stand(&two).await);
        elected(&mut told).await;
        faults.set_link("a", COORDINATOR, Link::OneWay);
        elected(&mut other).await;
        assert_ne!(contact(&a), Contact::Connected);
        assert_ne!(*told.borrow(), Leadership::Lost, "it can't know");
        assert_eq!(services.leaders_elected(), 2);
    });
}

#[test]
fn while_the_service_is_down_nobody_is_lost_and_nobody_joins() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        let b = services.backends("b");
        let (one, two) = (join(&a, "one").await, join(&b, "two").await);
        let (mut told, mut other) = (stand(&one).await, stand(&two).await);
        let epoch = elected(&mut told).await;
        clock::sleep(seconds(1)).await;
        faults.set_coordinator_down(true);
        clock::sleep(seconds(60)).await;
        assert_ne!(contact(&a), Contact::Connected);
        assert_ne!(contact(&b), Contact::Connected);
        assert_eq!(leader_seen(&a), Some(epoch));
        let refused = a.coordinator.register(server("three")).await;
        let refused = refused.err().expect("nobody joins");
        assert_eq!(refused.kind, BackendErrorKind::Unavailable);
        faults.set_coordinator_down(false);
        clock::sleep(seconds(10)).await;
        assert_eq!(contact(&a), Contact::Connected);
        assert_eq!(*told.borrow_and_update(), Leadership::Leader { epoch });
        assert_eq!(*other.borrow_and_update(), Leadership::Follower);
        assert_eq!(services.leaders_elected(), 1);
    });
}

/// The withdrawal is told when the service is heard again.
#[test]
fn who_resigned_unheard_is_not_leader_for_ever() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        let b = services.backends("b");
        let (one, two) = (join(&a, "one").await, join(&b, "two").await);
        let (mut told, mut other) = (stand(&one).await, stand(&two).await);
        elected(&mut told).await;
        faults.set_link("a", COORDINATOR, Link::Refused);
        let refused = one.resign().await.unwrap_err();
        assert_eq!(refused.kind, BackendErrorKind::Unavailable);
        assert_eq!(*told.borrow(), Leadership::Follower);
        faults.heal();
        elected(&mut other).await;
        assert_eq!(*told.borrow(), Leadership::Follower);
    });
}

#[test]
fn an_election_is_told_soon() {
    for seed in 0..20 {
        super::seeded(seed, async |services| {
            let a = services.backends("a");
            let registration = join(&a, "one").await;
            let mut told = stand(&registration).await;
            let (_, took) = timed(elected(&mut told)).await;
            assert!(took < millis(50), "{took:?}");
        });
    }
}

#[test]
fn a_session_can_be_ended() {
    on_a_host(async |services| {
        let a = services.backends("a");
        let one = join(&a, "one").await;
        let mut told = stand(&one).await;
        elected(&mut told).await;
        assert!(services.faults().expire_session("one"));
        assert!(!services.faults().expire_session("one"));
        let lost = |told: &Leadership| *told == Leadership::Lost;
        let (_, took) = timed(told.wait_for(lost)).await;
        assert!(took < millis(100), "{took:?}");
    });
}

/// What the watcher of the next test has seen of the server: when, and which incarnation.
type Seen = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

fn crash_and_restart(down_for_steps: usize) -> Vec<(u64, Option<u64>)> {
    let mut sim = simulation(5);
    let services = Services::new(5, ServiceSettings::default());
    let on_host = services.clone();
    sim.host("one", move || {
        let backends = on_host.backends("one");
        async move {
            let registration = join(&backends, "one").await;
            let mut told = stand(&registration).await;
            elected(&mut told).await;
            std::future::pending().await
        }
    });
    let seen: Seen = Arc::default();
    let (told, watching) = (Arc::clone(&seen), services.clone());
    sim.client("watcher", async move {
        let backends = watching.backends("watcher");
        let mut view = backends.coordinator.view();
        loop {
            let now = view.borrow_and_update().clone();
            let incarnation = now.members.get("one").map(|member| member.id.incarnation);
            told.lock()
                .unwrap()
                .push((clock::elapsed_us(), incarnation));
            view.changed().await?;
        }
    });
    let run = |sim: &mut turmoil::Sim<'_>, steps| {
        for _ in 0..steps {
            sim.step().expect("a step");
        }
    };
    run(&mut sim, 400);
    sim.crash("one");
    run(&mut sim, down_for_steps);
    sim.bounce("one");
    run(&mut sim, 1_000);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(services.leaders_elected(), 2);
    seen
}

#[test]
fn a_crashed_server_stays_until_its_session_times_out() {
    let seen = crash_and_restart(2_000);
    let gone = seen.iter().skip_while(|(_, seen)| seen.is_none());
    let (at_us, _) = gone
        .clone()
        .find(|(_, seen)| seen.is_none())
        .expect("it goes");
    // It crashed 2 s after the start, and was last heard up to a second before.
    assert!((7_000_000..8_100_000).contains(at_us), "{seen:?}");
    let incarnations: Vec<u64> = seen.iter().filter_map(|(_, seen)| *seen).collect();
    assert!(incarnations.is_sorted(), "{seen:?}");
    assert_ne!(incarnations.first(), incarnations.last());
}

#[test]
fn a_restarted_server_takes_its_own_place() {
    let seen = crash_and_restart(100);
    let mut after = seen.iter().skip_while(|(_, seen)| seen.is_none());
    assert!(
        after.all(|(_, seen)| seen.is_some()),
        "never gone: {seen:?}"
    );
    let incarnations: Vec<u64> = seen.iter().filter_map(|(_, seen)| *seen).collect();
    assert!(incarnations.is_sorted(), "{seen:?}");
    assert_ne!(incarnations.first(), incarnations.last());
}

//! The same seed gives the same answers at the same times, through faults and crashes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{Backends, NodeRecord};

use super::{append, hall, millis, said, seeded, server, simulation};
use crate::service::{Link, Service, ServiceSettings, Services};

/// What a host has called and what it was told, with times.
async fn work(services: Services, host: &'static str) -> Vec<String> {
    let backends = services.backends(host);
    let mut told = Vec::new();
    let record: NodeRecord = server(host);
    let joined = backends.coordinator.register(record).await;
    told.push(format!(
        "{} {:?}",
        clock::elapsed_us(),
        joined.map(|it| it.id())
    ));
    for round in 0..40 {
        let answers = ask(&backends, host, round).await;
        told.push(format!("{} {host} {answers}", clock::elapsed_us()));
    }
    told
}

async fn ask(backends: &Backends, host: &str, round: u64) -> String {
    let tail = backends.archive.tail(&hall()).await;
    let next = tail
        .as_ref()
        .map_or(1, |tail| tail.map_or(1, |tail| tail.seq + 1));
    let text = format!("{host}-{round}");
    let (hall, pushed) = (hall(), [said(next, &text)]);
    let (stored, pushed, recent) = tokio::join!(
        append(backends, next, &text),
        backends.recent.push(&pushed),
        backends.recent.latest(&hall, 3),
    );
    let view = backends.coordinator.view().borrow().clone();
    format!("{tail:?} {stored:?} {pushed:?} {recent:?} {view:?}")
}

async fn trouble(services: Services) {
    let faults = services.faults();
    let links = [
        Link::OneWay,
        Link::Held,
        Link::Slow(millis(1)..=millis(900)),
        Link::Cut,
        Link::Refused,
    ];
    for (round, link) in links.into_iter().enumerate() {
        let service = Service::ALL[round % 3];
        clock::sleep(millis(70)).await;
        faults.set_link("a", service, link.clone());
        faults.set_links("b", &link);
        clock::sleep(Duration::from_millis(700)).await;
        faults.crash_store();
        faults.flush_cache();
        clock::sleep(millis(30)).await;
        faults.heal();
    }
}

fn play(seed: u64) -> Vec<String> {
    seeded(seed, async |services: Services| {
        let (a, b, ()) = tokio::join!(
            work(services.clone(), "a"),
            work(services.clone(), "b"),
            trouble(services.clone()),
        );
        let log = services.records().into_iter();
        let log = log.map(|record| format!("{record:?}"));
        a.into_iter().chain(b).chain(log).collect()
    })
}

#[test]
fn a_seed_plays_the_same_again() {
    let plays: Vec<Vec<String>> = (0..5).map(play).collect();
    for (seed, told) in (0..).zip(&plays) {
        assert_eq!(*told, play(seed), "seed {seed}");
        assert!(told.iter().any(|line| line.contains("Timeout")), "{told:?}");
        assert!(told.iter().any(|line| line.contains("Stored")), "{told:?}");
    }
    assert_ne!(plays[0], plays[1]);
}

/// On hosts of their own, with the trouble made from outside, between two steps.
fn play_on_hosts(seed: u64) -> Vec<String> {
    let mut sim = simulation(seed);
    let services = Services::new(seed, ServiceSettings::default());
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    for host in ["a", "b", "c"] {
        let (services, told) = (services.clone(), Arc::clone(&told));
        sim.host(host, move || {
            let (services, told) = (services.clone(), Arc::clone(&told));
            async move {
                let lines = work(services, host).await;
                told.lock().unwrap().extend(lines);
                Ok(())
            }
        });
    }
    let faults = services.faults();
    for step in 0..2_000 {
        match step % 400 {
            50 => faults.set_links("a", &Link::Held),
            120 => faults.crash_store(),
            140 => faults.restart_store(),
            150 => faults.set_link("b", Service::Store, Link::OneWay),
            200 => sim.crash("c"),
            260 => sim.bounce("c"),
            300 => faults.heal(),
            _ => {}
        }
        sim.step().expect("a step");
    }
    let mut told = told.lock().unwrap().clone();
    told.extend(
        services
            .records()
            .iter()
            .map(|record| format!("{record:?}")),
    );
    told
}

#[test]
fn a_seed_plays_the_same_again_on_many_hosts() {
    let plays: Vec<Vec<String>> = (0..5).map(play_on_hosts).collect();
    for (seed, told) in (0..).zip(&plays) {
        assert_eq!(*told, play_on_hosts(seed), "seed {seed}");
        assert!(told.iter().any(|line| line.contains("Stored")), "{told:?}");
        assert!(told.len() > 80, "{told:?}");
    }
    assert_ne!(plays[0], plays[1]);
}

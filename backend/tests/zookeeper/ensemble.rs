//! Three servers, of which some or all fail.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{Coordinator, Leadership};
use antiphon_test_services::{Service, ZooKeeperEnsemble};

use super::harness::{Candidate, SESSION, connect, connected, led_by, record, seen, suspended};

const AWAY: Duration = Duration::from_secs(15);

/// Whichever server fails, and however: nothing is lost, and the cluster goes on changing.
async fn goes_unnoticed(fail: impl Fn(&Service), mend: impl AsyncFn(&Service)) {
    let ensemble = ZooKeeperEnsemble::start().await;
    let coordinator = connect(&ensemble.url("a")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    let epoch = one.elected().await;
    let two = Candidate::join(&coordinator, "two").await;
    for node in ensemble.nodes() {
        fail(node);
        // Longer than a session lives without a word.
        clock::sleep(SESSION + SESSION / 2).await;
        let three = coordinator.register(record("three")).await.unwrap();
        let all = |view: &antiphon_core::contract::ClusterView| view.members.len() == 3;
        let view = seen(&coordinator, "the third", all).await;
        assert!(led_by(&view, &one.id(), epoch), "{view:?}");
        three.deregister().await.unwrap();
        seen(&coordinator, "it left", |view| view.members.len() == 2).await;
        assert_eq!(one.now(), Leadership::Leader { epoch });
        assert_eq!(two.now(), Leadership::Follower);
        connected(&coordinator).await;
        mend(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_of_three_may_be_killed() {
    goes_unnoticed(|node| node.kill(), async |node| node.restart().await).await;
}

/// The driver alone would lose its session: it waits for twice as long as it lives.
#[tokio::test(flavor = "multi_thread")]
async fn one_server_of_three_may_fall_silent() {
    goes_unnoticed(
        |node| node.pause(),
        async |node| {
            node.resume();
            node.serving().await;
        },
    )
    .await;
}

/// What this process has used of the processor, in seconds.
fn processor_seconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which ends with the last bracket: user and system time.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum::<u64>()
        / 100
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_away_for_a_while_is_ridden_through() {
    let ensemble = ZooKeeperEnsemble::start().await;
    let coordinator = connect(&ensemble.url("a")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    let epoch = one.elected().await;
    let mut two = Candidate::join(&coordinator, "two").await;
    let before = seen(&coordinator, "both", |view| {
        view.members.len() == 2 && led_by(view, &one.id(), epoch)
    })
    .await;
    let begun = clock::now();
    ensemble.kill();
    suspended(&coordinator).await;
    let used = processor_seconds();
    while begun.elapsed() < AWAY {
        assert_eq!(one.now(), Leadership::Leader { epoch });
        assert_eq!(two.now(), Leadership::Follower);
        assert_eq!(*coordinator.view().borrow(), before);
        clock::sleep(Duration::from_millis(100)).await;
    }
    // The driver alone spins while nobody answers.
    let used = processor_seconds() - used;
    assert!(used < AWAY.as_secs() / 3, "used {used} s of processor time");
    ensemble.restart().await;
    connected(&coordinator).await;
    assert_eq!(one.now(), Leadership::Leader { epoch });
    assert_eq!(*coordinator.view().borrow(), before);
    // Elections go on where they were.
    one.registration.deregister().await.unwrap();
    let next = two.elected().await;
    assert!(next > epoch);
    seen(&coordinator, "the next", |view| {
        led_by(view, &two.id(), next)
    })
    .await;
}

//! What is stored, and what is made of what others have stored.

use antiphon_core::contract::{BackendErrorKind, Coordinator};
use antiphon_test_services::ZooKeeper;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zookeeper_async::{Acl, CreateMode};

use super::harness::{Candidate, connect, driver, eventually, led_by, record, seen};

#[tokio::test(flavor = "multi_thread")]
async fn members_that_can_not_be_read_are_left_out() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let looker = driver(&server.address()).await;
    let open = Acl::open_unsafe().clone();
    for (node, data) in [
        ("garbage", &b"\xff\x00{"[..]),
        ("later", br#"{"version":2,"tag":"t","name":"later"}"#),
        ("alias", br#"{"version":1,"tag":"t","name":"x","clusterAddr":"a:1","clientHost":"a","clientPort":1}"#),
        ("empty", b""),
    ] {
        let path = format!("/a/members/{node}");
        let made = looker.create(&path, data.to_vec(), open.clone(), CreateMode::Ephemeral);
        made.await.unwrap();
    }
    let stranger = looker.create("/a/election/stranger", vec![], open, CreateMode::Ephemeral);
    stranger.await.unwrap();
    let mut one = Candidate::join(&coordinator, "später/1").await;
    let epoch = one.elected().await;
    let view = seen(&coordinator, "led", |view| {
        led_by(view, &one.id(), epoch) && !view.members.is_empty()
    })
    .await;
    assert_eq!(view.members.keys().collect::<Vec<_>>(), ["später/1"]);
    // A name that is taken by something unreadable is taken over.
    let garbage = Candidate::join(&coordinator, "garbage").await;
    let taken = |view: &antiphon_core::contract::ClusterView| view.members.len() == 2;
    let view = seen(&coordinator, "the name is taken over", taken).await;
    assert_eq!(view.members["garbage"].id, garbage.id());
}

/// Somebody removes the node of a member, or of a candidate, by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_somebody_removed_is_a_lost_registration() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let looker = driver(&server.address()).await;
    for folder in ["members", "election"] {
        let mut one = Candidate::join(&coordinator, "one").await;
        let epoch = one.elected().await;
        let path = format!("/a/{folder}");
        let children = looker.get_children(&path, false).await.unwrap();
        assert_eq!(children.len(), 1, "{children:?}");
        let path = format!("{path}/{}", children[0]);
        looker.delete(&path, None).await.unwrap();
        one.lost().await;
        // And nothing of it is left in the way of the next.
        let mut two = Candidate::join(&coordinator, "two").await;
        assert!(two.elected().await > epoch);
        two.registration.deregister().await.unwrap();
    }
}

async fn four_letters(server: &ZooKeeper, command: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Pitfall 82: a change of leader wakes one candidate, not all of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_candidate_is_watched_by_the_next_one_only() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let mut candidates = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        candidates.push(Candidate::join(&coordinator, name).await);
    }
    candidates[0].elected().await;
    // By path, each with the sessions that watch it.
    let watched = async || {
        let answer = four_letters(&server, "wchp").await;
        let mut watched: Vec<(String, usize)> = Vec::new();
        for line in answer.lines() {
            if line.starts_with('/') {
                watched.push((line.to_owned(), 0));
            } else if line.trim().starts_with("0x") {
                watched.last_mut().unwrap().1 += 1;
            }
        }
        let candidates = watched
            .into_iter()
            .filter(|(path, _)| path.starts_with("/a/election/"));
        candidates.collect::<Vec<_>>()
    };
    for left in (1..=5).rev() {
        eventually("a watch on each but the last", async || {
            let watched = watched().await;
            (watched.len() == left - 1 && watched.iter().all(|(_, count)| *count == 1))
                .then_some(())
        })
        .await;
        let leader = candidates.remove(0);
        leader.registration.deregister().await.unwrap();
        if let Some(next) = candidates.first_mut() {
            next.elected().await;
        }
    }
}

/// After an ensemble has lost its data an operator says what epochs are counted from.
#[tokio::test(flavor = "multi_thread")]
async fn epochs_are_counted_from_the_base_that_an_operator_set() {
    const BASE: u64 = 1 << 40;
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    assert!(one.elected().await < BASE);
    one.registration.deregister().await.unwrap();
    let looker = driver(&server.address()).await;
    let (open, path) = (Acl::open_unsafe().clone(), "/a/epoch-base");
    let data = format!("{BASE}\n").into_bytes();
    let made = looker.create(path, data, open, CreateMode::Persistent);
    made.await.unwrap();
    let mut two = Candidate::join(&coordinator, "two").await;
    let epoch = two.elected().await;
    assert!(epoch > BASE);
    seen(&coordinator, "led", |view| led_by(view, &two.id(), epoch)).await;
    two.registration.deregister().await.unwrap();
    // Nobody stands on a number that can't be read, or that no epoch fits above.
    for wrong in ["", "-1", "1e9", "18446744073709551615"] {
        let set = looker.set_data(path, wrong.into(), None).await;
        set.unwrap();
        let registration = coordinator.register(record("three")).await.unwrap();
        let error = registration.campaign().await.unwrap_err();
        assert_eq!(error.kind, BackendErrorKind::Corrupt, "{wrong:?}");
        registration.deregister().await.unwrap();
    }
}

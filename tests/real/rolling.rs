//! A rolling restart: each server in turn is told to stop, and is started again, while people
//! write. Nothing fails, and nobody's connection ends without a word.

use std::time::Duration;

use antiphon_core::clock;

use super::load::{Load, check};
use crate::harness::Client;
use crate::harness::real::RealCluster;

const SERVERS: usize = 3;
const SENDERS: usize = 8;
/// Of each kind, on each server, who stay until they are shown the door.
const STAYING: usize = 4;
/// The delay that a client is told before it is closed, and the grace of a stop.
const CLOSED_WITHIN: Duration = Duration::from_secs(40);
/// More are for a measurement: `ANTIPHON_ROUNDS=20`.
const ROUNDS: usize = 1;
const RESTARTING: u16 = 1012;

/// Sessions and connections on one server that don't do what they are asked: they go when the
/// server closes them. Half of them have not logged in.
async fn staying(addr: &str) -> Vec<Client> {
    let mut staying = Vec::new();
    for number in 0..STAYING {
        staying.push(Client::join(addr, &format!("guest{number}")).await);
        staying.push(Client::connect(addr).await);
    }
    staying
}

fn rounds() -> usize {
    std::env::var_os("ANTIPHON_ROUNDS").map_or(ROUNDS, |rounds| {
        let rounds = rounds.to_str().and_then(|rounds| rounds.parse().ok());
        rounds.expect("ANTIPHON_ROUNDS is a number")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_send_and_leaves_no_session_without_a_word() {
    let mut cluster = RealCluster::start(SERVERS, 2).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(100).await;
    let (rounds, begun) = (rounds(), clock::now());
    let (mut shown_the_door, mut terms) = (0, 0);
    for _ in 0..rounds {
        let names: Vec<String> = cluster.servers.keys().cloned().collect();
        for name in names {
            let mut guests = staying(cluster.client_addr(&name)).await;
            terms += usize::from(cluster.leader(None).await == name);
            let mut process = cluster.servers.remove(&name).unwrap();
            process.signal("TERM");
            for guest in &mut guests {
                let closed = guest.closed(CLOSED_WITHIN).await;
                assert_eq!(closed.code, Some(RESTARTING), "{name}: {closed:?}");
                shown_the_door += 1;
            }
            let status = process.exit();
            assert!(status.success(), "{name}: {status}");
            load.runs(50).await;
            cluster.add_server(&name, "127.0.0.1:0");
            cluster.listed(SERVERS).await;
            load.runs(50).await;
        }
    }
    let took = begun.elapsed().as_secs_f32();
    let (ended, wordless) = load.ends();
    let sent = load.end().await;
    let failed: Vec<_> = sent.iter().filter(|one| one.outcome.is_err()).collect();
    let words = format!(
        "{rounds} rolling restarts in {took:.0} s, {terms} by the leader: {} sent, {} failed; \
         {ended} connections of senders ended, {} without a word; {shown_the_door} of those who \
         stayed had a close frame\n",
        sent.len(),
        failed.len(),
        wordless.len(),
    );
    let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
    assert!(failed.is_empty(), "{failed:?}");
    assert!(wordless.is_empty(), "{wordless:?}");
    assert!(ended >= SENDERS, "somebody was never moved: {ended}");
    assert!(terms > 0, "the leader was never restarted");
    for server in cluster.servers.keys() {
        check(&cluster, server, &sent).await;
    }
}

//! Servers die, pause and come back while people write.

use std::time::Duration;

use antiphon::torture::proxy::{Flow, Lane, Proxy, Way};
use antiphon_core::clock;

use super::load::{Load, check, longest_wait};
use crate::harness::raw::http_get;
use crate::harness::real::{RealCluster, SESSION};
use crate::harness::{DEADLINE, wait_until};

const SENDERS: usize = 4;
/// Kills of each kind; the promise is made for the 95th percentile of so many.
const KILLS: usize = 20;
/// Rooms are writable again by then after a kill, and after an orderly end.
const AFTER_KILL: Duration = Duration::from_secs(10);
const AFTER_SIGTERM: Duration = Duration::from_secs(2);

/// The waits, shortest first, and the one at the 95th percentile.
fn distribution(mut waits: Vec<Duration>) -> (Vec<Duration>, Duration) {
    waits.sort();
    let at = (waits.len() * 95).div_ceil(100).max(1) - 1;
    let percentile = waits[at];
    (waits, percentile)
}

fn say(what: &str, waits: &[Duration]) {
    let seconds: Vec<String> = waits
        .iter()
        .map(|wait| format!("{:.2}", wait.as_secs_f64()))
        .collect();
    let words = format!("{what}: rooms stood still for {} s\n", seconds.join(", "));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
}

/// Ends the leader again and again under load, and starts it again.
async fn end_leaders(
    cluster: &mut RealCluster,
    load: &Load,
    kills: usize,
    signal: &str,
) -> Vec<clock::Instant> {
    let mut ends = Vec::new();
    for _ in 0..kills {
        let leader = cluster.leader(None).await;
        ends.push(clock::now());
        let mut process = cluster.servers.remove(&leader).unwrap();
        process.signal(signal);
        let _ = process.exit();
        load.runs(20).await;
        cluster.add_server(&leader, "127.0.0.1:0");
        load.runs(10).await;
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let mut cluster = RealCluster::start(3, 2).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    let ends = end_leaders(&mut cluster, &load, KILLS, "KILL").await;
    judge(&cluster, load, &ends, "kill -9", AFTER_KILL).await;
}

/// Nothing failed, nothing is lost, and rooms stood still for no longer than promised.
async fn judge(
    cluster: &RealCluster,
    load: Load,
    ends: &[clock::Instant],
    what: &str,
    promised: Duration,
) {
    let sent = load.end().await;
    let next = ends.iter().skip(1).copied().chain([clock::now()]);
    let waits = ends.iter().zip(next).map(|(end, next)| {
        let round: Vec<_> = sent
            .iter()
            .filter(|one| one.begun < next)
            .cloned()
            .collect();
        longest_wait(&round, *end).min(next.saturating_duration_since(*end))
    });
    let (waits, percentile) = distribution(waits.collect());
    say(&format!("{what} of the leader"), &waits);
    assert!(percentile <= promised, "{percentile:?}");
    let server = cluster.servers.keys().next().unwrap().clone();
    check(cluster, &server, &sent).await;
    let failed: Vec<_> = sent.iter().filter(|one| one.outcome.is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over() {
    let mut cluster = RealCluster::start(3, 2).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    let ends = end_leaders(&mut cluster, &load, KILLS, "TERM").await;
    judge(&cluster, load, &ends, "SIGTERM", AFTER_SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_that_wakes_has_no_effect() {
    let cluster = RealCluster::start(3, 1).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    let paused = cluster.leader(None).await;
    cluster.servers[&paused].signal("STOP");
    let from = clock::now();
    let successor = cluster.leader(Some(&paused)).await;
    load.runs(50).await;
    clock::sleep((SESSION * 3).saturating_sub(from.elapsed())).await;
    cluster.servers[&paused].signal("CONT");
    load.runs(200).await;
    // It has joined again, as a follower.
    cluster.listed(3).await;
    assert_eq!(cluster.leader(None).await, successor);
    let sent = load.end().await;
    check(&cluster, &successor, &sent).await;
    check(&cluster, &paused, &sent).await;
}

/// It can't tell that it is replaced; the log and the others can.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_from_zookeeper_is_replaced() {
    let mut cluster = RealCluster::start(0, 1).await;
    let mut proxies = Vec::new();
    for node in cluster.zookeeper.nodes() {
        proxies.push(Proxy::to(&node.address(), 0).await.unwrap());
    }
    let addresses = proxies.iter().map(|proxy| proxy.addr().to_string());
    let addresses: Vec<String> = addresses.collect();
    let url = format!("zk://{}/antiphon", addresses.join(","));
    cluster.add_server_with("s1", &["--coordinator-url", &url]);
    cluster.add_server("s2", "127.0.0.1:0");
    cluster.add_server("s3", "127.0.0.1:0");
    cluster.listed(3).await;
    assert_eq!(cluster.leader(None).await, "s1");
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    let held = Lane {
        flow: Flow::Held,
        ..Lane::default()
    };
    proxies.iter().for_each(|proxy| proxy.set(Way::both(held)));
    let from = clock::now();
    let successor = cluster.leader(Some("s1")).await;
    load.runs(100).await;
    say("a leader cut off from ZooKeeper", &[from.elapsed()]);
    clock::sleep((SESSION * 3).saturating_sub(from.elapsed())).await;
    proxies.iter().for_each(Proxy::mend);
    cluster.listed(3).await;
    load.runs(100).await;
    assert_eq!(cluster.leader(None).await, successor);
    let sent = load.end().await;
    check(&cluster, "s1", &sent).await;
    check(&cluster, &successor, &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_restarts_at_once_on_its_port_is_taken_back() {
    let mut cluster = RealCluster::start(3, 1).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    for signal in ["KILL", "TERM"] {
        let leader = cluster.leader(None).await;
        let follower = cluster.followers(&leader).remove(0);
        let addr = cluster.client_addr(&follower).to_owned();
        let mut process = cluster.servers.remove(&follower).unwrap();
        process.signal(signal);
        let _ = process.exit();
        cluster.add_server(&follower, &addr);
        assert_eq!(cluster.client_addr(&follower), addr);
        cluster.listed(3).await;
        load.runs(50).await;
        assert_eq!(
            cluster.leader(None).await,
            leader,
            "a follower's end elects nobody"
        );
    }
    let sent = load.end().await;
    check(&cluster, "s1", &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_added_under_load_is_offered() {
    let mut cluster = RealCluster::start(2, 1).await;
    let load = Load::start(&cluster, SENDERS).await;
    load.runs(50).await;
    cluster.add_server("s3", "127.0.0.1:0");
    cluster.listed(3).await;
    let new = cluster.client_addr("s3").rsplit_once(':').unwrap().1;
    let gateway = cluster.gateways[0].addr("gateway");
    wait_until("the new server offered", DEADLINE, || async {
        let offered = http_get(gateway, "GET", "/server").await.json()["port"].to_string();
        if offered == new { Ok(()) } else { Err(offered) }
    })
    .await;
    load.runs(50).await;
    let sent = load.end().await;
    check(&cluster, "s3", &sent).await;
}

//! Every kind of fault that the promises are made for occurs in each run of the tests: by a
//! scenario of the deck that is played, or by a test of its own.

use std::collections::HashSet;

use super::COUNT;
use super::nemesis::{Nemesis, dealt};

/// What is done to processes, networks and services, and the nemeses that do it.
const PLAYED: &[(&str, &[&str])] = &[
    ("SIGKILL", &["kill-leader", "kill-follower", "kill-gateway"]),
    (
        "SIGSTOP, below the session timeout",
        &["pause-leader-short"],
    ),
    (
        "SIGSTOP, above the session timeout",
        &["pause-leader-long", "pause-follower"],
    ),
    ("SIGTERM", &["drain-leader", "drain-follower"]),
    (
        "links cut, one way, slow, late",
        &["cut-links", "one-way-links", "slow-links", "late-links"],
    ),
    ("clients cut and slow", &["cut-clients", "slow-clients"]),
    (
        "cut off from ZooKeeper",
        &["cut-coordinator", "coordinator-gone"],
    ),
    (
        "ZooKeeper killed",
        &["zookeeper-one-killed", "zookeeper-all-killed"],
    ),
    ("MongoDB delayed", &["slow-store"]),
    ("MongoDB reset", &["reset-store"]),
    ("MongoDB cut after commit", &["store-reply-lost"]),
    ("MongoDB in a one-way black hole", &["store-hangs"]),
    ("MongoDB closed slowly", &["store-closes-slowly"]),
    ("MongoDB away", &["store-refuses", "mongodb-killed"]),
    ("Redis delayed", &["slow-cache"]),
    ("Redis reset", &["reset-cache"]),
    ("Redis cut after commit", &["cache-reply-lost"]),
    ("Redis in a one-way black hole", &["cache-hangs"]),
    ("Redis closed slowly", &["cache-closes-slowly"]),
    (
        "Redis away or empty",
        &["cache-refuses", "redis-killed", "redis-flushed"],
    ),
];

/// What needs networks of its own, the test that does it, and the call by which it does.
const TESTED: &[(&str, &str, &str)] = &[
    (
        "a partition by network namespaces and iptables",
        "the_side_without_zookeeper_has_no_effect",
        "network.part(",
    ),
    (
        "a partition of one direction",
        "one_way_cuts_and_losses_break_nothing",
        "network.cut(",
    ),
    (
        "lost packets",
        "one_way_cuts_and_losses_break_nothing",
        "network.lose(",
    ),
];
const PARTITIONS: &str = include_str!("../real/partition.rs");

#[test]
fn every_kind_of_fault_is_played_in_each_run() {
    let played: HashSet<&str> = (0..COUNT)
        .flat_map(dealt)
        .map(|nemesis| nemesis.label())
        .collect();
    let mut named = HashSet::new();
    for (what, labels) in PLAYED {
        for label in *labels {
            assert!(played.contains(label), "{what}: {label} is not played");
            named.insert(*label);
        }
    }
    for nemesis in Nemesis::all() {
        let label = nemesis.label();
        assert!(named.contains(label), "{label} stands for nothing");
    }
    for (what, test, call) in TESTED {
        let head = format!("#[tokio::test(flavor = \"multi_thread\")]\nasync fn {test}() {{");
        let (_, body) = (PARTITIONS.split_once(&head))
            .unwrap_or_else(|| panic!("{what}: the test {test} is gone"));
        let body = body.split("\n}\n").next().unwrap();
        assert!(body.contains(call), "{what}: {test} does not do it");
    }
}

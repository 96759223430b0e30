use std::collections::BTreeMap;

use super::*;

fn entry(name: &str, connections: u64, weight: u32) -> DirectoryEntry {
    DirectoryEntry {
        name: name.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 1,
        connections,
        weight,
        is_leader: false,
        lag_ms: None,
    }
}

fn list(servers: Vec<DirectoryEntry>) -> Directory {
    Directory {
        epoch: 1,
        generated_at_ms: 1,
        servers,
    }
}

fn chosen(balancer: &Balancer, directory: &Directory, times: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for i in 0..times {
        let entry = balancer
            .choose(directory, &format!("user{i}"))
            .expect("a server");
        *counts.entry(entry.name.clone()).or_default() += 1;
    }
    counts
}

fn pairs(counts: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect()
}

#[test]
fn strategies_have_names_both_ways() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
    }
    assert_eq!(Strategy::default().to_string(), "least-connections");
    assert_eq!("leastConnections".parse::<Strategy>(), Err(UnknownStrategy));
}

#[test]
fn no_strategy_chooses_a_draining_server_or_chooses_from_nothing() {
    let directory = list(vec![entry("draining", 0, 0), entry("live", 900, 1)]);
    for strategy in Strategy::ALL {
        let balancer = Balancer::new(strategy);
        assert_eq!(
            pairs(&chosen(&balancer, &directory, 50)),
            [("live", 50)],
            "{strategy}"
        );
        assert!(
            balancer
                .choose(&list(vec![entry("draining", 0, 0)]), "ann")
                .is_none()
        );
        assert!(balancer.choose(&list(Vec::new()), "ann").is_none());
    }
}

#[test]
fn shares_follow_the_weights() {
    let directory = list(vec![entry("a", 0, 1), entry("b", 0, 2), entry("c", 0, 1)]);
    for strategy in [Strategy::RoundRobin, Strategy::LeastConnections] {
        let counts = chosen(&Balancer::new(strategy), &directory, 400);
        assert_eq!(
            pairs(&counts),
            [("a", 100), ("b", 200), ("c", 100)],
            "{strategy}"
        );
    }
    for strategy in [Strategy::Random, Strategy::ConsistentHash] {
        let counts = chosen(&Balancer::new(strategy), &directory, 4_000);
        // Ten standard deviations around 1,000 of 4,000 and 2,000 of 4,000.
        assert!(counts["a"].abs_diff(1_000) < 280, "{strategy}: {counts:?}");
        assert!(counts["b"].abs_diff(2_000) < 320, "{strategy}: {counts:?}");
        assert!(counts["c"].abs_diff(1_000) < 280, "{strategy}: {counts:?}");
    }
}

#[test]
fn the_highest_numbers_overflow_nothing() {
    let servers = (0..100)
        .map(|i| entry(&format!("s{i}"), u64::MAX, u32::MAX))
        .collect();
    let directory = list(servers);
    for strategy in Strategy::ALL {
        assert_eq!(
            chosen(&Balancer::new(strategy), &directory, 200)
                .values()
                .sum::<usize>(),
            200
        );
    }
}

#[test]
fn least_connections_levels_the_load_between_two_lists() {
    let mut directory = list(vec![entry("a", 10, 1), entry("b", 4, 1), entry("c", 0, 1)]);
    let balancer = Balancer::new(Strategy::LeastConnections);
    assert_eq!(pairs(&chosen(&balancer, &directory, 4)), [("c", 4)]);
    assert_eq!(
        pairs(&chosen(&balancer, &directory, 12)),
        [("b", 6), ("c", 6)]
    );
    assert_eq!(
        pairs(&chosen(&balancer, &directory, 3)),
        [("a", 1), ("b", 1), ("c", 1)]
    );
    // A new list knows better than the count since the old one.
    directory.generated_at_ms += 1;
    assert_eq!(pairs(&chosen(&balancer, &directory, 1)), [("c", 1)]);
}

#[test]
fn a_round_goes_on_when_servers_come_and_go() {
    let balancer = Balancer::new(Strategy::RoundRobin);
    let three = list(vec![entry("a", 0, 1), entry("b", 0, 1), entry("c", 0, 1)]);
    assert_eq!(
        pairs(&chosen(&balancer, &three, 3)),
        [("a", 1), ("b", 1), ("c", 1)]
    );
    let two = list(vec![entry("a", 0, 1), entry("b", 0, 1)]);
    assert_eq!(pairs(&chosen(&balancer, &two, 4)), [("a", 2), ("b", 2)]);
    assert_eq!(
        balancer.memory.lock().unwrap().credit.len(),
        2,
        "gone servers are forgotten"
    );
}

#[test]
fn a_lost_server_moves_only_its_own_users() {
    let balancer = Balancer::new(Strategy::ConsistentHash);
    let all: Vec<_> = (0..5).map(|i| entry(&format!("s{i}"), i, 100)).collect();
    let before = list(all.clone());
    let after = list(
        all.into_iter()
            .filter(|entry| entry.name != "s2")
            .rev()
            .collect(),
    );
    for i in 0..500 {
        let user = format!("user{i}");
        let first = &balancer.choose(&before, &user).unwrap().name;
        assert_eq!(first, &balancer.choose(&before, &user).unwrap().name);
        if first != "s2" {
            assert_eq!(first, &balancer.choose(&after, &user).unwrap().name);
        }
    }
}

#[test]
fn the_ranking_is_by_connections_for_the_weight() {
    let directory = list(vec![
        entry("half", 50, 100),
        entry("gone", 0, 0),
        entry("small", 10, 10),
        entry("b", 1, 100),
        entry("a", 1, 100),
    ]);
    let names: Vec<_> = ranked(&directory)
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "half", "small"]);
}

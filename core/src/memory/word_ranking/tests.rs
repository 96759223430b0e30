use super::*;

fn words(at: u64, scope: &RankingScope, names: std::ops::Range<u32>, count: u64) -> WordCounts {
    WordCounts {
        scopes: vec![scope.clone()],
        at_ms: at * BUCKET_MS,
        words: names.map(|name| (format!("w{name:05}"), count)).collect(),
    }
}

fn total(state: &State) -> usize {
    state
        .scopes
        .values()
        .flat_map(|scope| scope.buckets.values())
        .map(HashMap::len)
        .sum()
}

fn room(number: usize) -> RankingScope {
    let name = antiphon_protocol::RoomName::parse(&format!("room{number}")).unwrap();
    RankingScope::Room(name)
}

#[test]
fn the_count_of_all_words_is_right_through_every_way_of_dropping() {
    let mut state = State::default();
    for at in 0..10 {
        state.bump(&words(at, &RankingScope::Global, 0..3_000, 1), 0);
        state.bump(&words(at, &room(1), 0..10, 2), 0);
        assert_eq!(state.words, total(&state));
    }
    state.drop_older(5);
    assert_eq!(state.words, total(&state));
    state.shrink(2_000);
    assert_eq!(state.words, total(&state));
    assert!(state.words <= 2_000);
    state.shrink(0);
    assert_eq!((state.words, total(&state)), (0, 0));
}

/// Pitfall 97: however many words are said, so many are kept.
#[test]
fn over_the_bound_of_all_words_the_less_said_half_goes_first() {
    let mut state = State::default();
    for at in 0..4 {
        state.bump(&words(at, &RankingScope::Global, 0..50, 1), 0);
        state.bump(&words(at, &RankingScope::Global, 50..100, 2), 0);
    }
    state.shrink(399);
    assert_eq!(state.words, 200);
    assert!(
        state
            .top(&RankingScope::Global, 0, 1_000)
            .iter()
            .all(|(_, count)| *count == 8)
    );
}

#[test]
fn the_quietest_scope_makes_room_for_a_new_one() {
    let mut state = State::default();
    for number in 0..SCOPES_MAX {
        state.bump(&words(1, &room(number), 0..1, 1), 0);
    }
    state.bump(&words(1, &room(0), 0..1, 1), 0);
    state.bump(&words(1, &RankingScope::Global, 0..1, 1), 0);
    assert_eq!(state.scopes.len(), SCOPES_MAX);
    assert!(state.scopes.contains_key(&room(0)));
    assert!(!state.scopes.contains_key(&room(1)));
    assert_eq!(state.words, total(&state));
}

#[test]
fn counts_stop_at_the_highest_number() {
    let mut state = State::default();
    for at in 0..2 {
        state.bump(&words(at, &RankingScope::Global, 0..1, u64::MAX), 0);
        state.bump(&words(at, &RankingScope::Global, 0..1, u64::MAX), 0);
    }
    assert_eq!(state.top(&RankingScope::Global, 0, 1)[0].1, u64::MAX);
}

//! Random bytes from the operating system; in a simulation, from its seed.

/// `N` bytes fit for tokens and keys.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[cfg(feature = "simulation")]
    if seeded::fill(&mut bytes) {
        return bytes;
    }
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

/// A thread of a simulation draws what its seed says.
#[cfg(feature = "simulation")]
pub mod seeded {
    use std::cell::Cell;

    std::thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From here on this thread draws from a seed, or from the system again.
    pub fn seed(seed: Option<u64>) {
        STATE.set(seed);
    }

    /// Fills from the seed, if there is one. SplitMix64 (Steele, Lea and Flood, "Fast
    /// Splittable Pseudorandom Number Generators", 2014).
    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        let Some(mut state) = STATE.get() else {
            return false;
        };
        for part in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let word = (word ^ (word >> 31)).to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
        STATE.set(Some(state));
        true
    }
}

/// A number below `bound` (0 if `bound` is 0), for jitter; the bias of the remainder does
/// not matter there.
pub fn below(bound: u64) -> u64 {
    if bound == 0 {
        0
    } else {
        u64::from_le_bytes(bytes()) % bound
    }
}

/// `N` random bytes as lower-case hexadecimal.
pub fn hex<const N: usize>() -> String {
    bytes::<N>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A new message id: UUID version 7 (RFC 9562), sortable by time.
pub fn message_id() -> antiphon_protocol::MessageId {
    let made = made_by_simulation().unwrap_or_else(uuid::Uuid::now_v7);
    antiphon_protocol::MessageId(made.to_string())
}

#[cfg(feature = "simulation")]
fn made_by_simulation() -> Option<uuid::Uuid> {
    turmoil::in_simulation().then(|| {
        let ms = crate::clock::unix_ms();
        uuid::Builder::from_unix_timestamp_millis(ms, &bytes()).into_uuid()
    })
}

#[cfg(not(feature = "simulation"))]
const fn made_by_simulation() -> Option<uuid::Uuid> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pitfall 115: ids made by many at once differ, and sort by their time.
    #[test]
    fn message_ids_are_unique_and_sort_by_time() {
        let makers: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5_000).map(|_| message_id().0).collect::<Vec<_>>()))
            .collect();
        let made: Vec<Vec<String>> = makers
            .into_iter()
            .map(|maker| maker.join().expect("no panic"))
            .collect();
        assert!(made.iter().all(|ids| ids.is_sorted()));
        let mut all: Vec<String> = made.into_iter().flatten().collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20_000);
        let first = uuid::Uuid::parse_str(&all[0]).expect("a UUID");
        assert_eq!(first.get_version_num(), 7);
    }
}

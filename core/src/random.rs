//! Random bytes from the operating system.

/// `N` bytes fit for tokens and keys.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
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
    antiphon_protocol::MessageId(uuid::Uuid::now_v7().to_string())
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

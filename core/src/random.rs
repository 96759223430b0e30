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

//! Numbers as the database keeps them: signed, of 64 bits. Only those that fit are stored.

use super::failure::Failure;

/// A number to be stored.
pub(super) fn stored(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::TooLarge(number))
}

/// A stored number; a negative one was never written.
pub(super) fn read(number: i64, collection: &'static str) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::Damaged(collection))
}

/// A bound for comparing with stored numbers, all of which are below the largest.
pub(super) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit of documents; never 0, which would mean none.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_both_ways() {
        assert_eq!(stored(7).unwrap(), 7);
        assert_eq!(stored(i64::MAX as u64).unwrap(), i64::MAX);
        assert!(matches!(stored(1 << 63), Err(Failure::TooLarge(_))));
        assert_eq!(read(7, "x").unwrap(), 7);
        assert!(matches!(read(-1, "x"), Err(Failure::Damaged("x"))));
        assert_eq!((bound(u64::MAX), limit(0)), (i64::MAX, 1));
    }
}

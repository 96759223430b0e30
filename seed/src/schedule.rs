//! When people write: by the hour of the day, more in the evening than before dawn.

use crate::random::Random;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How busy each hour of the day is (UTC).
const HOUR_WEIGHTS: [u64; 24] = [
    3, 2, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 15, 13, 11, 11, 12, 13, 15, 19, 22, 20, 14, 7,
];

/// When the threads of a conversation begin, in order, within `days` until `now_ms`.
pub(crate) fn thread_starts(random: &mut Random, count: usize, days: u32, now_ms: u64) -> Vec<u64> {
    let today = now_ms - now_ms % DAY_MS;
    let mut starts: Vec<u64> = (0..count)
        .map(|_| thread_start(random, days, today))
        .collect();
    for start in &mut starts {
        // What would begin later today began at that hour yesterday.
        if *start >= now_ms {
            *start = start.saturating_sub(DAY_MS);
        }
    }
    starts.sort_unstable();
    starts
}

fn thread_start(random: &mut Random, days: u32, today: u64) -> u64 {
    let days_ago = random.below(u64::from(days));
    let hour = random.weighted(&HOUR_WEIGHTS) as u64;
    let in_hour = random.below(HOUR_MS);
    today.saturating_sub(days_ago * DAY_MS) + hour * HOUR_MS + in_hour
}

/// How long it takes until the next message of a thread, in milliseconds.
pub(crate) fn pause_ms(random: &mut Random) -> u64 {
    random.between(4_000, 90_000)
}

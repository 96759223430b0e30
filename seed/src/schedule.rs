//! When people write: by the hour of the day and the day of the week, more in the evening
//! than before dawn, and never after the anchor.

use crate::random::Random;

const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
/// When a day of chat begins and ends (UTC): in the quietest hour.
const DAWN_MS: u64 = 5 * HOUR_MS;
/// So long after dawn the day counts as begun; an anchor before that belongs to the night.
const DAY_BEGUN_MS: u64 = 4 * HOUR_MS;
/// How busy each hour behind dawn is.
const HOUR_WEIGHTS: [u64; 24] = [
    20, 45, 90, 130, 150, 150, 140, 160, 140, 120, 115, 125, 135, 150, 180, 215, 210, 165, 110, 60,
    25, 12, 8, 8,
];

/// Where the weeks, days and hours of a set are.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    /// Dawn of the first day.
    first_ms: u64,
    days: u64,
    /// How much of the last day is over at the anchor.
    last_day_ms: u64,
}

impl Calendar {
    /// `days` days, of which the last ends at the anchor.
    pub(crate) fn new(anchor_ms: u64, days: u32) -> Self {
        let days = u64::from(days);
        let begun = anchor_ms.saturating_sub(DAWN_MS + DAY_BEGUN_MS);
        let last_ms = begun - begun % DAY_MS + DAWN_MS;
        Self {
            first_ms: last_ms.saturating_sub((days - 1) * DAY_MS),
            days,
            last_day_ms: anchor_ms.saturating_sub(last_ms).min(DAY_MS),
        }
    }

    /// How many days.
    pub(crate) fn days(&self) -> u64 {
        self.days
    }

    /// The end of the last day.
    pub(crate) fn end_ms(&self) -> u64 {
        self.first_ms + (self.days - 1) * DAY_MS + self.last_day_ms
    }

    /// The day of a time, from 0.
    pub(crate) fn day_of(&self, ts_ms: u64) -> u64 {
        (ts_ms.saturating_sub(self.first_ms) / DAY_MS).min(self.days - 1)
    }

    fn is_weekend(&self, day: u64) -> bool {
        // The first of January 1970 was a Thursday.
        let weekday = (self.first_ms / DAY_MS + day + 4) % 7;
        weekday == 0 || weekday == 6
    }
}

/// The hour of the day (UTC).
pub(crate) fn hour_of(ts_ms: u64) -> u64 {
    ts_ms % DAY_MS / HOUR_MS
}

/// When the threads of a conversation begin, in order.
pub(crate) fn thread_starts(
    random: &mut Random,
    calendar: &Calendar,
    weekend_percent: u64,
    count: usize,
) -> Vec<u64> {
    // Days differ: now and then one is very quiet or very busy.
    let mut day_ends = Vec::new();
    let mut sum = 0;
    for day in 0..calendar.days {
        let of_week = if calendar.is_weekend(day) {
            weekend_percent
        } else {
            100
        };
        sum += of_week.max(5) * random.between(45, 155);
        day_ends.push(sum);
    }
    let hours: u64 = HOUR_WEIGHTS.iter().sum();
    let mut starts: Vec<u64> = (0..count)
        .map(|_| {
            let at = random.below(sum);
            let day = day_ends.partition_point(|&end| end <= at) as u64;
            let is_last = day + 1 == calendar.days;
            let in_day = if is_last {
                last_day(random, calendar.last_day_ms)
            } else {
                in_day(random.below(hours), random)
            };
            calendar.first_ms + day * DAY_MS + in_day
        })
        .collect();
    starts.sort_unstable();
    starts
}

/// A time of the day for a place within the sum of the hours' weights.
fn in_day(mut place: u64, random: &mut Random) -> u64 {
    for (hour, &weight) in (0..).zip(&HOUR_WEIGHTS) {
        if place < weight {
            return hour * HOUR_MS + random.below(HOUR_MS);
        }
        place -= weight;
    }
    DAY_MS - 1
}

/// The whole last day happens in the part of it that is over.
fn last_day(random: &mut Random, over_ms: u64) -> u64 {
    let over_hours = usize::try_from(over_ms.div_ceil(HOUR_MS)).expect("at most 24");
    let sum: u64 = HOUR_WEIGHTS[..over_hours].iter().sum();
    let at = in_day(random.below(sum), random);
    // The last hour may be over in part only.
    if at < over_ms {
        at
    } else {
        over_ms - 1 - random.below(over_ms.min(HOUR_MS))
    }
}

/// How long it takes until the next message of a thread, in milliseconds: mostly seconds,
/// sometimes a long while.
pub(crate) fn pause_ms(random: &mut Random, chars: usize) -> u64 {
    let typing = (chars as u64).min(200) * 120;
    let thinking = match random.below(100) {
        0..=54 => random.between(3_000, 25_000),
        55..=84 => random.between(20_000, 120_000),
        85..=95 => random.between(2 * 60_000, 12 * 60_000),
        _ => random.between(12 * 60_000, 55 * 60_000),
    };
    typing + thinking
}

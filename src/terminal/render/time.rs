//! Times as people read them: in the time zone of this machine.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Whose time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// This machine's.
    System,
    /// UTC, for tests.
    #[cfg(test)]
    Utc,
}

/// A day of the calendar.
pub type Day = Date;

impl Zone {
    fn zoned(self, unix_ms: u64) -> Zoned {
        let zone = match self {
            Self::System => TimeZone::system(),
            #[cfg(test)]
            Self::Utc => TimeZone::UTC,
        };
        // What lies outside of the calendar is shown as its beginning.
        let ms = i64::try_from(unix_ms).unwrap_or_default();
        let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(zone)
    }

    /// `HH:MM`.
    pub fn time_of_day(self, unix_ms: u64) -> String {
        self.zoned(unix_ms).strftime("%H:%M").to_string()
    }

    /// The day.
    pub fn day(self, unix_ms: u64) -> Day {
        self.zoned(unix_ms).date()
    }

    /// `HH:MM` today, with the date on another day.
    pub fn stamp(self, unix_ms: u64, today: Day) -> String {
        let at = self.zoned(unix_ms);
        let shown = if at.date() == today {
            at.strftime("%H:%M").to_string()
        } else if at.year() == today.year() {
            at.strftime("%-d %b %H:%M").to_string()
        } else {
            at.strftime("%-d %b %Y %H:%M").to_string()
        };
        shown.trim().to_owned()
    }
}

/// `Saturday, 21 November 2026`.
pub fn day_in_words(day: Day) -> String {
    day.strftime("%A, %-d %B %Y").to_string()
}

//! Text for people: one thing a line, in columns that `awk` can read. What others wrote passes
//! [`sanitize`] first; colors come behind it.

use antiphon_protocol::Message;
use antiphon_protocol::client::{Ack, OnlineUser, PopularReply, Role, RoomMember, RoomSummary};
use owo_colors::OwoColorize;

use crate::terminal::sanitize;

const MS_A_MINUTE: u64 = 60_000;
const MINUTES_A_DAY: u64 = 24 * 60;
/// Years are counted up to here.
const YEAR_MAX: u64 = 9_999;

/// Paints, or leaves plain.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    color: bool,
}

impl Painter {
    /// With or without colors.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    fn dim(self, text: &str) -> String {
        if self.color {
            text.dimmed().to_string()
        } else {
            text.to_owned()
        }
    }

    fn name(self, name: &str) -> String {
        let name = sanitize::line(name);
        if self.color {
            name.cyan().to_string()
        } else {
            name
        }
    }

    /// Day, time (UTC), conversation, name, text; further lines of the text are indented.
    pub fn message(self, message: &Message) -> String {
        let when = self.dim(&date_and_time(message.ts));
        let place = self.dim(&sanitize::line(&message.conversation));
        let name = self.name(message.from.as_str());
        let text = sanitize::text(&message.message);
        format!("{when} {place} {name}  {text}")
    }

    /// A room.
    pub fn room(self, room: &RoomSummary) -> String {
        let mark = if room.joined { "*" } else { " " };
        let topic = self.dim(&sanitize::line(&room.topic));
        let name = self.name(room.room_name.as_str());
        format!("{mark} {name} {} {topic}", room.members)
            .trim_end()
            .to_owned()
    }

    /// Somebody who is on line.
    pub fn online(self, user: &OnlineUser) -> String {
        self.name(user.username.as_str())
    }

    /// A member of a room.
    pub fn member(self, member: &RoomMember) -> String {
        let role = match member.role {
            Role::Owner => " owner",
            Role::Member => "",
        };
        let online = match member.is_online {
            Some(true) => " online",
            Some(false) | None => "",
        };
        let name = self.name(member.username.as_str());
        format!("{name}{}", self.dim(&format!("{role}{online}")))
    }

    /// Words with their counts.
    pub fn popular(self, reply: &PopularReply) -> String {
        let lines = reply.words.chunks_exact(2).map(|pair| {
            let (word, count) = (sanitize::line(&pair[0]), sanitize::line(&pair[1]));
            format!("{count:>8} {word}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A receipt.
    pub fn receipt(self, ack: &Ack) -> String {
        format!("{} {}", sanitize::line(&ack.conversation), ack.seq)
    }
}

/// `YYYY-MM-DD HH:MM` in UTC.
pub fn date_and_time(unix_ms: u64) -> String {
    let minutes = unix_ms / MS_A_MINUTE;
    let (year, month, day) = date(minutes / MINUTES_A_DAY);
    let minute = minutes % MINUTES_A_DAY;
    let (hour, minute) = (minute / 60, minute % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// The date of a day, counted from 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while year < YEAR_MAX && days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    let mut month = 1;
    for length in month_lengths(year) {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    // A time that is nobody's ends up in a thirteenth month, and is shown as it is.
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_lengths(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_400_000, "2000-02-29 00:00"),
            (951_868_799_999, "2000-02-29 23:59"),
            (951_868_800_000, "2000-03-01 00:00"),
            (1_709_164_800_000, "2024-02-29 00:00"),
            (1_735_689_599_000, "2024-12-31 23:59"),
            (4_107_542_400_000, "2100-03-01 00:00"),
        ] {
            assert_eq!(date_and_time(ms), text);
        }
    }
}

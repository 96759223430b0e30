//! The protocol from outside: golden frames, round trips, hostile input, and the examples of
//! docs/protocol.md.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;
mod documentation;
mod golden;
mod plain_text;
mod reply;
mod round_trip;
mod samples;
mod tables;

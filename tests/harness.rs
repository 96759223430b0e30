//! What the integration tests share: the real binary in a temporary folder, a WebSocket client
//! that keeps everything it sees, a socket for broken frames, and waiting for states.

pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod liar;
pub(crate) mod link;
pub(crate) mod netns;
pub(crate) mod process;
pub(crate) mod pty_bytes;
pub(crate) mod raw;
pub(crate) mod real;
pub(crate) mod screens;
pub(crate) mod terminal;
pub(crate) mod wait;

pub(crate) use client::{Client, PASSWORD, is_offline};
pub(crate) use cluster::{Cluster, Options};
pub(crate) use raw::RawSocket;
pub(crate) use wait::wait_until;

use std::time::Duration;

/// No step of a healthy cluster takes so long, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Settings under which the message rate is not in the way.
pub(crate) const FAST: &[(&str, &str)] = &[
    ("limits.messages_per_second", "100000"),
    ("limits.message_burst", "100000"),
    ("limits.handshakes_per_second", "10000"),
];

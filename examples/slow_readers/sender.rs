//! Those who talk: each message at its time, whatever became of those before.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use antiphon_core::clock;
use serde_json::json;
use tokio::sync::watch;

use crate::phases::Phase;
use crate::record::Stamp;
use crate::serve::{ROOM, SENDERS, sender};
use crate::socket::{Came, Socket};

/// What became of one sender's messages.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sent {
    /// Told to be stored.
    pub(crate) acked: u64,
    /// Anything else.
    pub(crate) failed: u64,
}

/// Words, so that the filter and the search index have what they have in life.
const WORDS: &str = "we meet at the old bridge tomorrow evening bring the lanterns and something \
                     warm to drink the others know the way and will wait for us there ";

/// Sends until the run is over and everything is answered.
pub(crate) async fn send(
    addr: SocketAddr,
    own: usize,
    rate: u64,
    chars: usize,
    mut phases: watch::Receiver<Phase>,
) -> Sent {
    let refused = AtomicU64::new(0);
    let mut socket = Socket::login(addr, &sender(own), 0, &mut |_| {}, &refused).await;
    let filler: String = WORDS.chars().cycle().take(chars).collect();
    let between = Duration::from_secs(1) * SENDERS as u32 / rate as u32;
    let mut due = clock::now() + between * own as u32 / SENDERS as u32;
    let (mut asked, mut sent) = (0, Sent::default());
    loop {
        let phase = *phases.borrow_and_update();
        if phase.is_over && sent.acked + sent.failed == asked {
            return sent;
        }
        tokio::select! {
            biased;
            () = clock::sleep_until(due), if !phase.is_over => {
                asked += 1;
                let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                let stamp = Stamp {
                    phase: phase.number,
                    due_us: clock::elapsed_us().saturating_sub(late),
                    number: asked * SENDERS as u64 + own as u64,
                };
                let text = stamp.text(&filler);
                let client_id = format!("sender{own}-message{asked}");
                let data = json!({"roomName": ROOM, "message": text, "clientId": client_id});
                let frame = json!({"id": asked, "action": "chat", "data": data});
                socket.send(frame.to_string()).await.expect("a healthy sender stays connected");
                due += between;
            }
            came = socket.next() => match came {
                Came::Frame(frame) if !frame.starts_with("{\"re\"") => {}
                Came::Frame(frame) if frame.contains("\"action\":\"ack\"") => sent.acked += 1,
                Came::Frame(_) => sent.failed += 1,
                Came::End(code) => panic!("a sender was closed with {code:?}"),
            },
            _ = phases.changed() => {}
        }
    }
}

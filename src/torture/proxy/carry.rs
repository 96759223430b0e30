//! One connection through a proxy.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::net::{self, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, watch};

use super::{Dice, Flow, Lane, State, Way};

const READ_BYTES: usize = 16 * 1024;
/// What may be under way in one direction, times [`READ_BYTES`]: with delay, more than one read.
const CHUNKS_MAX: usize = 64;
/// Behind each piece of a write that is cut into pieces.
const PIECE_PAUSE: Duration = Duration::from_millis(1);
/// A narrow way is written to about so often a second.
const WRITES_A_SECOND: u64 = 20;

type StateRx = watch::Receiver<State>;

/// The connection is to be reset.
struct Broken;

/// Bytes, or the end, and when they are due.
type Late = (Instant, Option<Vec<u8>>);

/// Which lane of the way.
type Side = fn(&Way) -> &Lane;

fn lane(state_rx: &StateRx, side: Side) -> Lane {
    *side(&state_rx.borrow().way)
}

/// Carries until both sides have ended, or something broke.
pub(super) async fn carry(near: TcpStream, mut state_rx: StateRx, dice: [Dice; 2]) {
    let State {
        generation, ends, ..
    } = *state_rx.borrow_and_update();
    let mut stale_rx = state_rx.clone();
    let stale = async move {
        let _ = stale_rx.wait_for(|s| s.generation != generation).await;
    };
    tokio::pin!(stale);
    let far = tokio::select! {
        biased;
        () = &mut stale => None,
        far = connect(&mut state_rx) => far,
    };
    let Some(far) = far else {
        return net::reset(near);
    };
    // Whoever wants small writes to leave at once has said so at the ends only.
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let (mut near_read, mut near_write) = split(near);
    let (mut far_read, mut far_write) = split(far);
    let [dice_there, dice_back] = dice;
    let there = Pump {
        side: |way| &way.there,
        state_rx: state_rx.clone(),
        ends,
        is_reply: false,
    };
    let back = Pump {
        side: |way| &way.back,
        state_rx,
        ends,
        is_reply: true,
    };
    let ended = tokio::select! {
        biased;
        () = &mut stale => Err(Broken),
        ended = async { tokio::try_join!(
            there.run(&mut near_read, &mut far_write, dice_there),
            back.run(&mut far_read, &mut near_write, dice_back),
        ) } => ended.map(drop),
    };
    if ended.is_err() {
        net::reset(near_read.unsplit(near_write));
        net::reset(far_read.unsplit(far_write));
    }
}

/// The far end, once the way is passable; `None` if there is none.
async fn connect(state_rx: &mut StateRx) -> Option<TcpStream> {
    let open = |state: &State| state.way.refuses || state.way.there.flow == Flow::Open;
    let state = state_rx.wait_for(open).await.ok()?.clone();
    let target = state.target.filter(|_| !state.way.refuses)?;
    TcpStream::connect(target.as_str()).await.ok()
}

struct Pump {
    side: Side,
    state_rx: StateRx,
    ends: u64,
    is_reply: bool,
}

impl Pump {
    async fn run(
        self,
        from: &mut ReadHalf<TcpStream>,
        to: &mut WriteHalf<TcpStream>,
        dice: Dice,
    ) -> Result<(), Broken> {
        let (late_tx, late_rx) = mpsc::channel(CHUNKS_MAX);
        let read = self.read(from, late_tx, dice);
        tokio::try_join!(read, self.write(to, late_rx)).map(drop)
    }

    /// Waits until the lane is not so, and tells how everything is then.
    async fn is_not(&self, flow: Flow) -> Way {
        let mut state_rx = self.state_rx.clone();
        let changed = state_rx.wait_for(|state| (self.side)(&state.way).flow != flow);
        // Without a proxy there is nothing to wait for; its tasks end with it.
        changed.await.map(|state| state.way).unwrap_or_default()
    }

    /// Waits until the connection is to end.
    async fn is_ended(&self) {
        let mut state_rx = self.state_rx.clone();
        let _ = state_rx.wait_for(|state| state.ends != self.ends).await;
    }

    async fn read(
        &self,
        from: &mut ReadHalf<TcpStream>,
        late_tx: mpsc::Sender<Late>,
        mut dice: Dice,
    ) -> Result<(), Broken> {
        let mut buffer = vec![0; READ_BYTES];
        let mut has_lost = false;
        let mut last_due = clock::now();
        loop {
            let length = tokio::select! {
                biased;
                _mended = self.is_not(Flow::Lost), if has_lost => return Err(Broken),
                () = self.is_ended() => 0,
                read = from.read(&mut buffer) => read.map_err(|_| Broken)?,
            };
            let lane = lane(&self.state_rx, self.side);
            if lane.flow == Flow::Lost {
                has_lost = true;
                if length == 0 {
                    // The end is lost, too.
                    self.is_not(Flow::Lost).await;
                }
                continue;
            }
            let jitter_ms = u64::try_from(lane.jitter.as_millis()).unwrap_or(u64::MAX);
            let jitter = Duration::from_millis(dice.between(0, jitter_ms));
            let slow_close = match length {
                0 => lane.slow_close,
                _ => Duration::ZERO,
            };
            last_due = last_due.max(clock::now() + lane.delay + jitter + slow_close);
            let bytes = (length > 0).then(|| buffer[..length].to_vec());
            let ended = bytes.is_none();
            let sent = late_tx.send((last_due, bytes)).await;
            sent.map_err(|_| Broken)?;
            if ended {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        to: &mut WriteHalf<TcpStream>,
        mut late_rx: mpsc::Receiver<Late>,
    ) -> Result<(), Broken> {
        let mut budget = Budget::default();
        while let Some((due, bytes)) = late_rx.recv().await {
            clock::sleep_until(due).await;
            let way = self.is_not(Flow::Held).await;
            let cut_after = way.cut_after.filter(|_| self.is_reply);
            let Some(bytes) = bytes else {
                return to.shutdown().await.map_err(|_| Broken);
            };
            let allowed = budget.take(cut_after, bytes.len());
            self.write_pieces(to, &bytes[..allowed]).await?;
            if allowed < bytes.len() {
                return Err(Broken);
            }
        }
        Ok(())
    }

    async fn write_pieces(
        &self,
        to: &mut WriteHalf<TcpStream>,
        mut bytes: &[u8],
    ) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let lane = lane(&self.state_rx, self.side);
            let (length, pause) = piece(&lane, bytes.len());
            let (now, rest) = bytes.split_at(length);
            to.write_all(now).await.map_err(|_| Broken)?;
            bytes = rest;
            if !pause.is_zero() {
                clock::sleep(pause).await;
            }
        }
        Ok(())
    }
}

/// How much is written at once, and the pause behind it.
fn piece(lane: &Lane, length: usize) -> (usize, Duration) {
    let narrow = lane.bytes_per_second.map_or(usize::MAX, |rate| {
        usize::try_from(rate.get() / WRITES_A_SECOND).map_or(usize::MAX, |bytes| bytes.max(1))
    });
    let sliced = lane.piece_bytes.map_or(usize::MAX, NonZeroUsize::get);
    let length = length.min(narrow).min(sliced);
    let takes = |rate: NonZeroU64| {
        Duration::from_nanos((length as u64).saturating_mul(1_000_000_000) / rate.get())
    };
    let pause = lane.bytes_per_second.map_or(Duration::ZERO, takes);
    let between = lane.piece_bytes.map_or(Duration::ZERO, |_| PIECE_PAUSE);
    (length, pause.max(between))
}

/// Counts the bytes of replies since a connection is to be cut.
#[derive(Default)]
struct Budget {
    passed: u64,
}

impl Budget {
    /// How many of the next bytes may pass.
    fn take(&mut self, cut_after: Option<u64>, length: usize) -> usize {
        let Some(cut_after) = cut_after else {
            self.passed = 0;
            return length;
        };
        let left = usize::try_from(cut_after.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        let allowed = length.min(left);
        self.passed += allowed as u64;
        allowed
    }
}

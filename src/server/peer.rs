//! Links between servers: real sockets on the cluster port, authenticated frame by frame,
//! fenced by the epoch. A follower dials the leader; the leader serves its own sessions
//! through the same frames, over a queue in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::clock;
use antiphon_core::dispatcher::{Dispatcher, Handler};
use antiphon_core::interceptor::before;
use antiphon_core::mutant::{self, Mutant};
use antiphon_core::net::{FrameReader, FrameWriter, NetError};
use antiphon_protocol::NodeId;
use antiphon_protocol::peer::{PEER_VERSION, PeerEnvelope, PeerFrame};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::leader::Leader;
use super::metrics::Metrics;
use super::node::Node;
use super::room::LinkId;
use super::settings::{HANDSHAKE_TIMEOUT, PEER_PING_INTERVAL, PEER_SILENCE_MAX};

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    /// The connection broke, or its frames were not authentic.
    #[error("the link broke")]
    Net(#[from] NetError),
    /// The other side closed it.
    #[error("the other side closed the link")]
    Closed,
    /// The other side said nothing for too long.
    #[error("the other side is silent")]
    Silent,
    /// A frame that is not one of ours.
    #[error("a frame could not be read")]
    Malformed(#[source] serde_json::Error),
    /// The other side speaks another version, or did not introduce itself.
    #[error("the other side did not introduce itself as version {PEER_VERSION}")]
    Version,
    /// The other side is of an older term, or this one is.
    #[error("epoch {theirs} meets epoch {ours}")]
    StaleEpoch {
        /// The other side's term.
        theirs: u64,
        /// The newest term known here.
        ours: u64,
    },
    /// The leader resigned.
    #[error("the leader resigned")]
    Goodbye,
    /// This side ended it.
    #[error("ended on purpose")]
    Stopped,
}

/// What a frame is handled with.
pub(super) struct LinkContext {
    /// The newest term known here; rises.
    pub(super) newest: Arc<AtomicU64>,
}

pub(super) type LinkDispatcher = Dispatcher<LinkContext, PeerEnvelope, (), LinkEnd>;

/// The first interceptor of every link: frames of an older term go no further, and a newer
/// term is remembered.
fn fence(context: &mut LinkContext, envelope: &mut PeerEnvelope) -> Result<(), LinkEnd> {
    let ours = context.newest.fetch_max(envelope.epoch, Ordering::AcqRel);
    if envelope.epoch < ours && !mutant::is_on(Mutant::NoFence) {
        return Err(LinkEnd::StaleEpoch {
            theirs: envelope.epoch,
            ours,
        });
    }
    Ok(())
}

fn announced(_: &mut LinkContext, envelope: &mut PeerEnvelope) -> Result<(), LinkEnd> {
    if let PeerFrame::StaleEpoch { current } = &envelope.frame {
        return Err(LinkEnd::StaleEpoch {
            theirs: *current,
            ours: envelope.epoch,
        });
    }
    if matches!(envelope.frame, PeerFrame::Goodbye) {
        Err(LinkEnd::Goodbye)
    } else {
        Ok(())
    }
}

fn dispatcher(
    handler: impl Handler<LinkContext, PeerEnvelope, (), LinkEnd> + 'static,
) -> LinkDispatcher {
    Dispatcher::new(handler)
        .around(before("epoch_fence", fence))
        .around(before("ended", announced))
}

/// Frames of a follower, handled by the leader.
struct LeaderSide {
    leader: Arc<Leader>,
    link: LinkId,
    node: NodeId,
    metrics: Metrics,
}

#[async_trait]
impl Handler<LinkContext, PeerEnvelope, (), LinkEnd> for LeaderSide {
    async fn call(&self, context: &mut LinkContext, envelope: PeerEnvelope) -> Result<(), LinkEnd> {
        let newest = context.newest.load(Ordering::Acquire);
        if newest > self.leader.epoch() {
            warn!(
                epoch = self.leader.epoch(),
                newest, "a follower knows a newer leader, stepping down"
            );
            self.leader.scope().stop();
            return Err(LinkEnd::StaleEpoch {
                theirs: newest,
                ours: self.leader.epoch(),
            });
        }
        self.metrics.peer_frame(envelope.frame.name());
        self.leader
            .receive(self.link, &self.node, envelope.frame)
            .await;
        Ok(())
    }
}

/// The dispatcher of a link on the leader.
pub(super) fn leader_side(
    leader: Arc<Leader>,
    link: LinkId,
    node: NodeId,
    metrics: Metrics,
) -> LinkDispatcher {
    dispatcher(LeaderSide {
        leader,
        link,
        node,
        metrics,
    })
}

/// Frames of the leader, handled by a follower.
struct FollowerSide(Arc<Node>);

#[async_trait]
impl Handler<LinkContext, PeerEnvelope, (), LinkEnd> for FollowerSide {
    async fn call(&self, _: &mut LinkContext, envelope: PeerEnvelope) -> Result<(), LinkEnd> {
        self.0.take_from_leader(envelope.frame);
        Ok(())
    }
}

/// The dispatcher of a link on a follower.
pub(super) fn follower_side(node: Arc<Node>) -> LinkDispatcher {
    dispatcher(FollowerSide(node))
}

/// Both directions of a connected socket.
pub(super) struct Wire<R, W> {
    pub(super) reader: FrameReader<R>,
    pub(super) writer: FrameWriter<W>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Wire<R, W> {
    /// Says who speaks, and learns who answers.
    pub(super) async fn introduce(
        &mut self,
        node: NodeId,
        epoch: u64,
    ) -> Result<(NodeId, u64), LinkEnd> {
        let hello = PeerFrame::Hello {
            node,
            version: PEER_VERSION,
        };
        self.writer.feed(&encode(epoch, hello)).await?;
        self.writer.flush().await?;
        let read = clock::timeout(HANDSHAKE_TIMEOUT, self.reader.read());
        let bytes = read
            .await
            .map_err(|_| LinkEnd::Silent)??
            .ok_or(LinkEnd::Closed)?;
        let envelope = decode(&bytes)?;
        if let PeerFrame::Hello {
            node,
            version: PEER_VERSION,
        } = envelope.frame
        {
            Ok((node, envelope.epoch))
        } else {
            Err(LinkEnd::Version)
        }
    }

    /// Moves frames both ways until the link ends.
    pub(super) async fn run(
        self,
        frames: mpsc::Receiver<PeerFrame>,
        dispatcher: &LinkDispatcher,
        newest: Arc<AtomicU64>,
        epoch: u64,
        stop: CancellationToken,
    ) -> LinkEnd {
        let Self { reader, writer } = self;
        let context = LinkContext { newest };
        tokio::select! {
            end = receive(reader, dispatcher, context) => end,
            end = transmit(writer, frames, epoch) => end,
            () = stop.cancelled() => LinkEnd::Stopped,
        }
    }
}

async fn receive<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    dispatcher: &LinkDispatcher,
    mut context: LinkContext,
) -> LinkEnd {
    loop {
        let bytes = match clock::timeout(PEER_SILENCE_MAX, reader.read()).await {
            Err(_) => return LinkEnd::Silent,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(None)) => return LinkEnd::Closed,
            Ok(Ok(Some(bytes))) => bytes,
        };
        let handled = match decode(&bytes) {
            Ok(envelope) => dispatcher.dispatch(&mut context, envelope).await,
            Err(end) => Err(end),
        };
        if let Err(end) = handled {
            return end;
        }
    }
}

/// Writes whatever is queued, then flushes once.
async fn transmit<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    mut frames: mpsc::Receiver<PeerFrame>,
    epoch: u64,
) -> LinkEnd {
    let mut pings = clock::interval(PEER_PING_INTERVAL);
    loop {
        let first = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            _ = pings.tick() => Some(PeerFrame::Ping),
        };
        let Some(first) = first else {
            let _ = writer.close().await;
            return LinkEnd::Stopped;
        };
        let mut next = Some(first);
        while let Some(frame) = next {
            if let Err(error) = writer.feed(&encode(epoch, frame)).await {
                return error.into();
            }
            next = frames.try_recv().ok();
        }
        if let Err(error) = writer.flush().await {
            return error.into();
        }
    }
}

fn encode(epoch: u64, frame: PeerFrame) -> Vec<u8> {
    let envelope = PeerEnvelope { epoch, frame };
    serde_json::to_vec(&envelope).expect("frames have string keys and no failing Serialize")
}

fn decode(bytes: &[u8]) -> Result<PeerEnvelope, LinkEnd> {
    serde_json::from_slice(bytes).map_err(LinkEnd::Malformed)
}

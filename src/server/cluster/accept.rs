//! The cluster port: followers' links to the leader that this server is, if it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::net::{NetError, Side, handshake};
use antiphon_core::net::{TcpListener, TcpStream};
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::peer::PEER_FRAME_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Cluster, HANDSHAKES_MAX, LEADER_GRACE, Target};
use crate::server::leader::GOODBYE_GRACE;
use crate::server::peer::{LinkEnd, Wire, leader_side};
use crate::server::room::Outbox;
use crate::server::settings::{HANDSHAKE_TIMEOUT, PEER_QUEUE_DEPTH};

impl Cluster {
    /// Accepts followers' links; whoever does not hold the key gets nothing.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                biased;
                () = self.scope.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let cluster = Arc::clone(&self);
                    task::spawn(&self.scope, TaskKind::PeerLink, async move {
                        let end = cluster.serve_link(stream, permit).await;
                        debug!(%from, error = %ErrorChain(&end), "cluster link ended");
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept a cluster link");
                    clock::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// One follower's link, until it ends; the permit is for its handshake.
    async fn serve_link(&self, stream: TcpStream, permit: OwnedSemaphorePermit) -> LinkEnd {
        if let Err(error) = stream.set_nodelay(true) {
            return NetError::Io(error).into();
        }
        let leader = match &*self.target.borrow() {
            Target::Here(leader) => Arc::clone(leader),
            Target::Nowhere | Target::There(..) => return LinkEnd::Goodbye,
        };
        let key = &self.node.settings.cluster_key;
        let welcome = async {
            let (reader, writer) =
                handshake(stream, Side::Acceptor, key, PEER_FRAME_BYTES_MAX).await?;
            let mut wire = Wire { reader, writer };
            let (node, known) = wire.introduce(self.node.id(), leader.epoch()).await?;
            if known > leader.epoch() {
                self.node.newest_epoch.fetch_max(known, Ordering::AcqRel);
                warn!(
                    epoch = leader.epoch(),
                    known, "a follower knows a newer leader, stepping down"
                );
                leader.scope().stop();
                return Err(LinkEnd::StaleEpoch {
                    theirs: known,
                    ours: leader.epoch(),
                });
            }
            Ok::<_, LinkEnd>((wire, node))
        };
        let (wire, node) = match clock::timeout(HANDSHAKE_TIMEOUT, welcome).await {
            Err(_) => return LinkEnd::Silent,
            Ok(Err(end)) => {
                if matches!(end, LinkEnd::Net(NetError::WrongKey | NetError::NotAPeer)) {
                    warn!(error = %ErrorChain(&end), "refused a connection on the cluster port");
                }
                return end;
            }
            Ok(Ok(connected)) => connected,
        };
        drop(permit);
        let (down_tx, down_rx) = mpsc::channel(PEER_QUEUE_DEPTH);
        let stop = CancellationToken::new();
        let outbox = Outbox {
            node: node.clone(),
            frames: down_tx,
            drop_link: stop.clone(),
            is_local: false,
        };
        let link = leader.open_link(outbox);
        if leader.scope().is_stopping() {
            // Its goodbyes may be said already.
            leader.close_link(link).await;
            return LinkEnd::Goodbye;
        }
        info!(%node, "a follower linked");
        let metrics = self.node.metrics.clone();
        let dispatcher = leader_side(Arc::clone(&leader), link, node.clone(), metrics);
        let newest = Arc::clone(&self.node.newest_epoch);
        // A leader that stops still says what its rooms have written, and goodbye; the follower
        // then ends the link.
        let overdue = async {
            self.scope.stopping().await;
            clock::sleep(LEADER_GRACE + GOODBYE_GRACE).await;
        };
        let end = tokio::select! {
            end = wire.run(down_rx, &dispatcher, newest, leader.epoch(), stop) => end,
            () = overdue => LinkEnd::Stopped,
        };
        leader.close_link(link).await;
        end
    }
}

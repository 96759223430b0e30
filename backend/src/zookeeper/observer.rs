//! Who is there and who leads, as whole snapshots, over a session of its own.
//!
//! A folder is read between two looks at the zxid of its last change: if that is the same
//! before and after, what was read belongs together. A snapshot of an older zxid than the
//! published one never replaces it. A child watch on each folder says when to read again; a new
//! connection and a slow tick look at the zxids too, since watches get lost in the driver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock;
use antiphon_core::contacts::Asker;
use antiphon_core::contract::{ClusterView, Leader, Member};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::NodeId;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::address::Address;
use super::client::{Bell, Call, Client, Fault, epoch};
use super::layout::{Candidate, Layout, unescaped};
use super::record::Tagged;
use super::relay::SessionState;

/// Times that a folder is read anew because it changed meanwhile; then the next tick does.
const READS_MAX: usize = 8;
/// The slow tick comes so often within a session timeout.
const TICK_PARTS: u32 = 4;
/// So many ticks without an answer are silence.
const SILENT_TICKS: u32 = 2;
/// More servers than a cluster has are not read.
const MEMBERS_MAX: usize = 1_024;
const RECONNECT_BASE: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(2);
const RECONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// When a folder was made, by zxid and by clock, and when it last changed. A folder that was
/// made anew is another one; in an ensemble that lost its data zxids begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    made: (i64, i64),
    changed: i64,
}

/// One watched folder.
#[derive(Debug)]
struct Folder {
    path: String,
    bell: Arc<Bell>,
    seen: Option<Stamp>,
}

/// What to do about a folder after a look at its stamp.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing has changed, and the watch is set.
    Same,
    /// To be read.
    Read,
    /// The server that was asked lags behind.
    Stale,
}

impl Folder {
    fn new(path: String, rung: &Arc<Notify>) -> Self {
        Self {
            path,
            bell: Bell::new(rung),
            seen: None,
        }
    }

    fn look(&self, now: Stamp, connection: u64) -> Look {
        match self.seen {
            Some(seen) if seen == now && self.bell.is_set(connection) => Look::Same,
            Some(seen) if seen.made == now.made && now.changed < seen.changed => Look::Stale,
            Some(_) | None => Look::Read,
        }
    }
}

/// Follows the folders and publishes views.
pub(super) struct Observer {
    address: Address,
    layout: Layout,
    timeout: Duration,
    members: Folder,
    election: Folder,
    rung: Arc<Notify>,
    snapshot: ClusterView,
    view: watch::Sender<ClusterView>,
    asker: Asker,
}

impl Observer {
    pub(super) fn new(
        address: Address,
        timeout: Duration,
        view: watch::Sender<ClusterView>,
        asker: Asker,
    ) -> Self {
        let (layout, rung) = (Layout::new(&address.root), Arc::new(Notify::new()));
        Self {
            members: Folder::new(layout.members(), &rung),
            election: Folder::new(layout.election(), &rung),
            snapshot: ClusterView::default(),
            address,
            layout,
            timeout,
            rung,
            view,
            asker,
        }
    }

    /// Reads whatever has changed, and publishes it.
    pub(super) async fn refresh(&mut self, client: &Client) -> Call<()> {
        self.refresh_members(client).await?;
        self.refresh_leader(client).await?;
        self.view.send_if_modified(|view| {
            let changes = *view != self.snapshot;
            if changes {
                view.clone_from(&self.snapshot);
            }
            changes
        });
        Ok(())
    }

    async fn refresh_members(&mut self, client: &Client) -> Call<()> {
        for _ in 0..READS_MAX {
            let Some((before, names)) = open(&self.layout, &self.members, client).await? else {
                return Ok(());
            };
            let mut members = BTreeMap::new();
            for node in names.into_iter().take(MEMBERS_MAX) {
                if let Some(member) = read_member(&self.members.path, &node, client).await? {
                    members.insert(member.id.name.clone(), member);
                }
            }
            if stamp(&self.layout, &self.members.path, client).await? == before {
                self.members.seen = Some(before);
                self.snapshot.members = members;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn refresh_leader(&mut self, client: &Client) -> Call<()> {
        for _ in 0..READS_MAX {
            let Some((before, nodes)) = open(&self.layout, &self.election, client).await? else {
                return Ok(());
            };
            let leader = match Candidate::in_order(&nodes).into_iter().next() {
                None => None,
                Some(first) => match client.exists(&self.layout.listed(&first)).await? {
                    None => continue,
                    Some(stat) => Some(Leader {
                        id: first.id,
                        epoch: epoch(client.epoch_base(&self.layout).await?, stat.czxid)?,
                    }),
                },
            };
            if stamp(&self.layout, &self.election.path, client).await? == before {
                self.election.seen = Some(before);
                self.snapshot.leader = leader;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Follows over one session after the other, until the scope stops.
    pub(super) async fn run(mut self, first: Client, scope: Shutdown) {
        let mut backoff = Backoff::new(RECONNECT_BASE, RECONNECT_MAX);
        let mut client = Some(first);
        let mut heard = clock::now();
        while !scope.is_stopping() {
            if let Some(client) = client.take() {
                backoff.reset();
                heard = self.follow(&client, &scope, heard).await;
                if scope.is_stopping() {
                    let _ = client.close().await;
                    return;
                }
                info!("the session that watches the cluster is over, opening another");
            }
            let connected = Client::connect(&self.address, self.timeout, RECONNECT_PATIENCE).await;
            match connected {
                Ok(connected) => client = Some(connected),
                Err(fault) => {
                    warn!(error = %ErrorChain(&fault), "can't watch the cluster");
                    self.asker.silent(heard);
                    tokio::select! {
                        () = clock::sleep(backoff.next_delay()) => {}
                        () = scope.stopping() => return,
                    }
                }
            }
        }
    }

    /// Follows over one session, until it is over or the scope stops; when it was last heard.
    async fn follow(
        &mut self,
        client: &Client,
        scope: &Shutdown,
        mut heard: clock::Instant,
    ) -> clock::Instant {
        let tick = client.timeout() / TICK_PARTS;
        let mut state = client.state();
        // A connection of another session may have the same number.
        self.members.bell.set(0);
        self.election.bell.set(0);
        loop {
            state.mark_unchanged();
            let asked = clock::now();
            match self.refresh(client).await {
                Ok(()) => {
                    heard = asked;
                    self.asker.answered();
                }
                Err(Fault::Ended) => return heard,
                Err(fault) => {
                    if !fault.passes() {
                        warn!(error = %ErrorChain(&fault), "can't read the cluster's state");
                    }
                    if heard.elapsed() > tick * SILENT_TICKS {
                        self.asker.silent(heard);
                    }
                }
            }
            tokio::select! {
                () = scope.stopping() => return heard,
                () = client.ended() => return heard,
                () = self.rung.notified() => {}
                _ = state.changed() => {}
                () = clock::sleep(tick) => {}
            }
        }
    }
}

/// A folder's stamp; the folder is made if it is absent.
async fn stamp(layout: &Layout, path: &str, client: &Client) -> Call<Stamp> {
    for _ in 0..READS_MAX {
        if let Some(stat) = client.exists(path).await? {
            return Ok(Stamp {
                made: (stat.czxid, stat.ctime),
                changed: stat.pzxid,
            });
        }
        client.make_folders(&layout.folders()).await?;
    }
    Err(Fault::NoNode)
}

/// What a folder has, with its stamp from before, if it has to be read.
async fn open(
    layout: &Layout,
    folder: &Folder,
    client: &Client,
) -> Call<Option<(Stamp, Vec<String>)>> {
    let connection = match *client.state().borrow() {
        SessionState::Connected(connection) => connection.number,
        SessionState::Connecting | SessionState::Ended => return Err(Fault::Away),
    };
    let before = stamp(layout, &folder.path, client).await?;
    match folder.look(before, connection) {
        Look::Same | Look::Stale => Ok(None),
        Look::Read => {
            let children = if folder.bell.is_set(connection) {
                client.children(&folder.path).await?
            } else {
                folder.bell.set(connection);
                let watched = client.children_watched(&folder.path, &folder.bell).await;
                watched.inspect_err(|_| folder.bell.set(0))?
            };
            Ok(Some((before, children)))
        }
    }
}

/// A member by its node; `None` if the node is gone or is not one of ours.
async fn read_member(folder: &str, node: &str, client: &Client) -> Call<Option<Member>> {
    let (bytes, stat) = match client.data(&format!("{folder}/{node}")).await {
        Ok(found) => found,
        Err(Fault::NoNode) => return Ok(None),
        Err(Fault::NoAuth) => {
            warn!(node, "a member's node can't be read with this secret");
            return Ok(None);
        }
        Err(fault) => return Err(fault),
    };
    let record = match Tagged::decode(&bytes) {
        Ok(tagged) => tagged.record,
        Err(error) => {
            warn!(node, error = %ErrorChain(&error), "skipping a member that can't be read");
            return Ok(None);
        }
    };
    if unescaped(node).as_ref() != Some(&record.name) {
        warn!(node, "skipping a member whose node has another name");
        return Ok(None);
    }
    Ok(Some(Member {
        id: NodeId {
            name: record.name.clone(),
            incarnation: stat.czxid.unsigned_abs(),
        },
        record,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_snapshot_is_not_read_and_a_folder_made_anew_is() {
        let mut folder = Folder::new("/m".to_owned(), &Arc::new(Notify::new()));
        let at = |made, changed| Stamp {
            made: (1, made),
            changed,
        };
        assert_eq!(folder.look(at(1, 5), 1), Look::Read);
        folder.seen = Some(at(1, 5));
        assert_eq!(folder.look(at(1, 5), 1), Look::Read, "no watch yet");
        folder.bell.set(1);
        assert_eq!(folder.look(at(1, 5), 1), Look::Same);
        assert_eq!(folder.look(at(1, 5), 2), Look::Read, "the watch was lost");
        assert_eq!(folder.look(at(1, 6), 1), Look::Read);
        assert_eq!(folder.look(at(1, 4), 1), Look::Stale);
        assert_eq!(folder.look(at(2, 4), 1), Look::Read);
    }
}

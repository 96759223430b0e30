//! What this server's users may lack of their direct conversations. A delivery that is on its
//! way between two servers is lost with their link, or with the server that wrote the message.
//! So whenever a link to a leader begins, or a server is gone, every user here is told where
//! each of its direct conversations stands, as at a login; the client asks for what it lacks.
//! What is written later is told by its writer (`direct.rs`), what rooms write by the leader.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendResult, ClusterView};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::UserName;
use antiphon_protocol::peer::Delivery;
use tracing::debug;

use super::fan_out::position_frame;
use super::node::Node;
use super::room::raw;

/// Before a store that failed is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Whether a server of an earlier view is gone.
pub(super) fn is_anybody_gone(before: &ClusterView, now: &ClusterView) -> bool {
    let is_here = |name: &String| now.members.get(name).map(|member| &member.id);
    let mut before = before.members.iter();
    before.any(|(name, member)| is_here(name) != Some(&member.id))
}

/// Tells everybody, whenever it may be needed. One look at the log at a time, so that clients
/// that ask something themselves go first.
pub(super) async fn keep_told(node: Arc<Node>) {
    loop {
        node.may_lack.notified().await;
        if mutant::is_on(Mutant::NoPositioning) {
            continue;
        }
        for user in node.sessions.users() {
            while let Err(error) = tell(&node, &user).await {
                debug!(error = %ErrorChain(&error), "could not look up direct conversations");
                clock::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn tell(node: &Node, user: &UserName) -> BackendResult<()> {
    let archive = &node.backends.archive;
    for conversation in archive.direct_conversations(user).await? {
        if let Some(tail) = archive.tail(&conversation).await? {
            let frame = position_frame(conversation.name_for(user), tail.seq);
            let delivery = Delivery {
                frame: raw(frame),
                own: None,
            };
            node.fan_out.to_user(user, &delivery, None);
        }
    }
    Ok(())
}

//! Registration, membership, election.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_protocol::NodeId;
use tokio::sync::watch;

use super::watched;
use crate::contract::{ClusterView, Contact, Coordinator, Leadership, NodeRecord, Registration};

/// Every promise.
pub async fn all<Fut: Future<Output = Arc<dyn Coordinator>>>(make: impl Fn() -> Fut) {
    a_registration_is_in_the_view_as_it_was_told(&*make().await).await;
    a_service_that_answers_is_in_contact(&*make().await).await;
    incarnations_of_a_name_rise(&*make().await).await;
    a_new_registration_of_a_name_replaces_the_old_one(&*make().await).await;
    what_a_replaced_registration_does_leaves_the_new_one_alone(&*make().await).await;
    a_candidate_leads_and_the_view_says_so(&*make().await).await;
    who_does_not_campaign_is_not_elected(&*make().await).await;
    resigning_elects_the_next_and_leaves_a_member(&*make().await).await;
    a_follower_that_resigns_is_not_elected_later(&*make().await).await;
    deregistering_leaves_at_once_and_elects_the_next(&*make().await).await;
    a_dropped_registration_ends_with_its_leadership(&*make().await).await;
    a_replaced_leader_is_told_and_another_is_elected(&*make().await).await;
    without_candidates_there_is_no_leader(&*make().await).await;
    an_epoch_has_one_leader_and_epochs_rise(&*make().await).await;
}

fn record(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        cluster_addr: format!("[::1]:7{:03}", name.len()),
        client_host: "2001:db8::1".to_owned(),
        client_port: 9_000,
    }
}

async fn join(coordinator: &dyn Coordinator, name: &str) -> Arc<dyn Registration> {
    coordinator
        .register(record(name))
        .await
        .expect("a registration")
}

async fn stand(registration: &dyn Registration) -> watch::Receiver<Leadership> {
    registration.campaign().await.expect("a candidacy")
}

async fn elected(who: &str, receiver: &mut watch::Receiver<Leadership>) -> u64 {
    let is_leader = |leadership: &Leadership| matches!(leadership, Leadership::Leader { .. });
    match watched(&format!("{who} leads"), receiver, is_leader).await {
        Leadership::Leader { epoch } => epoch,
        Leadership::Follower | Leadership::Lost => unreachable!("waited for a leader"),
    }
}

async fn lost(who: &str, receiver: &mut watch::Receiver<Leadership>) {
    let is_lost = |leadership: &Leadership| *leadership == Leadership::Lost;
    watched(&format!("{who} is told that it is lost"), receiver, is_lost).await;
}

async fn view(
    coordinator: &dyn Coordinator,
    what: &str,
    wanted: impl FnMut(&ClusterView) -> bool,
) -> ClusterView {
    watched(what, &mut coordinator.view(), wanted).await
}

fn leads(view: &ClusterView, id: &NodeId, epoch: u64) -> bool {
    view.leader
        .as_ref()
        .is_some_and(|leader| leader.id == *id && leader.epoch == epoch)
}

/// What a server tells is what the others see, and no other server appears.
pub async fn a_registration_is_in_the_view_as_it_was_told(coordinator: &dyn Coordinator) {
    let mut early = coordinator.view();
    let one = join(coordinator, "one").await;
    let two = join(coordinator, "three").await;
    let complete = |view: &ClusterView| view.members.len() == 2;
    let seen = watched("both are members", &mut early, complete).await;
    for registration in [&one, &two] {
        let id = registration.id();
        let member = seen.members.get(&id.name).expect("listed under its name");
        assert_eq!(member.id, id);
        assert_eq!(member.record, record(&id.name));
    }
    assert_eq!(
        view(coordinator, "a late watcher sees the same", complete).await,
        seen
    );
}

/// Before a registration, with one, and after it.
pub async fn a_service_that_answers_is_in_contact(coordinator: &dyn Coordinator) {
    let contact = coordinator.contact();
    assert_eq!(*contact.borrow(), Contact::Connected);
    let one = join(coordinator, "one").await;
    assert_eq!(*contact.borrow(), Contact::Connected);
    one.deregister().await.expect("leaves");
    assert_eq!(*contact.borrow(), Contact::Connected);
}

/// Also after the name left.
pub async fn incarnations_of_a_name_rise(coordinator: &dyn Coordinator) {
    let mut last = 0;
    for _ in 0..4 {
        let registration = join(coordinator, "one").await;
        let id = registration.id();
        assert_eq!(id.name, "one");
        assert!(id.incarnation > last, "{} follows {last}", id.incarnation);
        last = id.incarnation;
        registration.deregister().await.expect("leaves");
    }
}

/// The owner of the old one is told.
pub async fn a_new_registration_of_a_name_replaces_the_old_one(coordinator: &dyn Coordinator) {
    let old = join(coordinator, "one").await;
    let mut told = stand(&*old).await;
    let new = join(coordinator, "one").await;
    assert!(new.id().incarnation > old.id().incarnation);
    lost("the old registration", &mut told).await;
    let replaced = |view: &ClusterView| view.members.values().any(|member| member.id == new.id());
    let seen = view(coordinator, "the new registration is seen", replaced).await;
    assert_eq!(seen.members.len(), 1);
}

/// Neither leaving nor crashing under an old incarnation removes the new one.
pub async fn what_a_replaced_registration_does_leaves_the_new_one_alone(
    coordinator: &dyn Coordinator,
) {
    let old = join(coordinator, "one").await;
    let mut told = stand(&*old).await;
    let new = join(coordinator, "one").await;
    let mut leadership = stand(&*new).await;
    lost("the old registration", &mut told).await;
    let epoch = elected("the new registration", &mut leadership).await;
    // What is gone has nothing left to give up; whether that is an error is left open.
    let _ = old.resign().await;
    let _ = old.deregister().await;
    drop(old);
    // A later change shows that all of it was dealt with.
    let other = join(coordinator, "other").await;
    let both = |view: &ClusterView| view.members.contains_key(&other.id().name);
    let seen = view(coordinator, "the other is seen", both).await;
    assert_eq!(
        seen.members.get("one").expect("still a member").id,
        new.id()
    );
    assert!(leads(&seen, &new.id(), epoch));
    assert_eq!(*leadership.borrow(), Leadership::Leader { epoch });
}

/// Being told and being seen agree.
pub async fn a_candidate_leads_and_the_view_says_so(coordinator: &dyn Coordinator) {
    let one = join(coordinator, "one").await;
    let epoch = elected("the only candidate", &mut stand(&*one).await).await;
    view(coordinator, "the leader is seen", |view| {
        leads(view, &one.id(), epoch)
    })
    .await;
}

/// Registering is not standing.
pub async fn who_does_not_campaign_is_not_elected(coordinator: &dyn Coordinator) {
    let _bystander = join(coordinator, "bystander").await;
    let candidate = join(coordinator, "candidate").await;
    let epoch = elected("the candidate", &mut stand(&*candidate).await).await;
    view(coordinator, "the leader is seen", |view| {
        leads(view, &candidate.id(), epoch)
    })
    .await;
    candidate.resign().await.expect("resigns");
    let seen = view(coordinator, "no leader", |view| view.leader.is_none()).await;
    assert_eq!(seen.members.len(), 2);
}

/// The one that resigned is told that it follows.
pub async fn resigning_elects_the_next_and_leaves_a_member(coordinator: &dyn Coordinator) {
    let one = join(coordinator, "one").await;
    let mut first = stand(&*one).await;
    let first_epoch = elected("the first", &mut first).await;
    let two = join(coordinator, "two").await;
    let mut second = stand(&*two).await;
    assert_eq!(*second.borrow_and_update(), Leadership::Follower);
    one.resign().await.expect("resigns");
    let second_epoch = elected("the second", &mut second).await;
    assert!(second_epoch > first_epoch);
    watched("the first follows", &mut first, |told| {
        *told == Leadership::Follower
    })
    .await;
    let seen = view(coordinator, "the second is seen", |view| {
        leads(view, &two.id(), second_epoch)
    })
    .await;
    assert_eq!(
        seen.members.get("one").expect("still a member").id,
        one.id()
    );
}

/// A candidacy that was given up does not come back.
pub async fn a_follower_that_resigns_is_not_elected_later(coordinator: &dyn Coordinator) {
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"] {
        let node = join(coordinator, name).await;
        let told = stand(&*node).await;
        nodes.push((node, told));
    }
    let [(one, first), (two, second), (_three, third)] = &mut nodes[..] else {
        unreachable!("three were pushed")
    };
    elected("the first", first).await;
    two.resign().await.expect("resigns");
    one.deregister().await.expect("leaves");
    elected("the third", third).await;
    assert_eq!(*second.borrow(), Leadership::Follower);
}

/// No lease has to end first.
pub async fn deregistering_leaves_at_once_and_elects_the_next(coordinator: &dyn Coordinator) {
    let one = join(coordinator, "one").await;
    let mut first = stand(&*one).await;
    let first_epoch = elected("the first", &mut first).await;
    let two = join(coordinator, "two").await;
    let mut second = stand(&*two).await;
    one.deregister().await.expect("leaves");
    let second_epoch = elected("the second", &mut second).await;
    assert!(second_epoch > first_epoch);
    lost("the first", &mut first).await;
    let gone = |view: &ClusterView| {
        !view.members.contains_key("one") && leads(view, &two.id(), second_epoch)
    };
    view(coordinator, "the first is gone, the second leads", gone).await;
}

/// Dropping is crashing.
pub async fn a_dropped_registration_ends_with_its_leadership(coordinator: &dyn Coordinator) {
    let one = join(coordinator, "one").await;
    let first_epoch = elected("the first", &mut stand(&*one).await).await;
    let two = join(coordinator, "two").await;
    let mut second = stand(&*two).await;
    drop(one);
    let second_epoch = elected("the second", &mut second).await;
    assert!(second_epoch > first_epoch);
    let gone = |view: &ClusterView| {
        !view.members.contains_key("one") && leads(view, &two.id(), second_epoch)
    };
    view(
        coordinator,
        "the crashed one is gone, the second leads",
        gone,
    )
    .await;
}

/// A restart within the old lease neither locks out nor keeps the old leadership.
pub async fn a_replaced_leader_is_told_and_another_is_elected(coordinator: &dyn Coordinator) {
    let old = join(coordinator, "one").await;
    let mut told = stand(&*old).await;
    let old_epoch = elected("the old registration", &mut told).await;
    let new = join(coordinator, "one").await;
    let mut leadership = stand(&*new).await;
    lost("the old registration", &mut told).await;
    let epoch = elected("the new registration", &mut leadership).await;
    assert!(epoch > old_epoch);
    view(coordinator, "the new leader is seen", |view| {
        leads(view, &new.id(), epoch)
    })
    .await;
}

/// An empty chair is seen as one, and filled by who comes next under a higher epoch.
pub async fn without_candidates_there_is_no_leader(coordinator: &dyn Coordinator) {
    assert_eq!(coordinator.view().borrow().leader, None);
    let one = join(coordinator, "one").await;
    let first_epoch = elected("the first", &mut stand(&*one).await).await;
    one.deregister().await.expect("leaves");
    let empty = |view: &ClusterView| view.leader.is_none() && view.members.is_empty();
    view(coordinator, "nobody is there", empty).await;
    let two = join(coordinator, "two").await;
    assert!(elected("the second", &mut stand(&*two).await).await > first_epoch);
}

/// Through a row of leaders, each of them leaving in another way.
pub async fn an_epoch_has_one_leader_and_epochs_rise(coordinator: &dyn Coordinator) {
    let mut leader_of: BTreeMap<u64, NodeId> = BTreeMap::new();
    let mut waiting = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        let node = join(coordinator, name).await;
        let told = stand(&*node).await;
        waiting.push((node, told));
    }
    let mut round = 0;
    while !waiting.is_empty() {
        let newer = |view: &ClusterView| match &view.leader {
            Some(leader) => leader_of
                .last_key_value()
                .is_none_or(|(last, _)| leader.epoch > *last),
            None => false,
        };
        let seen = view(coordinator, "a newer leader is seen", newer).await;
        let leader = seen.leader.expect("waited for it");
        let index = waiting
            .iter()
            .position(|(node, _)| node.id() == leader.id)
            .expect("the leader is one that still stands");
        let (node, mut told) = waiting.swap_remove(index);
        assert_eq!(elected(&leader.id.name, &mut told).await, leader.epoch);
        for (other, told) in &waiting {
            assert_eq!(*told.borrow(), Leadership::Follower, "{}", other.id());
        }
        assert!(leader_of.insert(leader.epoch, leader.id).is_none());
        match round % 3 {
            0 => node.resign().await.expect("resigns"),
            1 => node.deregister().await.expect("leaves"),
            _ => drop(node),
        }
        round += 1;
    }
    assert_eq!(leader_of.len(), 5);
}

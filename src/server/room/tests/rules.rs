use antiphon_core::contract::{RecordKind, Standing};
use antiphon_protocol::client::Visibility;

use super::*;

async fn standing(f: &Fixture, name: &str) -> Option<Standing> {
    let rooms = &f.stores.backends.rooms;
    rooms.standing(&room(HALL), &user(name)).await.unwrap()
}

fn create(visibility: Visibility) -> RoomCommand {
    RoomCommand::Create {
        visibility,
        topic: "all about it".into(),
    }
}

#[tokio::test]
async fn who_makes_a_room_owns_it_and_its_name_is_taken() {
    let f = fixture().await;
    let (_term, mut link) = f.led(&["alice", "bob"]).await;
    let RoomOutcome::Created(info) = link.ask("alice", create(Visibility::Public)).await else {
        panic!("not created");
    };
    assert_eq!((info.owner, info.members), (Some(user("alice")), 1));
    assert_eq!(standing(&f, "alice").await, Some(Standing::Owner));
    let error = link.refused("bob", create(Visibility::Public)).await;
    assert_eq!((error.code, error.ext.as_str()), (409, "name_taken"));
    assert_eq!(link.chat("alice", "first").await.seq, 1);
    let log = f.stores.room_log(HALL).await;
    assert_eq!(log.len(), 1, "an empty log needs no mark");
}

/// Pitfalls 28 and 54: a stranger's message is refused with a word, also where there is no
/// room at all.
#[tokio::test]
async fn strangers_cannot_write_and_learn_nothing() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Private, &["alice"])
        .await;
    let (_term, mut link) = f.led(&["alice", "eve"]).await;
    let there = link.refused("eve", chat("let me in")).await;
    let request = link.submit("eve", "nowhere", chat("anybody?")).await;
    let RoomOutcome::Failed(nowhere) = link.outcome(request).await else {
        panic!("not refused");
    };
    assert_eq!(there, nowhere);
    assert_eq!(there.ext, "room_not_found");
    for command in [
        RoomCommand::Join,
        RoomCommand::Leave,
        invite("eve"),
        kick("alice"),
    ] {
        assert_eq!(link.refused("eve", command).await, there);
    }
    assert_eq!(f.stores.room_log(HALL).await.len(), 0);
    assert!(messages(&link.catch_up().await).is_empty());
}

#[tokio::test]
async fn an_invitation_opens_a_private_room_but_is_no_membership() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Private, &["alice"])
        .await;
    let (_term, mut link) = f.led(&["alice", "bob"]).await;
    link.done("alice", invite("bob")).await;
    let told = link.seen.iter().any(|frame| {
        matches!(frame, PeerFrame::Direct(direct) if direct.to == user("bob")
            && direct.delivery.frame.get().contains("invited"))
    });
    assert!(told, "the guest is told");
    assert_eq!(
        link.refused("bob", chat("too early")).await.ext,
        "room_not_found"
    );
    assert_eq!(
        link.refused("bob", invite("carol")).await.ext,
        "room_not_found"
    );
    link.chat("alice", "before").await;
    assert_eq!(link.join("bob").await.1.len(), 1);
    assert_eq!(standing(&f, "bob").await, Some(Standing::Member));
    link.done("alice", invite("bob")).await;
    assert_eq!(standing(&f, "bob").await, Some(Standing::Member));
}

#[tokio::test]
async fn only_the_owner_kicks() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob", "carol"])
        .await;
    let (_term, mut link) = f.led(&["alice", "bob", "carol"]).await;
    assert_eq!(link.refused("bob", kick("carol")).await.ext, "forbidden");
    assert_eq!(
        link.refused("alice", kick("alice")).await.ext,
        "invalid_field:username"
    );
    assert_eq!(
        link.refused("alice", kick("dave")).await.ext,
        "not_a_member"
    );
    link.done("alice", kick("carol")).await;
    assert_eq!(standing(&f, "carol").await, None);
    let frames = link.catch_up().await;
    assert!(room_events(&frames).contains(&("kicked".into(), "carol".into())));
}

#[tokio::test]
async fn the_oldest_member_inherits_and_an_empty_room_goes_to_who_comes() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob", "carol"])
        .await;
    let (_term, mut link) = f.led(&["alice", "bob", "carol"]).await;
    link.done("alice", RoomCommand::Leave).await;
    assert_eq!(standing(&f, "alice").await, None);
    assert_eq!(standing(&f, "bob").await, Some(Standing::Owner));
    assert_eq!(standing(&f, "carol").await, Some(Standing::Member));
    link.done("bob", RoomCommand::Leave).await;
    link.done("carol", RoomCommand::Leave).await;
    assert_eq!(
        link.refused("carol", RoomCommand::Leave).await.ext,
        "room_not_found"
    );
    link.join("dave").await;
    assert_eq!(standing(&f, "dave").await, Some(Standing::Owner));
    let frames = link.catch_up().await;
    let left = |name: &str| ("left".to_owned(), name.to_owned());
    let events = room_events(&frames);
    for name in ["alice", "bob", "carol"] {
        assert!(events.contains(&left(name)), "{name} heard no farewell");
    }
}

/// C9: whoever is out hears nothing that was stored after the answer, and says nothing.
#[tokio::test]
async fn a_kick_takes_effect_for_every_later_message() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, mut link) = f.led(&["alice"]).await;
    let mut other = term.link("f2");
    other.up(&f.backends, "bob").await;
    link.chat("alice", "before").await;
    // All of it in one batch of the actor's.
    let kicked = link.submit("alice", HALL, kick("bob")).await;
    let after = link.submit("alice", HALL, chat("after")).await;
    let late = other.submit("bob", HALL, chat("late")).await;
    assert_eq!(link.outcome(kicked).await, RoomOutcome::Done);
    assert!(matches!(link.outcome(after).await, RoomOutcome::Ack(_)));
    assert!(matches!(other.outcome(late).await, RoomOutcome::Failed(_)));
    let heard = other.catch_up().await;
    assert_eq!(messages(&heard), [(1, "before".into())]);
    assert_eq!(room_events(&heard), [("kicked".into(), "bob".into())]);
    assert_eq!(audience(&heard).last().unwrap().1, "bob");
}

/// A kick by a new leader must hold against the old one too: before the kick is answered the
/// log carries the new leader's mark, so that the old leader's next append finds it.
#[tokio::test]
async fn a_kick_seals_the_log_against_the_leader_before() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (old, mut old_link) = f.led(&["bob"]).await;
    old_link.chat("bob", "while he was in").await;
    let new = f.leader(EPOCH + 1);
    let mut link = new.link("f1");
    link.done("alice", kick("bob")).await;
    old_link.submit("bob", HALL, chat("still here")).await;
    let scope = old.leader.scope();
    antiphon_core::clock::timeout(PATIENCE, scope.stopping())
        .await
        .expect("the old leader steps down");
    let log = f.stores.room_log(HALL).await;
    assert!(log.iter().all(|record| record.body != "still here"));
}

/// Found by the model of `model.rs`: the log may be empty yet.
#[tokio::test]
async fn a_kick_seals_an_empty_log_too() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (old, mut old_link) = f.led(&["bob"]).await;
    old_link.join("bob").await;
    let new = f.leader(EPOCH + 1);
    let mut link = new.link("f1");
    link.done("alice", kick("bob")).await;
    old_link.submit("bob", HALL, chat("still here")).await;
    let scope = old.leader.scope();
    antiphon_core::clock::timeout(PATIENCE, scope.stopping())
        .await
        .expect("the old leader steps down");
    let kinds: Vec<RecordKind> = f
        .stores
        .room_log(HALL)
        .await
        .iter()
        .map(|record| record.kind)
        .collect();
    assert_eq!(kinds, [RecordKind::Epoch]);
}

/// Why is told to the room, and an invitation that is taken back is nobody else's business.
#[tokio::test]
async fn a_kick_tells_its_reason_and_a_withdrawn_invitation_nothing() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (_term, mut link) = f.led(&["alice", "bob"]).await;
    link.done("alice", invite("carol")).await;
    link.catch_up().await;
    link.done("alice", kick("carol")).await;
    assert_eq!(standing(&f, "carol").await, None);
    assert!(deliveries(&link.catch_up().await).is_empty());
    let reason = Some("spam".to_owned());
    link.done(
        "alice",
        RoomCommand::Kick {
            username: user("bob"),
            reason,
        },
    )
    .await;
    let told = deliveries(&link.seen);
    let (_, event) = told
        .iter()
        .find(|(action, event)| action == "roomEvent" && event["kind"] == "kicked")
        .expect("told");
    assert_eq!(event["reason"], "spam");
}

use antiphon_core::contract::{Member, NodeRecord};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::peer::{Delivery, DirectDelivery};

use super::*;
use crate::server::room::raw;
use crate::server::settings::{PEER_QUEUE_DEPTH, PRESENCE_QUIET};

/// Pitfall 57: one frame for each server, not for each member.
#[tokio::test]
async fn one_frame_for_each_link_whatever_the_members() {
    let f = fixture().await;
    let names: Vec<String> = (0..30).map(|n| format!("u{n}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    f.stores.add_room(HALL, Visibility::Public, &members).await;
    let term = f.leader(EPOCH);
    let mut links = [term.link("f1"), term.link("f2"), term.link("f3")];
    for (n, name) in members.iter().enumerate() {
        links[n % 2].up(&f.backends, name).await;
    }
    // The third has nobody of the room.
    links[2].up(&f.backends, "stranger").await;
    links[0].chat("u0", "hello all").await;
    let mut counts = Vec::new();
    for link in &mut links {
        let frames = link.catch_up().await;
        counts.push(messages(&frames).len());
        let changes = audience(&frames);
        let added = changes.iter().map(|change| change.0.split(' ').count());
        let expected = if counts.len() < 3 { 15 } else { 0 };
        assert_eq!(added.sum::<usize>(), expected);
    }
    assert_eq!(counts, [1, 1, 0]);
}

/// Pitfall 80: a change is told as a change, to whom it concerns.
#[tokio::test]
async fn deltas_follow_sessions_and_links() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, mut one) = f.led(&["alice"]).await;
    one.chat("alice", "first").await;
    one.catch_up().await;
    let mut two = term.link("f2");
    two.up(&f.backends, "bob").await;
    let change = audience(&two.catch_up().await);
    assert_eq!(change, [("bob".into(), String::new(), Some(1))]);
    assert!(audience(&one.catch_up().await).is_empty());

    // The same user twice: each link has its own part.
    one.up(&f.backends, "bob").await;
    assert_eq!(audience(&one.catch_up().await)[0].0, "bob");
    two.down("bob").await;
    assert_eq!(audience(&two.catch_up().await)[0].1, "bob");
    two.down("bob").await;
    assert!(audience(&two.catch_up().await).is_empty());

    // A link that ends takes its users along, and a new one starts with what is there.
    term.leader.close_link(one.id).await;
    two.up(&f.backends, "alice").await;
    two.catch_up().await;
    two.chat("alice", "alone").await;
    assert_eq!(messages(&two.catch_up().await), [(2, "alone".into())]);
    let mut three = term.link("f1");
    three.up(&f.backends, "bob").await;
    let change = audience(&three.catch_up().await);
    assert_eq!(change, [("bob".into(), String::new(), Some(2))]);
}

#[tokio::test]
async fn a_link_that_does_not_keep_up_is_dropped_and_others_go_on() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, mut one) = f.led(&["alice"]).await;
    let (frame_tx, _kept_unread) = mpsc::channel(2);
    let drop_link = CancellationToken::new();
    let slow = term.leader.open_link(Outbox {
        node: one.node.clone(),
        frames: frame_tx,
        drop_link: drop_link.clone(),
        is_local: false,
    });
    let up = PeerUser {
        user: user("bob"),
        rooms: vec![room(HALL)],
    };
    let up = PeerFrame::SessionUp(up);
    term.leader.receive(slow, &one.node, up).await;
    for n in 0..5 {
        one.chat("alice", &format!("m{n}")).await;
    }
    assert!(drop_link.is_cancelled());
    assert!(!one.drop_link.is_cancelled());
    assert_eq!(messages(&one.catch_up().await).len(), 5);
    const { assert!(PEER_QUEUE_DEPTH > 2) };
}

#[tokio::test]
async fn presence_is_told_after_the_quiet_and_when_it_really_turns() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (_term, mut link) = f.led(&["alice", "bob"]).await;
    let turns = |frames: &[PeerFrame]| {
        let events = deliveries(frames).into_iter();
        let events = events.filter(|(action, _)| action == "presence");
        let turns = events.map(|(_, data)| {
            let name = data["username"].as_str().unwrap().to_owned();
            (name, data["isOnline"].as_bool().unwrap())
        });
        turns.collect::<Vec<_>>()
    };
    link.down("bob").await;
    assert!(turns(&link.catch_up().await).is_empty(), "too early");
    pass(PRESENCE_QUIET).await;
    link.up(&f.backends, "bob").await;
    link.up(&f.backends, "bob").await;
    assert_eq!(turns(&link.catch_up().await), [("bob".into(), true)]);
    link.down("bob").await;
    assert_eq!(turns(&link.catch_up().await), [("bob".into(), false)]);
    // Somebody who isn't a member is nobody's business.
    link.up(&f.backends, "stranger").await;
    link.down("stranger").await;
    assert!(turns(&link.catch_up().await).is_empty());
}

/// Who shares several rooms with somebody hears once that they came.
#[tokio::test]
async fn presence_is_told_once_however_many_rooms_are_shared() {
    let f = fixture().await;
    for name in ["hall", "den", "yard"] {
        f.stores
            .add_room(name, Visibility::Public, &["alice", "bob"])
            .await;
    }
    let (_term, mut link) = f.led(&["alice"]).await;
    link.catch_up().await;
    pass(PRESENCE_QUIET).await;
    link.up(&f.backends, "bob").await;
    let mut told = Vec::new();
    for frame in link.catch_up().await {
        if let PeerFrame::Tell { users, .. } = frame {
            told.extend(users);
        }
    }
    assert_eq!(told, [user("alice")]);
}

/// What a lost fan-out is noticed by.
#[tokio::test]
async fn an_active_room_tells_its_top_and_a_quiet_one_does_not() {
    let mut f = fixture().await;
    f.settings.position_interval = Duration::from_secs(30);
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (_term, mut link) = f.led(&["alice"]).await;
    link.chat("alice", "hello").await;
    link.catch_up().await;
    pass(Duration::from_secs(30)).await;
    let position = loop {
        let frame = link.next().await;
        if let Some((action, data)) = deliveries(&[frame]).pop() {
            assert_eq!(action, "position");
            break data;
        }
    };
    assert_eq!(position["positions"][0]["conversation"], "room:hall");
    assert_eq!(position["positions"][0]["lastSeq"], 1);
    pass(Duration::from_secs(90)).await;
    let later = deliveries(&link.catch_up().await);
    assert!(later.is_empty(), "{later:?}");
}

fn direct(to: &str) -> DirectDelivery {
    DirectDelivery {
        to: user(to),
        delivery: Delivery {
            frame: raw("{}".into()),
            own: None,
        },
    }
}

fn directs(frames: &[PeerFrame]) -> usize {
    let is_direct = |frame: &&PeerFrame| matches!(frame, PeerFrame::Direct(_));
    frames.iter().filter(is_direct).count()
}

/// Pitfall 46: a delivery makes one hop. Where its user is no more, it ends; the log has it.
#[tokio::test]
async fn a_direct_delivery_does_not_come_back() {
    let f = fixture().await;
    let (term, mut one) = f.led(&["alice"]).await;
    let mut two = term.link("f2");
    two.up(&f.backends, "bob").await;
    let to_bob = || PeerFrame::Forward {
        deliveries: vec![direct("bob")],
    };
    one.send(to_bob()).await;
    assert_eq!(directs(&two.catch_up().await), 1);
    // A server that would hand it back is not heard.
    two.send(PeerFrame::Direct(direct("bob"))).await;
    two.send(to_bob()).await;
    assert_eq!(directs(&one.catch_up().await), 0);
    assert_eq!(directs(&two.catch_up().await), 0);
    two.down("bob").await;
    one.send(to_bob()).await;
    assert_eq!(directs(&one.catch_up().await), 0);
    assert_eq!(directs(&two.catch_up().await), 0);
}

/// Pitfall 74: the late end of a server's old link does not take its new one along.
#[tokio::test]
async fn a_link_ends_by_itself_and_not_by_its_servers_name() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, mut one) = f.led(&["alice"]).await;
    let mut old = term.link("f2");
    old.up(&f.backends, "bob").await;
    let mut new = term.link("f2");
    new.up(&f.backends, "bob").await;
    term.leader.close_link(old.id).await;
    one.chat("alice", "hello").await;
    assert_eq!(messages(&new.catch_up().await), [(1, "hello".into())]);
}

/// Pitfall 58: in a room of a hundred thousand nothing lists the members on the way of a
/// message or of a change.
#[tokio::test]
async fn a_hundred_thousand_members_make_no_large_frame() {
    const MEMBERS: usize = 100_000;
    const FRAME_MAX: usize = 4_096;
    let f = fixture().await;
    let names: Vec<String> = (0..MEMBERS).map(|n| format!("u{n}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    f.stores.add_room(HALL, Visibility::Public, &members).await;
    let (_term, mut link) = f.led(&["u0", "u99999"]).await;
    link.chat("u99999", "first").await;
    let mut largest = 0;
    for n in 0..50 {
        let joined = link.ask(&format!("guest{n}"), RoomCommand::Join).await;
        largest = largest.max(serde_json::to_string(&joined).unwrap().len());
        link.done(&format!("u{}", MEMBERS - 2 - n), RoomCommand::Leave)
            .await;
        link.chat("u0", &format!("m{n}")).await;
    }
    assert!(largest < FRAME_MAX * 8, "an answer of {largest} bytes");
    for frame in link.catch_up().await {
        let bytes = serde_json::to_string(&frame).unwrap().len();
        assert!(bytes < FRAME_MAX, "{} of {bytes} bytes", frame.name());
    }
    let count = f.backends.rooms.member_count(&room(HALL)).await.unwrap();
    assert_eq!(count, MEMBERS as u64);
}

/// A new leader delivers nothing before it knows who is where.
#[tokio::test]
async fn the_first_message_of_a_term_waits_until_every_server_told_its_users() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    f.view.send_modify(|view| {
        for name in ["f1", "f2"] {
            let id = NodeId {
                name: name.into(),
                incarnation: 1,
            };
            let record = NodeRecord {
                name: name.into(),
                cluster_addr: String::new(),
                client_host: String::new(),
                client_port: 1,
            };
            view.members.insert(name.into(), Member { id, record });
        }
    });
    let term = f.leader(EPOCH);
    let (mut one, mut two) = (term.link("f1"), term.link("f2"));
    let sessions = |name: &str| PeerFrame::Sessions {
        users: vec![PeerUser {
            user: user(name),
            rooms: vec![room(HALL)],
        }],
        last: true,
    };
    one.send(sessions("alice")).await;
    tokio::join!(one.chat("alice", "first"), two.send(sessions("bob")));
    assert_eq!(messages(&two.catch_up().await), [(1, "first".into())]);
}

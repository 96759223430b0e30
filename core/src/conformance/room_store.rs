//! What every [`RoomStore`] keeps.

mod listing;

use std::sync::Arc;

use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};

use crate::contract::{BackendErrorKind, MemberRecord, RoomRecord, RoomStore, Standing};

/// Runs the suite; `make` gives an empty store each time.
pub async fn all(make: impl AsyncFn() -> Arc<dyn RoomStore>) {
    a_room_and_its_first_members_come_back(&*make().await).await;
    a_taken_name_and_its_look_alikes_are_refused(&*make().await).await;
    of_many_creates_of_one_name_one_wins(make().await).await;
    a_member_is_one_row_that_put_replaces(&*make().await).await;
    a_member_needs_a_room(&*make().await).await;
    removing_takes_one_row_and_may_be_repeated(&*make().await).await;
    an_older_epoch_changes_nothing(&*make().await).await;
    a_newer_epoch_shuts_out_the_older(&*make().await).await;
    a_claimed_room_is_written_by_older_epochs_no_more(&*make().await).await;
    the_epoch_guards_each_room_apart(&*make().await).await;
    invited_ones_are_no_members(&*make().await).await;
    listing::members_are_paged_by_name(&*make().await).await;
    listing::rooms_of_a_user_are_its_memberships_by_name(&*make().await).await;
    listing::a_list_shows_public_rooms_and_ones_own(&*make().await).await;
    listing::a_list_is_paged_by_name_and_prefix(&*make().await).await;
    a_read_cursor_only_moves_forward(&*make().await).await;
    concurrent_cursors_end_at_the_highest(make().await).await;
    concurrent_joins_all_count(make().await).await;
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn room_name(raw: &str) -> RoomName {
    RoomName::parse(raw).expect("a name")
}

fn room(raw: &str) -> RoomRecord {
    RoomRecord {
        name: room_name(raw),
        visibility: Visibility::Public,
        topic: format!("about {raw}"),
        created_at_ms: 11,
    }
}

fn hidden(raw: &str) -> RoomRecord {
    RoomRecord {
        visibility: Visibility::Private,
        ..room(raw)
    }
}

fn member(room: &str, user: &str, standing: Standing) -> MemberRecord {
    MemberRecord {
        room: room_name(room),
        user: name(user),
        standing,
        since_ms: 5,
    }
}

fn names(members: &[MemberRecord]) -> Vec<&str> {
    members.iter().map(|member| member.user.as_str()).collect()
}

async fn make_room(store: &dyn RoomStore, raw: &str, epoch: u64) {
    let owner = member(raw, "owner", Standing::Owner);
    store
        .create(room(raw), vec![owner], epoch)
        .await
        .expect("create");
}

fn assert_conflict<T: std::fmt::Debug>(result: crate::contract::BackendResult<T>) {
    assert_eq!(
        result.expect_err("a conflict").kind,
        BackendErrorKind::Conflict
    );
}

async fn a_room_and_its_first_members_come_back(store: &dyn RoomStore) {
    let first = vec![
        member("den", "zoe", Standing::Member),
        member("den", "ann", Standing::Owner),
        member("den", "bob", Standing::Invited),
    ];
    store
        .create(hidden("den"), first.clone(), 0)
        .await
        .expect("create");
    make_room(store, "大厅", 0).await;
    assert_eq!(
        store.get(&room_name("den")).await.expect("get"),
        Some(hidden("den"))
    );
    assert_eq!(
        store.get(&room_name("大厅")).await.expect("get"),
        Some(room("大厅"))
    );
    assert_eq!(store.get(&room_name("none")).await.expect("get"), None);
    let members = store.members(&room_name("den")).await.expect("members");
    assert_eq!(
        members,
        [first[1].clone(), first[2].clone(), first[0].clone()],
        "by name"
    );
    assert_eq!(
        store.members(&room_name("none")).await.expect("members"),
        []
    );
    assert_eq!(store.count().await.expect("count"), 2);
}

async fn a_taken_name_and_its_look_alikes_are_refused(store: &dyn RoomStore) {
    make_room(store, "hall", 0).await;
    let look_alike = room("ha1l");
    assert_eq!(
        look_alike.name.skeleton(),
        room_name("hall").skeleton(),
        "the suite's own example"
    );
    for taken in [hidden("hall"), look_alike.clone()] {
        let intruder = member(taken.name.as_str(), "eve", Standing::Owner);
        assert_conflict(store.create(taken, vec![intruder], 9).await);
    }
    assert_eq!(
        store.get(&room_name("hall")).await.expect("get"),
        Some(room("hall"))
    );
    assert_eq!(store.get(&look_alike.name).await.expect("get"), None);
    assert_eq!(
        names(&store.members(&room_name("hall")).await.expect("members")),
        ["owner"]
    );
    assert_eq!(store.rooms_of(&name("eve")).await.expect("rooms"), []);
    assert_eq!(store.count().await.expect("count"), 1);
    // The refused writes carried a newer epoch; they have not raised the room's.
    let late = member("hall", "bob", Standing::Member);
    store
        .put_member(late, 0)
        .await
        .expect("epoch 0 still writes");
}

async fn of_many_creates_of_one_name_one_wins(store: Arc<dyn RoomStore>) {
    let create = |number: usize| {
        let store = Arc::clone(&store);
        let owner = member("hall", &format!("user{number}"), Standing::Owner);
        async move { store.create(room("hall"), vec![owner], 0).await }
    };
    let results = futures_util::future::join_all((0..8).map(create)).await;
    let winners: Vec<usize> = (0..8).filter(|number| results[*number].is_ok()).collect();
    let [winner] = winners[..] else {
        panic!("winners: {winners:?}")
    };
    let members = store.members(&room_name("hall")).await.expect("members");
    assert_eq!(
        names(&members),
        [format!("user{winner}")],
        "the winner's members alone"
    );
}

async fn a_member_is_one_row_that_put_replaces(store: &dyn RoomStore) {
    make_room(store, "den", 0).await;
    let den = room_name("den");
    for standing in [
        Standing::Invited,
        Standing::Member,
        Standing::Owner,
        Standing::Member,
    ] {
        let row = MemberRecord {
            since_ms: 77,
            ..member("den", "bob", standing)
        };
        store.put_member(row.clone(), 0).await.expect("put");
        assert_eq!(
            store.standing(&den, &name("bob")).await.expect("standing"),
            Some(standing)
        );
        let members = store.members(&den).await.expect("members");
        assert_eq!(members, [row, member("den", "owner", Standing::Owner)]);
        let count = 1 + u64::from(standing.is_member());
        assert_eq!(store.member_count(&den).await.expect("count"), count);
    }
    assert_eq!(
        store.standing(&den, &name("eve")).await.expect("standing"),
        None
    );
}

async fn a_member_needs_a_room(store: &dyn RoomStore) {
    let result = store
        .put_member(member("none", "bob", Standing::Member), 3)
        .await;
    assert_eq!(
        result.expect_err("no room").kind,
        BackendErrorKind::NotFound
    );
    assert_eq!(
        store.members(&room_name("none")).await.expect("members"),
        []
    );
    assert_eq!(store.rooms_of(&name("bob")).await.expect("rooms"), []);
    assert_eq!(
        store.member_count(&room_name("none")).await.expect("count"),
        0
    );
}

async fn removing_takes_one_row_and_may_be_repeated(store: &dyn RoomStore) {
    make_room(store, "den", 0).await;
    make_room(store, "hall", 0).await;
    for place in ["den", "hall"] {
        store
            .put_member(member(place, "bob", Standing::Member), 0)
            .await
            .expect("put");
    }
    for _ in 0..2 {
        store
            .remove_member(&room_name("den"), &name("bob"), 0)
            .await
            .expect("remove");
        assert_eq!(
            names(&store.members(&room_name("den")).await.expect("members")),
            ["owner"]
        );
        assert_eq!(
            store.member_count(&room_name("den")).await.expect("count"),
            1
        );
    }
    store
        .remove_member(&room_name("none"), &name("bob"), 0)
        .await
        .expect("no such room");
    assert_eq!(
        store.rooms_of(&name("bob")).await.expect("rooms"),
        [room_name("hall")]
    );
}

async fn an_older_epoch_changes_nothing(store: &dyn RoomStore) {
    make_room(store, "den", 5).await;
    let den = room_name("den");
    assert_conflict(
        store
            .put_member(member("den", "eve", Standing::Owner), 4)
            .await,
    );
    assert_conflict(
        store
            .put_member(member("den", "owner", Standing::Invited), 4)
            .await,
    );
    assert_conflict(store.remove_member(&den, &name("owner"), 4).await);
    assert_conflict(store.remove_member(&den, &name("nobody"), 4).await);
    let members = store.members(&den).await.expect("members");
    assert_eq!(members, [member("den", "owner", Standing::Owner)]);
    store
        .put_member(member("den", "bob", Standing::Member), 5)
        .await
        .expect("the same epoch");
}

async fn a_newer_epoch_shuts_out_the_older(store: &dyn RoomStore) {
    make_room(store, "den", 0).await;
    let den = room_name("den");
    store
        .put_member(member("den", "bob", Standing::Member), 0)
        .await
        .expect("put");
    // A kick by the new leader ...
    store
        .remove_member(&den, &name("bob"), 7)
        .await
        .expect("remove");
    // ... is not undone by the old one.
    assert_conflict(
        store
            .put_member(member("den", "bob", Standing::Member), 6)
            .await,
    );
    assert_eq!(
        store.standing(&den, &name("bob")).await.expect("standing"),
        None
    );
    store
        .put_member(member("den", "cat", Standing::Member), 9)
        .await
        .expect("put");
    assert_conflict(store.remove_member(&den, &name("cat"), 8).await);
    assert_eq!(
        names(&store.members(&den).await.expect("members")),
        ["cat", "owner"]
    );
    // Removing somebody who is not there is a decision of its epoch, too.
    store
        .remove_member(&den, &name("nobody"), 12)
        .await
        .expect("remove");
    assert_conflict(
        store
            .put_member(member("den", "nobody", Standing::Member), 11)
            .await,
    );
}

async fn a_claimed_room_is_written_by_older_epochs_no_more(store: &dyn RoomStore) {
    make_room(store, "den", 3).await;
    let den = room_name("den");
    assert_eq!(
        store.claim(&room_name("nowhere"), 7).await.expect("claim"),
        None
    );
    let claimed = store.claim(&den, 7).await.expect("claim");
    assert_eq!(claimed, store.get(&den).await.expect("get"));
    assert!(claimed.is_some());
    assert_conflict(
        store
            .put_member(member("den", "bob", Standing::Member), 6)
            .await,
    );
    assert_conflict(store.claim(&den, 6).await.map(drop));
    assert_eq!(
        names(&store.members(&den).await.expect("members")),
        ["owner"]
    );
    // Claiming again is nothing new.
    store.claim(&den, 7).await.expect("claim");
    store
        .put_member(member("den", "bob", Standing::Member), 7)
        .await
        .expect("put");
    assert_eq!(store.member_count(&den).await.expect("count"), 2);
}

async fn the_epoch_guards_each_room_apart(store: &dyn RoomStore) {
    make_room(store, "den", 9).await;
    make_room(store, "hall", 1).await;
    store
        .put_member(member("hall", "bob", Standing::Member), 1)
        .await
        .expect("put");
    assert_conflict(
        store
            .put_member(member("den", "bob", Standing::Member), 1)
            .await,
    );
}

async fn invited_ones_are_no_members(store: &dyn RoomStore) {
    make_room(store, "den", 0).await;
    let den = room_name("den");
    store
        .put_member(member("den", "bob", Standing::Invited), 0)
        .await
        .expect("put");
    assert_eq!(store.member_count(&den).await.expect("count"), 1);
    assert_eq!(store.rooms_of(&name("bob")).await.expect("rooms"), []);
    assert_eq!(
        names(&store.members_page(&den, "", 10).await.expect("page")),
        ["owner"]
    );
    assert_eq!(
        names(&store.members(&den).await.expect("members")),
        ["bob", "owner"]
    );
}

async fn a_read_cursor_only_moves_forward(store: &dyn RoomStore) {
    let (bob, cat) = (name("bob"), name("cat"));
    let den = ConversationId::Room(room_name("den"));
    let pair = ConversationId::direct(bob.clone(), cat.clone());
    for (seq, expected) in [(5, 5), (3, 5), (5, 5), (8, 8), (0, 8)] {
        assert_eq!(
            store.set_read(&bob, &den, seq).await.expect("set"),
            expected
        );
    }
    assert_eq!(store.set_read(&bob, &pair, 2).await.expect("set"), 2);
    assert_eq!(store.set_read(&cat, &pair, 1).await.expect("set"), 1);
    let mut cursors = store.read_cursors(&bob).await.expect("cursors");
    cursors.sort();
    let mut expected = vec![(den, 8), (pair.clone(), 2)];
    expected.sort();
    assert_eq!(cursors, expected);
    assert_eq!(
        store.read_cursors(&cat).await.expect("cursors"),
        [(pair, 1)]
    );
    assert_eq!(store.read_cursors(&name("eve")).await.expect("cursors"), []);
}

async fn concurrent_cursors_end_at_the_highest(store: Arc<dyn RoomStore>) {
    let den = ConversationId::Room(room_name("den"));
    let set = |seq: u64| {
        let (store, den) = (Arc::clone(&store), den.clone());
        async move {
            (
                seq,
                store.set_read(&name("bob"), &den, seq).await.expect("set"),
            )
        }
    };
    let results = futures_util::future::join_all((1..=20).rev().map(set)).await;
    assert!(
        results.iter().all(|(asked, told)| told >= asked),
        "{results:?}"
    );
    assert_eq!(
        store.read_cursors(&name("bob")).await.expect("cursors"),
        [(den, 20)]
    );
}

async fn concurrent_joins_all_count(store: Arc<dyn RoomStore>) {
    make_room(&*store, "den", 0).await;
    let join = |number: usize| {
        let store = Arc::clone(&store);
        let row = member("den", &format!("user{number:02}"), Standing::Member);
        async move { store.put_member(row, 0).await.expect("put") }
    };
    futures_util::future::join_all((0..20).map(join)).await;
    assert_eq!(
        store.member_count(&room_name("den")).await.expect("count"),
        21
    );
    assert_eq!(
        store
            .members(&room_name("den"))
            .await
            .expect("members")
            .len(),
        21
    );
}

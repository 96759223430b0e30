//! Pages and lists, in the order of names.

use super::{hidden, make_room, member, name, names, room, room_name};
use crate::contract::{RoomListing, RoomRecord, RoomStore, Standing};

pub(super) async fn members_are_paged_by_name(store: &dyn RoomStore) {
    let users: Vec<String> = (0..25).map(|number| format!("user{number:02}")).collect();
    let rows = users
        .iter()
        .rev()
        .map(|user| member("den", user, Standing::Member))
        .collect();
    store.create(room("den"), rows, 0).await.expect("create");
    let mut seen: Vec<String> = Vec::new();
    for expected in [10, 10, 5, 0] {
        let after = seen.last().cloned().unwrap_or_default();
        let page = store
            .members_page(&room_name("den"), &after, 10)
            .await
            .expect("page");
        assert_eq!(page.len(), expected);
        seen.extend(names(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(seen, users);
    let page = store
        .members_page(&room_name("den"), "user23x", 10)
        .await
        .expect("page");
    assert_eq!(names(&page), ["user24"], "behind a name that is not there");
}

pub(super) async fn rooms_of_a_user_are_its_memberships_by_name(store: &dyn RoomStore) {
    for raw in ["west", "east", "north", "大厅"] {
        make_room(store, raw, 0).await;
    }
    for (place, standing) in [
        ("west", Standing::Member),
        ("大厅", Standing::Member),
        ("east", Standing::Owner),
        ("north", Standing::Invited),
    ] {
        store
            .put_member(member(place, "bob", standing), 0)
            .await
            .expect("put");
    }
    let expected = [room_name("east"), room_name("west"), room_name("大厅")];
    assert_eq!(store.rooms_of(&name("bob")).await.expect("rooms"), expected);
}

pub(super) async fn a_list_shows_public_rooms_and_ones_own(store: &dyn RoomStore) {
    make_room(store, "open", 0).await;
    for (place, standing) in [("mine", Standing::Member), ("offered", Standing::Invited)] {
        let rows = vec![
            member(place, "owner", Standing::Owner),
            member(place, "bob", standing),
        ];
        store.create(hidden(place), rows, 0).await.expect("create");
    }
    store
        .create(
            hidden("secret"),
            vec![member("secret", "owner", Standing::Owner)],
            0,
        )
        .await
        .expect("create");
    let listing = |room: RoomRecord, members, standing| RoomListing {
        room,
        members,
        standing,
    };
    let bobs = store.list(&name("bob"), "", "", 10).await.expect("list");
    let expected = [
        listing(hidden("mine"), 2, Some(Standing::Member)),
        listing(hidden("offered"), 1, Some(Standing::Invited)),
        listing(room("open"), 1, None),
    ];
    assert_eq!(bobs, expected);
    let eves = store.list(&name("eve"), "", "", 10).await.expect("list");
    assert_eq!(eves, [listing(room("open"), 1, None)]);
}

pub(super) async fn a_list_is_paged_by_name_and_prefix(store: &dyn RoomStore) {
    for raw in ["beta", "alpha", "bet", "bravo", "b_a", "b.a", "大厅"] {
        make_room(store, raw, 0).await;
    }
    let list = async |prefix: &str, after: &str, limit: usize| {
        let listed = store
            .list(&name("eve"), prefix, after, limit)
            .await
            .expect("list");
        let names = listed
            .into_iter()
            .map(|listing| listing.room.name.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        list("", "", 100).await,
        ["alpha", "b.a", "b_a", "bet", "beta", "bravo", "大厅"]
    );
    assert_eq!(list("bet", "", 100).await, ["bet", "beta"]);
    assert_eq!(list("b", "b_a", 2).await, ["bet", "beta"]);
    assert_eq!(list("", "bravo", 100).await, ["大厅"]);
    assert_eq!(list("大", "", 100).await, ["大厅"]);
    // A prefix is text: no character of it is a wildcard.
    assert_eq!(list("b_", "", 100).await, ["b_a"]);
    assert_eq!(list("b.", "", 100).await, ["b.a"]);
    assert_eq!(list("%", "", 100).await, Vec::<String>::new());
}

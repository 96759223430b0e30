//! The list of rooms that a viewer may see.

use std::collections::HashMap;

use antiphon_core::contract::RoomListing;
use antiphon_protocol::UserName;
use antiphon_protocol::client::Visibility;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::super::Store;
use super::super::failure::Failure;
use super::super::number::{limit, read};
use super::{Member, Room, room_of, standing_of, visibility_number};

/// Public rooms and those that the viewer has a row in, by name.
pub(super) async fn list(
    store: &Store,
    viewer: &UserName,
    prefix: &str,
    after: &str,
    rows: usize,
) -> Result<Vec<RoomListing>, Failure> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    // No name has the highest character, so every name with the prefix sorts below the bound.
    let behind = format!("{prefix}\u{10FFFF}");
    let names: Document = doc! { "$gte": prefix, "$gt": after, "$lt": behind };
    let own = doc! { "user": viewer.as_str(), "room": names.clone() };
    let own: Vec<Member> = store.members.find(own).await?.try_collect().await?;
    let standings: HashMap<&str, i32> = own
        .iter()
        .map(|member| (member.room.as_str(), member.standing))
        .collect();
    let own_names: Vec<&str> = own.iter().map(|member| member.room.as_str()).collect();
    let filter = doc! {
        "name": names,
        "$or": [
            { "visibility": visibility_number(Visibility::Public) },
            { "name": { "$in": own_names } },
        ],
    };
    let found = store.rooms.find(filter).sort(doc! { "name": 1 });
    let found: Vec<Room> = found.limit(limit(rows)).await?.try_collect().await?;
    let listing = |room: Room| {
        let standing = standings.get(room.name.as_str());
        Ok(RoomListing {
            room: room_of(&room)?,
            members: read(room.members, "rooms")?,
            standing: standing.map(|number| standing_of(*number)).transpose()?,
        })
    };
    found.into_iter().map(listing).collect()
}

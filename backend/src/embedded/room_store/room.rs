//! Rows of rooms. Each carries the newest epoch that wrote to the room, and the number of its
//! members, so that a list needs no counting.

use antiphon_core::contract::{BackendErrorKind, RoomListing, RoomRecord};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{RoomName, UserName};
use rusqlite::{Connection, Row};

use super::super::checksum::RowSum;
use super::super::failure::{Failure, optional};
use super::super::{limit, stored};
use super::member;

/// A room with what only the store knows of it.
pub(super) struct RoomRow {
    pub(super) record: RoomRecord,
    pub(super) epoch: u64,
    pub(super) members: u64,
}

const COLUMNS: &str = "name, visibility, topic, created_at_ms, epoch, members, checksum";

/// Adds a room without members.
pub(super) fn insert(
    connection: &Connection,
    record: RoomRecord,
    epoch: u64,
) -> Result<(), Failure> {
    let sql = "INSERT INTO rooms (name, skeleton, visibility, topic, created_at_ms, epoch, \
               members, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7) ON CONFLICT DO NOTHING";
    let row = RoomRow {
        record,
        epoch,
        members: 0,
    };
    let RoomRecord {
        name,
        visibility,
        topic,
        created_at_ms,
    } = &row.record;
    let inserted = connection.prepare_cached(sql)?.execute((
        name.as_str(),
        name.skeleton(),
        stored(visibility_number(*visibility)),
        topic,
        stored(*created_at_ms),
        stored(epoch),
        sum(&row),
    ))?;
    if inserted == 1 {
        Ok(())
    } else {
        Err(Failure::Refused(BackendErrorKind::Conflict))
    }
}

/// Writes epoch and number of members.
pub(super) fn update(connection: &Connection, row: &RoomRow) -> Result<(), Failure> {
    let sql = "UPDATE rooms SET epoch = ?2, members = ?3, checksum = ?4 WHERE name = ?1";
    let name = row.record.name.as_str();
    let values = (name, stored(row.epoch), stored(row.members), sum(row));
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The room of that name.
pub(super) fn read(connection: &Connection, name: &RoomName) -> Result<Option<RoomRow>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM rooms WHERE name = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = optional(statement.query_row([name.as_str()], |row| Ok(decode(row))))?;
    found.transpose()
}

/// Public rooms and the viewer's, by name.
pub(super) fn list(
    connection: &Connection,
    viewer: &UserName,
    prefix: &str,
    after: &str,
    rows: usize,
) -> Result<Vec<RoomListing>, Failure> {
    // No name has the highest character, so every name with the prefix sorts below the bound.
    let sql = format!(
        "SELECT {COLUMNS} FROM rooms WHERE name >= ?2 AND name < ?2 || char(0x10FFFF) \
         AND name > ?3 AND (visibility = 0 OR EXISTS (SELECT 1 FROM room_members \
         WHERE room = rooms.name AND user = ?1)) ORDER BY name LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query((viewer.as_str(), prefix, after, limit(rows)))?;
    let mut listings = Vec::new();
    while let Some(row) = found.next()? {
        let RoomRow {
            record, members, ..
        } = decode(row)?;
        let member = member::read(connection, &record.name, viewer)?;
        let standing = member.map(|member| member.standing);
        listings.push(RoomListing {
            room: record,
            members,
            standing,
        });
    }
    Ok(listings)
}

fn decode(row: &Row<'_>) -> Result<RoomRow, Failure> {
    let damaged = || Failure::Damaged("rooms");
    let name: String = row.get(0)?;
    let visibility = match row.get::<_, i64>(1)? {
        0 => Visibility::Public,
        1 => Visibility::Private,
        _ => return Err(damaged()),
    };
    let record = RoomRecord {
        name: RoomName::parse(&name).map_err(|_| damaged())?,
        visibility,
        topic: row.get(2)?,
        created_at_ms: row.get::<_, i64>(3)?.cast_unsigned(),
    };
    let epoch = row.get::<_, i64>(4)?.cast_unsigned();
    let members = row.get::<_, i64>(5)?.cast_unsigned();
    let decoded = RoomRow {
        record,
        epoch,
        members,
    };
    if sum(&decoded) == row.get::<_, i64>(6)? {
        Ok(decoded)
    } else {
        Err(damaged())
    }
}

fn visibility_number(visibility: Visibility) -> u64 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

fn sum(row: &RoomRow) -> i64 {
    let RoomRecord {
        name,
        visibility,
        topic,
        created_at_ms,
    } = &row.record;
    let sum = RowSum::new("rooms")
        .text(name.as_str())
        .number(visibility_number(*visibility));
    let sum = sum.text(topic).number(*created_at_ms);
    sum.number(row.epoch).number(row.members).finish()
}

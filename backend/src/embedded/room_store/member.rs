//! Rows of members: one per room and user.

use antiphon_core::contract::{BackendErrorKind, MemberRecord, Standing};
use antiphon_protocol::{RoomName, UserName};
use rusqlite::{Connection, Params, Row};

use super::super::checksum::RowSum;
use super::super::failure::Failure;
use super::super::{limit, stored};
use super::{guarded, room};

const COLUMNS: &str = "room, user, standing, since_ms, checksum";

/// Adds or replaces a row.
pub(super) fn put(
    connection: &Connection,
    member: &MemberRecord,
    epoch: u64,
) -> Result<(), Failure> {
    let mut row = guarded(connection, &member.room, epoch)?
        .ok_or(Failure::Refused(BackendErrorKind::NotFound))?;
    let before = read(connection, &member.room, &member.user)?;
    let sql = "INSERT INTO room_members (room, user, standing, since_ms, checksum) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (room, user) DO UPDATE SET \
               standing = excluded.standing, since_ms = excluded.since_ms, \
               checksum = excluded.checksum";
    let values = (
        member.room.as_str(),
        member.user.as_str(),
        stored(standing_number(member.standing)),
        stored(member.since_ms),
        sum(member),
    );
    connection.prepare_cached(sql)?.execute(values)?;
    row.members += u64::from(member.standing.is_member());
    settle(connection, row, before, epoch)
}

/// Removes a row, if it is there.
pub(super) fn remove(
    connection: &Connection,
    name: &RoomName,
    user: &UserName,
    epoch: u64,
) -> Result<(), Failure> {
    let Some(row) = guarded(connection, name, epoch)? else {
        return Ok(());
    };
    let before = read(connection, name, user)?;
    let sql = "DELETE FROM room_members WHERE room = ?1 AND user = ?2";
    connection
        .prepare_cached(sql)?
        .execute((name.as_str(), user.as_str()))?;
    settle(connection, row, before, epoch)
}

/// Takes the row that is gone off the count, and raises the epoch.
fn settle(
    connection: &Connection,
    mut row: room::RoomRow,
    before: Option<MemberRecord>,
    epoch: u64,
) -> Result<(), Failure> {
    let gone = u64::from(before.is_some_and(|member| member.standing.is_member()));
    row.members = row
        .members
        .checked_sub(gone)
        .ok_or(Failure::Damaged("rooms"))?;
    row.epoch = epoch;
    room::update(connection, &row)
}

/// One row.
pub(super) fn read(
    connection: &Connection,
    room: &RoomName,
    user: &UserName,
) -> Result<Option<MemberRecord>, Failure> {
    let rows = select(
        connection,
        "room = ?1 AND user = ?2",
        (room.as_str(), user.as_str()),
    )?;
    Ok(rows.into_iter().next())
}

/// Every row of a room, by user.
pub(super) fn all(connection: &Connection, room: &RoomName) -> Result<Vec<MemberRecord>, Failure> {
    select(connection, "room = ?1 ORDER BY user", [room.as_str()])
}

/// Members behind `after`, by user.
pub(super) fn page(
    connection: &Connection,
    room: &RoomName,
    after: &str,
    rows: usize,
) -> Result<Vec<MemberRecord>, Failure> {
    let condition = "room = ?1 AND user > ?2 AND standing >= 1 ORDER BY user LIMIT ?3";
    select(connection, condition, (room.as_str(), after, limit(rows)))
}

/// The rooms that a user is a member of, by name.
pub(super) fn rooms_of(connection: &Connection, user: &UserName) -> Result<Vec<RoomName>, Failure> {
    let rows = select(
        connection,
        "user = ?1 AND standing >= 1 ORDER BY room",
        [user.as_str()],
    )?;
    Ok(rows.into_iter().map(|member| member.room).collect())
}

fn select(
    connection: &Connection,
    condition: &str,
    values: impl Params,
) -> Result<Vec<MemberRecord>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM room_members WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(decode(row)?);
    }
    Ok(members)
}

fn decode(row: &Row<'_>) -> Result<MemberRecord, Failure> {
    let damaged = || Failure::Damaged("room_members");
    let (room, user): (String, String) = (row.get(0)?, row.get(1)?);
    let standing = match row.get::<_, i64>(2)? {
        0 => Standing::Invited,
        1 => Standing::Member,
        2 => Standing::Owner,
        _ => return Err(damaged()),
    };
    let member = MemberRecord {
        room: RoomName::parse(&room).map_err(|_| damaged())?,
        user: UserName::parse(&user).map_err(|_| damaged())?,
        standing,
        since_ms: row.get::<_, i64>(3)?.cast_unsigned(),
    };
    if sum(&member) == row.get::<_, i64>(4)? {
        Ok(member)
    } else {
        Err(damaged())
    }
}

fn standing_number(standing: Standing) -> u64 {
    match standing {
        Standing::Invited => 0,
        Standing::Member => 1,
        Standing::Owner => 2,
    }
}

fn sum(member: &MemberRecord) -> i64 {
    let sum = RowSum::new("room_members")
        .text(member.room.as_str())
        .text(member.user.as_str());
    sum.number(standing_number(member.standing))
        .number(member.since_ms)
        .finish()
}

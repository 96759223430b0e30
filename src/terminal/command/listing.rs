//! Lists that are longer than a screen: a page at a time, `next` gives the one after.

use std::collections::VecDeque;

use antiphon_protocol::client::{ListRooms, Role, RoomMembers, RoomSummary, Visibility};
use antiphon_protocol::limits::PAGE_MAX;
use antiphon_protocol::{RoomName, client};

use super::super::render::{self, Painter};
use super::super::session::Session;
use super::super::{sanitize, screen};
use super::{Answer, CommandError};

/// Rows of a page.
const PAGE_ROWS: usize = 20;
/// How often the server is asked for one page.
const BATCHES_MAX: usize = 3;
/// Room for a room's name in its row; a longer one takes what it needs.
const ROOM_COLUMNS: usize = 20;

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListOf {
    /// The rooms.
    Rooms,
    /// A room's members.
    Members(RoomName),
    /// Who is on line, by the beginning of the name.
    Online(String),
}

impl ListOf {
    fn command(&self) -> &'static str {
        match self {
            Self::Rooms => "/rooms",
            Self::Members(_) => "/members",
            Self::Online(_) => "/online",
        }
    }

    /// Whether `next` of the same command goes on with this list.
    fn goes_on_with(&self, kept: &Self) -> bool {
        self.command() == kept.command()
    }

    /// A room has a row of its own; names stand side by side.
    fn has_rows(&self) -> bool {
        matches!(self, Self::Rooms)
    }

    fn nobody(&self) -> String {
        match self {
            Self::Rooms => "— there is no room yet: /create one".to_owned(),
            Self::Members(_) => "— nobody is here".to_owned(),
            Self::Online(prefix) => {
                format!("— nobody is on line whose name begins with {prefix:?}")
            }
        }
    }
}

/// The rest of a list.
#[derive(Debug)]
pub struct Listing {
    of: ListOf,
    cells: VecDeque<String>,
    cursor: Option<String>,
}

struct Batch {
    cells: Vec<String>,
    cursor: Option<String>,
    title: Option<String>,
}

/// The first page.
pub(super) async fn begin(session: &Session, of: ListOf) -> Result<Answer, CommandError> {
    let batch = fetch(session, &of, None).await?;
    if batch.cells.is_empty() {
        return Ok(Answer::line(session.painter.dim(&of.nobody())));
    }
    let mut listing = Listing {
        of,
        cells: batch.cells.into(),
        cursor: batch.cursor,
    };
    let mut lines: Vec<String> = batch.title.into_iter().collect();
    lines.extend(page(session, &mut listing).await?);
    session.state.lock().listing = Some(listing);
    Ok(Answer::lines(lines))
}

/// The page after the last one.
pub(super) async fn go_on(session: &Session, of: ListOf) -> Result<Answer, CommandError> {
    let kept = session.state.lock().listing.take();
    let kept = kept.filter(|kept| of.goes_on_with(&kept.of));
    let rest = kept.filter(|kept| !kept.cells.is_empty() || kept.cursor.is_some());
    let Some(mut listing) = rest else {
        let command = of.command();
        return Err(CommandError::Refused(format!(
            "there is no more to list; {command} begins anew"
        )));
    };
    let lines = page(session, &mut listing).await?;
    session.state.lock().listing = Some(listing);
    Ok(Answer::lines(lines))
}

async fn page(session: &Session, listing: &mut Listing) -> Result<Vec<String>, CommandError> {
    let columns = screen::columns();
    let wanted = listing.cells_a_page(columns);
    for _ in 0..BATCHES_MAX {
        if listing.cells.len() >= wanted {
            break;
        }
        let Some(cursor) = listing.cursor.take() else {
            break;
        };
        let batch = fetch(session, &listing.of, Some(cursor)).await?;
        listing.cells.extend(batch.cells);
        listing.cursor = batch.cursor;
    }
    Ok(listing.next_page(columns, session.painter))
}

impl Listing {
    fn cells_a_page(&self, columns: usize) -> usize {
        if self.of.has_rows() {
            return PAGE_ROWS;
        }
        let widest = self.cells.iter().map(|cell| render::width(cell)).max();
        PAGE_ROWS * render::cells_per_row(widest.unwrap_or(0), columns)
    }

    /// Takes a page off what is there.
    fn next_page(&mut self, columns: usize, painter: Painter) -> Vec<String> {
        let count = self.cells_a_page(columns).min(self.cells.len());
        let shown: Vec<String> = self.cells.drain(..count).collect();
        let mut lines = if self.of.has_rows() {
            shown
        } else {
            render::in_columns(&shown, columns)
        };
        let (left, command) = (self.cells.len(), self.of.command());
        let more = match (&self.cursor, left) {
            (None, 0) => return lines,
            (Some(_), 0) => format!("… and more: {command} next"),
            (Some(_), left) => format!("… and more than {left} more: {command} next"),
            (None, left) => format!("… and {left} more: {command} next"),
        };
        lines.push(painter.dim(&more));
        lines
    }
}

async fn fetch(
    session: &Session,
    of: &ListOf,
    cursor: Option<String>,
) -> Result<Batch, CommandError> {
    match of {
        ListOf::Rooms => {
            let (rooms, cursor) = rooms(session, cursor).await?;
            let rows = room_rows(&rooms, session.painter, screen::columns());
            Ok(Batch {
                cells: rows,
                cursor,
                title: None,
            })
        }
        ListOf::Members(room) => members(session, room.clone(), cursor).await,
        ListOf::Online(prefix) => online(session, prefix, cursor).await,
    }
}

/// A batch of rooms.
pub(super) async fn rooms(
    session: &Session,
    cursor: Option<String>,
) -> Result<(Vec<RoomSummary>, Option<String>), CommandError> {
    let asked = ListRooms {
        prefix: None,
        cursor,
        limit: PAGE_MAX,
    };
    let reply = session.client.request(asked).await?;
    let mut state = session.state.lock();
    for room in &reply.rooms {
        state.names.saw_room(room.room_name.as_str());
    }
    Ok((reply.rooms, reply.cursor))
}

/// Rooms as rows: dot, name, members, topic.
pub(super) fn room_rows(rooms: &[RoomSummary], painter: Painter, columns: usize) -> Vec<String> {
    let name = |room: &RoomSummary| format!("#{}", sanitize::line(room.room_name.as_str()));
    let widest = rooms.iter().map(|room| render::width(&name(room))).max();
    let name_room = widest.unwrap_or(0).min(ROOM_COLUMNS);
    let most = rooms.iter().map(|room| room.members).max().unwrap_or(0);
    let count_room = most.to_string().len();
    let rows = rooms.iter().map(|room| {
        let mark = if room.joined { "•" } else { " " };
        let members = room.members;
        let mut row = format!(
            "{mark} {}  {members:>count_room$}",
            render::fill(&name(room), name_room)
        );
        let mut about = sanitize::line(&room.topic);
        if room.visibility == Visibility::Private {
            about = format!("[private] {about}");
        }
        let left = columns.saturating_sub(render::width(&row) + 2);
        if !about.trim().is_empty() {
            row += &format!("  {}", painter.dim(&render::cut(about.trim(), left)));
        }
        row
    });
    rows.collect()
}

async fn members(
    session: &Session,
    room_name: RoomName,
    cursor: Option<String>,
) -> Result<Batch, CommandError> {
    let first = cursor.is_none();
    let asked = RoomMembers {
        room_name,
        cursor,
        limit: PAGE_MAX,
    };
    let mut reply = session.client.request(asked).await?;
    let painter = session.painter;
    let mut state = session.state.lock();
    let room = reply.room_name.as_str();
    // Who is on line stands first.
    reply
        .members
        .sort_by_key(|member| member.is_online != Some(true));
    let online = reply
        .members
        .iter()
        .filter(|member| member.is_online == Some(true));
    let title = format!(
        "— #{} has {}{} members, {} of them on line",
        sanitize::line(room),
        reply.members.len(),
        if reply.cursor.is_some() { "+" } else { "" },
        online.count()
    );
    let title = title.replace(" 1 members, 1 of them", " 1 member,");
    let cells = reply.members.iter().map(|member| {
        let name = member.username.as_str();
        state.names.saw_member(room, name);
        let mark = if member.is_online == Some(true) {
            "•"
        } else {
            " "
        };
        let owner = match member.role {
            Role::Owner => painter.dim(" owner"),
            Role::Member => String::new(),
        };
        format!("{mark} {}{owner}", painter.listed(name, &state.me, ""))
    });
    Ok(Batch {
        cells: cells.collect(),
        title: first.then(|| painter.dim(&title)),
        cursor: reply.cursor,
    })
}

async fn online(
    session: &Session,
    prefix: &str,
    cursor: Option<String>,
) -> Result<Batch, CommandError> {
    let first = cursor.is_none();
    let asked = client::Online {
        prefix: Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()),
        cursor,
        limit: PAGE_MAX,
    };
    let reply = session.client.request(asked).await?;
    let painter = session.painter;
    let mut state = session.state.lock();
    let cells = reply.users.iter().map(|user| {
        state.names.saw_user(user.username.as_str());
        painter.listed(user.username.as_str(), &state.me, prefix)
    });
    let cells: Vec<String> = cells.collect();
    let title = if prefix.is_empty() {
        format!("— {} on line", reply.total)
    } else {
        let begins = sanitize::line(prefix);
        format!("— on line, beginning with {begins:?}")
    };
    Ok(Batch {
        cells,
        cursor: reply.cursor,
        title: first.then(|| painter.dim(&title)),
    })
}

#[cfg(test)]
mod tests;

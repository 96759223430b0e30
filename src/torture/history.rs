//! The history of a run: what was asked, what was answered, what was delivered, what was
//! broken, and what the log held in the end. One JSON object a line, times in microseconds of
//! one clock. A history is enough to judge a run; nothing else is kept.

mod fault;
mod file;
mod memory;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use fault::{Fault, FaultKind, TermEnd};
pub use file::{HistoryError, WriteError, read};
pub use memory::Collected;

/// The form of this build's histories.
pub const FORMAT: u32 = 2;

/// Where the parts of a run put what they see. A clone writes to the same history.
#[derive(Debug, Clone)]
pub struct Recorder(To);

#[derive(Debug, Clone)]
enum To {
    File(file::Queue),
    Memory(Collected),
}

impl Recorder {
    /// Begins a file. The future is the writing; it ends when every clone of the recorder is
    /// gone, and tells what became of it.
    pub fn create(
        path: &Path,
    ) -> Result<(Self, impl Future<Output = Result<(), WriteError>> + use<>), WriteError> {
        let (queue, writing) = file::create(path)?;
        Ok((Self(To::File(queue)), writing))
    }

    /// Begins a history in memory.
    pub fn memory(run: Run) -> (Self, Collected) {
        let collected = Collected::new(run);
        (Self(To::Memory(collected.clone())), collected)
    }

    /// Takes a record; waits while the file is behind. A broken writer is told at the end.
    pub async fn put(&self, record: Record) {
        match &self.0 {
            To::File(queue) => queue.put(record).await,
            To::Memory(collected) => collected.add(record),
        }
    }

    /// Takes a record without waiting, for who can't. If the file is too far behind for it,
    /// the history breaks off without its last line.
    pub(super) fn put_at_once(&self, record: Record) {
        match &self.0 {
            To::File(queue) => queue.put_at_once(record),
            To::Memory(collected) => collected.add(record),
        }
    }
}

/// How an operation ended, as far as its caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It certainly took no effect.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What the run was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program.
    pub version: String,
    /// Whether the program was built without optimization.
    pub debug_build: bool,
    /// The seed.
    pub seed: u64,
    /// How long load was asked for, in milliseconds.
    pub duration_ms: u64,
    /// Users.
    pub users: u32,
    /// Rooms.
    pub rooms: u32,
    /// Messages of each user in a second.
    pub rate: u32,
    /// Servers of the cluster; 0 if the run did not start it.
    pub servers: u32,
    /// Settings of the cluster that are not the defaults.
    pub settings: Vec<String>,
    /// Whether the run started the cluster and may break its servers.
    pub own_cluster: bool,
    /// Whether the cluster that it started was of separate processes on services that it was
    /// given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_services: bool,
    /// Whether it is told what the cluster's process takes.
    pub tells_usage: bool,
    /// The most that may wait for one client, in bytes, if the servers' queues were watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_bytes_max: Option<u64>,
}

impl Run {
    /// One by this build, of which nothing else is known.
    pub fn of_this_build() -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            debug_build: cfg!(debug_assertions),
            seed: 0,
            duration_ms: 0,
            users: 0,
            rooms: 0,
            rate: 0,
            servers: 0,
            settings: Vec::new(),
            own_cluster: false,
            on_services: false,
            tells_usage: false,
            queue_bytes_max: None,
        }
    }
}

/// One attempt to send a message. A retry is another one under the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Send {
    /// The client that sent it.
    pub session: u32,
    /// Its user.
    pub user: String,
    /// As all call it.
    pub conversation: String,
    /// The client id, which is the text, too.
    pub id: String,
    /// The message's place among all of its session; a retry has the one of the first attempt.
    pub number: u64,
    /// When it was given to the client.
    pub begin: u64,
    /// When the client gave an answer.
    pub end: u64,
    /// Which.
    pub outcome: Outcome,
    /// The place in the log that was acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The words of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A place in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// As all call it.
    pub conversation: String,
    /// The highest place taken.
    pub seq: u64,
}

/// A client's first login; what comes after the places is owed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its number.
    pub session: u32,
    /// Its user.
    pub user: String,
    /// When.
    pub at: u64,
    /// The user's conversations then; a direct one that is not named was empty.
    pub places: Vec<Place>,
}

/// A user joins or leaves a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The client that asked.
    pub session: u32,
    /// Its user.
    pub user: String,
    /// As all call it.
    pub conversation: String,
    /// True for a join.
    pub joins: bool,
    /// When it was asked.
    pub begin: u64,
    /// When it was answered.
    pub end: u64,
    /// How.
    pub outcome: Outcome,
    /// The room's highest place, told to who joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// A client handed a message to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The client.
    pub session: u32,
    /// As all call it.
    pub conversation: String,
    /// The place.
    pub seq: u64,
    /// Who sent it, as the server says.
    pub from: String,
    /// The text.
    pub id: String,
    /// When.
    pub at: u64,
}

/// A client told its owner that messages are gone for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The client.
    pub session: u32,
    /// As all call it.
    pub conversation: String,
    /// The first place.
    pub from: u64,
    /// The last place.
    pub to: u64,
    /// When.
    pub at: u64,
}

/// What was read back in the end, of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogHead {
    /// As all call it.
    pub conversation: String,
    /// The last place before the run.
    pub base: u64,
    /// The last place.
    pub last_seq: u64,
    /// False if messages are gone for good.
    pub complete: bool,
}

/// One record of the log, read back in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// As all call it.
    pub conversation: String,
    /// The place.
    pub seq: u64,
    /// Who sent it; absent for a mark of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The text; absent for a mark of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The term under which it was written; absent where only clients looked, who are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "camelCase")]
pub enum Record {
    /// The first line.
    Run(Run),
    /// See [`Session`].
    Session(Session),
    /// A client ended.
    #[serde(rename_all = "camelCase")]
    SessionEnded {
        /// Which.
        session: u32,
        /// When it was told to.
        at: u64,
    },
    /// See [`Send`].
    Send(Send),
    /// See [`Membership`].
    Membership(Membership),
    /// See [`Delivery`].
    Delivery(Delivery),
    /// See [`Gap`].
    Gap(Gap),
    /// See [`Fault`].
    Fault(Fault),
    /// Who leads, each time that it is another term.
    Leader {
        /// The server.
        name: String,
        /// The term.
        epoch: u64,
        /// When it was seen.
        at: u64,
    },
    /// What the cluster's process takes.
    #[serde(rename_all = "camelCase")]
    Usage {
        /// Which process, counted from 0.
        process: u32,
        /// Resident memory.
        resident_bytes: u64,
        /// Open files and sockets.
        files: u64,
        /// When.
        at: u64,
    },
    /// More waited for one client of a server than ever before.
    Queue {
        /// The server.
        server: String,
        /// How much.
        bytes: u64,
        /// When it was seen.
        at: u64,
    },
    /// No load and no faults from here on.
    Healed {
        /// When.
        at: u64,
    },
    /// See [`LogHead`].
    LogHead(LogHead),
    /// See [`LogEntry`].
    LogEntry(LogEntry),
    /// The last line: what is before it is whole.
    End {
        /// When.
        at: u64,
    },
}

/// A whole history, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What the run was.
    pub run: Run,
    /// Clients.
    pub sessions: Vec<Session>,
    /// Those that ended before the end.
    pub ended: Vec<u32>,
    /// Attempts to send.
    pub sends: Vec<Send>,
    /// Joins and leaves.
    pub memberships: Vec<Membership>,
    /// Deliveries; those of one session in its order.
    pub deliveries: Vec<Delivery>,
    /// Gaps told.
    pub gaps: Vec<Gap>,
    /// Faults.
    pub faults: Vec<Fault>,
    /// Terms of leadership: name, epoch, when seen.
    pub leaders: Vec<(String, u64, u64)>,
    /// What the process took: process, bytes, files.
    pub usage: Vec<(u32, u64, u64)>,
    /// The most that waited for one client: server, bytes.
    pub queues: Vec<(String, u64)>,
    /// When all was mended.
    pub healed: Option<u64>,
    /// Conversations read back.
    pub heads: Vec<LogHead>,
    /// Their records, in the order read.
    pub log: Vec<LogEntry>,
    /// Whether the last line is there.
    pub is_whole: bool,
}

impl History {
    /// One with nothing in it.
    pub fn new(run: Run) -> Self {
        Self {
            run,
            sessions: Vec::new(),
            ended: Vec::new(),
            sends: Vec::new(),
            memberships: Vec::new(),
            deliveries: Vec::new(),
            gaps: Vec::new(),
            faults: Vec::new(),
            leaders: Vec::new(),
            usage: Vec::new(),
            queues: Vec::new(),
            healed: None,
            heads: Vec::new(),
            log: Vec::new(),
            is_whole: false,
        }
    }

    /// Puts a line where it belongs.
    pub fn add(&mut self, record: Record) {
        match record {
            // A second one changes nothing.
            Record::Run(_) => {}
            Record::Session(session) => self.sessions.push(session),
            Record::SessionEnded { session, .. } => self.ended.push(session),
            Record::Send(send) => self.sends.push(send),
            Record::Membership(membership) => self.memberships.push(membership),
            Record::Delivery(delivery) => self.deliveries.push(delivery),
            Record::Gap(gap) => self.gaps.push(gap),
            Record::Fault(fault) => self.faults.push(fault),
            Record::Leader { name, epoch, at } => self.leaders.push((name, epoch, at)),
            Record::Usage {
                process,
                resident_bytes,
                files,
                ..
            } => self.usage.push((process, resident_bytes, files)),
            Record::Queue { server, bytes, .. } => self.queues.push((server, bytes)),
            Record::Healed { at } => self.healed = Some(at),
            Record::LogHead(head) => self.heads.push(head),
            Record::LogEntry(entry) => self.log.push(entry),
            Record::End { .. } => self.is_whole = true,
        }
    }
}

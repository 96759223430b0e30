//! Writes to a room, each a transaction.

use std::collections::BTreeMap;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, MemberRecord, RoomRecord, Standing};
use antiphon_protocol::{RoomName, UserName};
use mongodb::ClientSession;
use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;
use mongodb::error::Error;
use mongodb::options::ReadConcern;

use super::super::Store;
use super::super::failure::{Failure, is_duplicate, is_unknown_commit};
use super::super::limits::{COMMITS_MAX, TRANSACTION_BACKOFF, TRANSACTION_RUNS_MAX};
use super::super::number::stored;
use super::{Member, Room, standing_number, standing_of, transactor, visibility_number};

/// A write to a room, as an epoch decides it.
pub(super) enum Decision {
    /// A new room and its first members.
    Create {
        /// The room.
        room: Room,
        /// Its members.
        members: Vec<Member>,
    },
    /// A row that is added or replaces another.
    Put {
        /// The row.
        member: Member,
        /// Whose decision.
        epoch: i64,
    },
    /// A row that is removed.
    Remove {
        /// Of the room.
        room: String,
        /// And the user.
        user: String,
        /// Whose decision.
        epoch: i64,
    },
}

impl Decision {
    /// See [`Decision::Create`].
    pub(super) fn create(
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> Result<Self, Failure> {
        // Of two rows of one user the later replaces the earlier.
        let members: BTreeMap<UserName, MemberRecord> = members
            .into_iter()
            .map(|member| (member.user.clone(), member))
            .collect();
        let counted = members
            .values()
            .filter(|member| member.standing.is_member());
        let room = Room {
            id: ObjectId::new(),
            skeleton: room.name.skeleton(),
            visibility: visibility_number(room.visibility),
            created_at_ms: stored(room.created_at_ms)?,
            epoch: stored(epoch)?,
            members: stored(counted.count() as u64)?,
            decisions: 1,
            transactor: None,
            name: room.name.as_str().to_owned(),
            topic: room.topic,
        };
        let row = |member: &MemberRecord| {
            let mut row = member_to(member)?;
            row.room.clone_from(&room.name);
            Ok::<_, Failure>(row)
        };
        let members = members.values().map(row).collect::<Result<_, _>>()?;
        Ok(Self::Create { room, members })
    }

    /// See [`Decision::Put`].
    pub(super) fn put(member: MemberRecord, epoch: u64) -> Result<Self, Failure> {
        Ok(Self::Put {
            member: member_to(&member)?,
            epoch: stored(epoch)?,
        })
    }

    /// See [`Decision::Remove`].
    pub(super) fn remove(room: &RoomName, user: &UserName, epoch: u64) -> Result<Self, Failure> {
        Ok(Self::Remove {
            room: room.as_str().to_owned(),
            user: user.as_str().to_owned(),
            epoch: stored(epoch)?,
        })
    }

    fn room(&self) -> &str {
        match self {
            Self::Create { room, .. } => &room.name,
            Self::Put { member, .. } => &member.room,
            Self::Remove { room, .. } => room,
        }
    }

    /// Whose decision about a room that is there.
    fn epoch(&self) -> Option<i64> {
        match self {
            Self::Create { .. } => None,
            Self::Put { epoch, .. } | Self::Remove { epoch, .. } => Some(*epoch),
        }
    }

    /// The steps inside the transaction.
    async fn apply(&self, store: &Store, session: &mut ClientSession) -> Result<(), Step> {
        match self {
            Self::Create { room, members } => create(store, session, room, members).await,
            Self::Put { member, epoch } => put(store, session, member, *epoch).await,
            Self::Remove { room, user, epoch } => remove(store, session, room, user, *epoch).await,
        }
    }
}

/// Why a step failed.
enum Step {
    Driver(Error),
    Failure(Failure),
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Failure> for Step {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Carries a decision out, as one transaction.
pub(super) async fn make(store: &Store, decision: &Decision) -> Result<(), Failure> {
    let mut noted = transactor::lock(store, decision.room()).lock().await;
    let mut session = store
        .client
        .start_session()
        .await
        .map_err(Failure::NothingDone)?;
    if let Some(epoch) = decision.epoch() {
        noted.note(store, decision.room(), epoch, &session).await?;
    }
    let (base, max) = TRANSACTION_BACKOFF;
    let mut backoff = Backoff::new(base, max);
    loop {
        let result = run(store, &mut session, decision).await;
        match result {
            // Not if the database is gone: then its return is waited for elsewhere.
            Err(failure)
                if failure.is_transient()
                    && !failure.is_outage()
                    && backoff.attempt() < TRANSACTION_RUNS_MAX =>
            {
                clock::sleep(backoff.next_delay()).await;
            }
            other => return other,
        }
    }
}

async fn run(
    store: &Store,
    session: &mut ClientSession,
    decision: &Decision,
) -> Result<(), Failure> {
    let starting = session.start_transaction();
    starting
        .read_concern(ReadConcern::snapshot())
        .await
        .map_err(Failure::NothingDone)?;
    match decision.apply(store, session).await {
        Ok(()) => commit(session).await,
        Err(step) => {
            let failure = failure_of(store, decision, step).await;
            // What is not committed is taken back by the server in any case.
            if failure.as_ref().is_err_and(|failure| !failure.is_outage()) {
                let _ = session.abort_transaction().await;
            }
            failure
        }
    }
}

async fn failure_of(store: &Store, decision: &Decision, step: Step) -> Result<(), Failure> {
    match step {
        Step::Failure(failure) => Err(failure),
        Step::Driver(error) if is_duplicate(&error) => duplicate(store, decision).await,
        Step::Driver(error) => Err(Failure::NothingDone(error)),
    }
}

async fn commit(session: &mut ClientSession) -> Result<(), Failure> {
    let mut commits = 1;
    loop {
        match session.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(error) => {
                let again = is_unknown_commit(&error) && commits < COMMITS_MAX;
                let failure = Failure::Driver(error);
                if !again || failure.is_outage() {
                    return Err(failure);
                }
                commits += 1;
            }
        }
    }
}

/// A unique index refused a step. For a new room it means that the name is taken, unless it
/// is taken by this very call, whose commit was not heard of. A member's row was made by
/// another process since the transaction began.
async fn duplicate(store: &Store, decision: &Decision) -> Result<(), Failure> {
    match decision {
        Decision::Create { room, .. } => {
            let mine = store.rooms.find_one(doc! { "_id": room.id }).await;
            match mine.map_err(Failure::NothingDone)? {
                Some(_) => Ok(()),
                None => Err(Failure::Refused(BackendErrorKind::Conflict)),
            }
        }
        Decision::Put { .. } | Decision::Remove { .. } => Err(Failure::Raced),
    }
}

async fn create(
    store: &Store,
    session: &mut ClientSession,
    room: &Room,
    members: &[Member],
) -> Result<(), Step> {
    store.rooms.insert_one(room).session(&mut *session).await?;
    if !members.is_empty() {
        let inserting = store.members.insert_many(members);
        inserting.session(&mut *session).await?;
    }
    Ok(())
}

async fn put(
    store: &Store,
    session: &mut ClientSession,
    member: &Member,
    epoch: i64,
) -> Result<(), Step> {
    let row = doc! { "room": &member.room, "user": &member.user };
    let finding = store.members.find_one(row).session(&mut *session);
    let before = finding.await?;
    let gained = i64::from(counts(member)?) - before.as_ref().map_or(Ok(0), counted)?;
    if !decide(store, session, &member.room, epoch, gained).await? {
        return Err(Failure::Refused(BackendErrorKind::NotFound).into());
    }
    match before {
        Some(before) => {
            let values = doc! { "standing": member.standing, "since_ms": member.since_ms };
            let updating = store
                .members
                .update_one(doc! { "_id": before.id }, doc! { "$set": values });
            updating.session(&mut *session).await?;
        }
        None => {
            let inserting = store.members.insert_one(member);
            inserting.session(&mut *session).await?;
        }
    }
    Ok(())
}

async fn remove(
    store: &Store,
    session: &mut ClientSession,
    room: &str,
    user: &str,
    epoch: i64,
) -> Result<(), Step> {
    let finding = store.members.find_one(doc! { "room": room, "user": user });
    let before = finding.session(&mut *session).await?;
    let lost = before.as_ref().map_or(Ok(0), counted)?;
    if decide(store, session, room, epoch, -lost).await?
        && let Some(before) = before
    {
        let deleting = store.members.delete_one(doc! { "_id": before.id });
        deleting.session(&mut *session).await?;
    }
    Ok(())
}

/// Changes the room's document: false if there is none, `Conflict` if a newer epoch wrote it.
async fn decide(
    store: &Store,
    session: &mut ClientSession,
    room: &str,
    epoch: i64,
    gained: i64,
) -> Result<bool, Step> {
    let open = doc! { "name": room, "epoch": { "$lte": epoch } };
    let change = doc! {
        "$set": { "epoch": epoch },
        "$inc": { "members": gained, "decisions": 1_i64 },
    };
    let updating = store.rooms.update_one(open, change);
    if updating.session(&mut *session).await?.matched_count == 1 {
        return Ok(true);
    }
    let finding = store.rooms.find_one(doc! { "name": room });
    match finding.session(&mut *session).await? {
        Some(_) => Err(Failure::Refused(BackendErrorKind::Conflict).into()),
        None => Ok(false),
    }
}

fn counts(member: &Member) -> Result<bool, Failure> {
    Ok(standing_of(member.standing)?.is_member())
}

fn counted(member: &Member) -> Result<i64, Failure> {
    Ok(i64::from(counts(member)?))
}

fn member_to(member: &MemberRecord) -> Result<Member, Failure> {
    let standing: Standing = member.standing;
    Ok(Member {
        id: ObjectId::new(),
        room: member.room.as_str().to_owned(),
        user: member.user.as_str().to_owned(),
        standing: standing_number(standing),
        since_ms: stored(member.since_ms)?,
    })
}

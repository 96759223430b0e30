//! Members of a room: made, joined, left, invited, kicked. The store is written first, then
//! memory; the answer follows both.

use std::collections::HashMap;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind, MemberRecord, RoomRecord, Standing};
use antiphon_protocol::client::{JoinRoomReply, RoomInfoReply, RoomKind, Visibility};
use antiphon_protocol::limits::ROOMS_PER_USER_MAX;
use antiphon_protocol::message::{RoomEvent, RoomEventKind};
use antiphon_protocol::peer::{DirectDelivery, PeerFrame, RoomCommand, RoomOutcome};
use antiphon_protocol::{ErrorBody, UserName};

use super::ReplyTo;
use super::actor::{Actor, Rechecks, Room, event};
use super::log::RoomLog;

/// No such room, as far as the asker may know.
pub(crate) fn room_not_found() -> ErrorBody {
    ErrorBody::new(
        404,
        "room_not_found",
        "no such room, or you are not a member of it",
    )
}

fn forbidden() -> ErrorBody {
    ErrorBody::new(403, "forbidden", "only the owner of the room may do this")
}

fn too_many_rooms() -> ErrorBody {
    let message = format!("a user may be in at most {ROOMS_PER_USER_MAX} rooms; leave one first");
    ErrorBody::new(403, "limit_exceeded:rooms", message)
}

type Change = Result<RoomOutcome, ErrorBody>;

impl Actor {
    /// Handles every command but `Chat`.
    pub(super) async fn change(&mut self, user: UserName, command: RoomCommand, reply: ReplyTo) {
        let change = match command {
            RoomCommand::Create { visibility, topic } => self.create(user, visibility, topic).await,
            RoomCommand::Join => self.join(user).await,
            RoomCommand::Leave => self.leave(user).await,
            RoomCommand::Invite { username } => self.invite(user, username).await,
            RoomCommand::Kick { username, reason } => self.kick(user, username, reason).await,
            RoomCommand::Chat { .. } => return,
        };
        let outcome = change.unwrap_or_else(RoomOutcome::Failed);
        self.answer(reply, outcome).await;
    }

    async fn create(&mut self, user: UserName, visibility: Visibility, topic: String) -> Change {
        let taken = || {
            ErrorBody::new(
                409,
                "name_taken",
                "this room name, or one that looks like it, is taken",
            )
        };
        if self.load().await?.is_some() {
            return Err(taken());
        }
        self.check_room_count(&user).await?;
        let now = clock::unix_ms();
        let record = RoomRecord {
            name: self.name.clone(),
            visibility,
            topic,
            created_at_ms: now,
        };
        let owner = self.row(&user, Standing::Owner, now);
        let made = self
            .seat
            .rooms
            .create(record.clone(), vec![owner.clone()], self.seat.epoch)
            .await;
        match made {
            Ok(()) => {}
            Err(error) => {
                // There may be such a room now.
                self.room = None;
                return Err(if error.kind == BackendErrorKind::Conflict {
                    taken()
                } else {
                    self.refusal(&error)
                });
            }
        }
        let members = HashMap::from([(user.clone(), owner)]);
        self.room = Some(Some(Room {
            record: record.clone(),
            members,
        }));
        // Whatever is in the log, the first append meets it.
        self.log = RoomLog::behind(self.conversation(), self.seat.epoch, None)
            .expect("nobody is deposed by an empty log");
        self.now_member(&user).await;
        Ok(RoomOutcome::Created(RoomInfoReply {
            room_name: record.name,
            kind: RoomKind::Group,
            visibility,
            topic: record.topic,
            owner: Some(user),
            members: 1,
            last_seq: Some(0),
            created_at: now,
        }))
    }

    async fn join(&mut self, user: UserName) -> Change {
        let Some(room) = self.load().await? else {
            return Err(room_not_found());
        };
        let standing = room.members.get(&user).map(|row| row.standing);
        let already_member = standing.is_some_and(Standing::is_member);
        if !already_member {
            if standing.is_none() && room.record.visibility == Visibility::Private {
                return Err(room_not_found());
            }
            let ownerless = !room.members.values().any(|row| row.standing.is_member());
            let standing = if ownerless {
                Standing::Owner
            } else {
                Standing::Member
            };
            self.check_room_count(&user).await?;
            // Read first: a join that can't be answered is none.
            self.recent().await?;
            self.put(self.row(&user, standing, clock::unix_ms()))
                .await?;
            self.now_member(&user).await;
        }
        let recent = self.recent().await?;
        let last_seq = self.top().await?;
        if !already_member {
            self.tell(self.happened(RoomEventKind::Joined, Some(user)))
                .await;
        }
        let reply = JoinRoomReply {
            room_name: self.name.clone(),
            conversation: format!("room:{}", self.name),
            members: self.member_count(),
            last_seq,
            already_member,
        };
        Ok(RoomOutcome::Joined { reply, recent })
    }

    async fn leave(&mut self, user: UserName) -> Change {
        let Some(room) = self.load().await? else {
            return Err(room_not_found());
        };
        let Some(row) = room
            .members
            .get(&user)
            .filter(|row| row.standing.is_member())
        else {
            return Err(room_not_found());
        };
        if row.standing == Standing::Owner
            && let Some(heir) = heir(room, &user)
        {
            self.put(MemberRecord {
                standing: Standing::Owner,
                ..heir
            })
            .await?;
        }
        self.erase(&user).await?;
        self.tell(self.happened(RoomEventKind::Left, Some(user.clone())))
            .await;
        self.forget(&user).await;
        Ok(RoomOutcome::Done)
    }

    async fn invite(&mut self, user: UserName, guest: UserName) -> Change {
        let Some(room) = self.load().await? else {
            return Err(room_not_found());
        };
        let standing = |who: &UserName| room.members.get(who).map(|row| row.standing);
        if !standing(&user).is_some_and(Standing::is_member) {
            return Err(room_not_found());
        }
        if standing(&guest).is_none() {
            self.put(self.row(&guest, Standing::Invited, clock::unix_ms()))
                .await?;
        } else if standing(&guest).is_some_and(Standing::is_member) {
            return Ok(RoomOutcome::Done);
        }
        let invited = self.happened(RoomEventKind::Invited, Some(guest.clone()));
        let told = RoomEvent {
            by: Some(user),
            ..invited
        };
        for link in self.seat.presence.links_of(&guest) {
            let delivery = event("roomEvent", &told);
            let direct = DirectDelivery {
                to: guest.clone(),
                delivery,
            };
            self.seat
                .outboxes
                .send(link, PeerFrame::Direct(direct))
                .await;
        }
        Ok(RoomOutcome::Done)
    }

    async fn kick(&mut self, user: UserName, target: UserName, reason: Option<String>) -> Change {
        let Some(room) = self.load().await? else {
            return Err(room_not_found());
        };
        match room.members.get(&user).map(|row| row.standing) {
            Some(Standing::Owner) => {}
            Some(Standing::Member) => return Err(forbidden()),
            Some(Standing::Invited) | None => return Err(room_not_found()),
        }
        if user == target {
            return Err(ErrorBody::new(
                400,
                "invalid_field:username",
                "leave the room instead",
            ));
        }
        let Some(standing) = room.members.get(&target).map(|row| row.standing) else {
            let message = "that user is not a member of the room";
            return Err(ErrorBody::new(404, "not_a_member", message));
        };
        if standing.is_member() {
            // Keeps a leader before this one from writing for who is kicked.
            self.seal().await?;
        }
        self.erase(&target).await?;
        // An invitation that is taken back is nobody else's business.
        if standing.is_member() {
            let kicked = self.happened(RoomEventKind::Kicked, Some(target.clone()));
            self.tell(RoomEvent {
                by: Some(user),
                reason,
                ..kicked
            })
            .await;
        }
        self.forget(&target).await;
        Ok(RoomOutcome::Done)
    }

    fn row(&self, user: &UserName, standing: Standing, since_ms: u64) -> MemberRecord {
        MemberRecord {
            room: self.name.clone(),
            user: user.clone(),
            standing,
            since_ms,
        }
    }

    fn member_count(&self) -> u64 {
        let members = self
            .room
            .iter()
            .flatten()
            .flat_map(|room| room.members.values());
        members.filter(|row| row.standing.is_member()).count() as u64
    }

    async fn check_room_count(&self, user: &UserName) -> Result<(), ErrorBody> {
        let rooms = self
            .seat
            .rooms
            .rooms_of(user)
            .await
            .map_err(|error| self.refusal(&error))?;
        if rooms.len() < ROOMS_PER_USER_MAX {
            Ok(())
        } else {
            Err(too_many_rooms())
        }
    }

    async fn put(&mut self, row: MemberRecord) -> Result<(), ErrorBody> {
        let put = self
            .seat
            .rooms
            .put_member(row.clone(), self.seat.epoch)
            .await;
        self.written(put)?;
        if let Some(Some(room)) = &mut self.room {
            room.members.insert(row.user.clone(), row);
        }
        Ok(())
    }

    /// Removes a row from the store; memory follows by `forget`, so that who goes still hears
    /// of it.
    async fn erase(&mut self, user: &UserName) -> Result<(), ErrorBody> {
        let removed = self
            .seat
            .rooms
            .remove_member(&self.name, user, self.seat.epoch)
            .await;
        self.written(removed)
    }

    async fn forget(&mut self, user: &UserName) {
        if let Some(Some(room)) = &mut self.room {
            room.members.remove(user);
        }
        self.seat.presence.left(user, &self.name);
        self.update_audience(Rechecks::from([(user.clone(), None)]), None)
            .await;
    }

    /// After a write whose outcome is unknown the room is read anew.
    fn written(&mut self, result: Result<(), BackendError>) -> Result<(), ErrorBody> {
        result.map_err(|error| {
            if error.kind == BackendErrorKind::Timeout {
                self.room = None;
            }
            self.refusal(&error)
        })
    }

    async fn now_member(&mut self, user: &UserName) {
        self.seat.presence.joined(user, &self.name);
        self.update_audience(Rechecks::from([(user.clone(), None)]), None)
            .await;
    }
}

/// Who becomes owner when the owner leaves: who has been a member longest.
fn heir(room: &Room, leaving: &UserName) -> Option<MemberRecord> {
    let members = room.members.values();
    let others = members.filter(|row| row.standing.is_member() && row.user != *leaving);
    others
        .min_by_key(|row| (row.since_ms, row.user.clone()))
        .cloned()
}

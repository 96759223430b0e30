//! The three stores in memory, as their contracts say, for these tests alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use antiphon_core::contract::*;
use antiphon_core::words::{index_tokens, query_tokens};
use antiphon_protocol::{ClientId, ConversationId, RoomName, UserName};
use async_trait::async_trait;

fn error<T>(kind: BackendErrorKind) -> BackendResult<T> {
    Err(BackendError::new(kind, "memory"))
}

#[derive(Default)]
pub(super) struct MemoryUsers {
    pub(super) users: Mutex<BTreeMap<UserName, UserRecord>>,
    tokens: Mutex<BTreeMap<[u8; 32], TokenRecord>>,
}

#[async_trait]
impl UserStore for MemoryUsers {
    async fn create(&self, user: UserRecord) -> BackendResult<()> {
        let mut users = self.users.lock().unwrap();
        if users
            .keys()
            .any(|name| name.skeleton() == user.name.skeleton())
        {
            return error(BackendErrorKind::Conflict);
        }
        users.insert(user.name.clone(), user);
        Ok(())
    }

    async fn create_many(&self, users: Vec<UserRecord>) -> BackendResult<u64> {
        let mut made = 0;
        for user in users {
            made += u64::from(self.create(user).await.is_ok());
        }
        Ok(made)
    }

    async fn get(&self, name: &UserName) -> BackendResult<Option<UserRecord>> {
        Ok(self.users.lock().unwrap().get(name).cloned())
    }

    async fn set_password(&self, name: &UserName, password_hash: &str) -> BackendResult<()> {
        match self.users.lock().unwrap().get_mut(name) {
            Some(user) => user.password_hash = Some(password_hash.to_owned()),
            None => return error(BackendErrorKind::NotFound),
        }
        Ok(())
    }

    async fn count(&self) -> BackendResult<u64> {
        Ok(self.users.lock().unwrap().len() as u64)
    }

    async fn put_token(&self, token: TokenRecord, now_ms: u64) -> BackendResult<()> {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.retain(|_, held| held.expires_at_ms >= now_ms);
        tokens.insert(token.hash, token);
        Ok(())
    }

    async fn token(&self, hash: &[u8; 32]) -> BackendResult<Option<TokenRecord>> {
        Ok(self.tokens.lock().unwrap().get(hash).cloned())
    }

    async fn rotate_token(&self, hash: &[u8; 32], now_ms: u64) -> BackendResult<bool> {
        let mut tokens = self.tokens.lock().unwrap();
        let Some(token) = tokens.get_mut(hash) else {
            return Ok(false);
        };
        let is_first = token.rotated_at_ms.is_none();
        token.rotated_at_ms.get_or_insert(now_ms);
        Ok(is_first)
    }

    async fn revoke_family(&self, family: &str) -> BackendResult<()> {
        self.tokens
            .lock()
            .unwrap()
            .retain(|_, token| token.family != family);
        Ok(())
    }

    async fn revoke_user(&self, user: &UserName, except: Option<&str>) -> BackendResult<()> {
        let stays = |token: &TokenRecord| token.user != *user || Some(&*token.family) == except;
        self.tokens.lock().unwrap().retain(|_, token| stays(token));
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct MemoryRooms {
    pub(super) rooms: Mutex<BTreeMap<RoomName, (RoomRecord, u64)>>,
    pub(super) members: Mutex<BTreeMap<(RoomName, UserName), MemberRecord>>,
    cursors: Mutex<BTreeMap<(UserName, ConversationId), u64>>,
}

impl MemoryRooms {
    fn fence(&self, room: &RoomName, epoch: u64) -> BackendResult<()> {
        match self.rooms.lock().unwrap().get_mut(room) {
            Some((_, newest)) if *newest > epoch => error(BackendErrorKind::Conflict),
            Some((_, newest)) => {
                *newest = epoch;
                Ok(())
            }
            None => error(BackendErrorKind::NotFound),
        }
    }
}

#[async_trait]
impl RoomStore for MemoryRooms {
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()> {
        let mut rooms = self.rooms.lock().unwrap();
        if rooms
            .keys()
            .any(|name| name.skeleton() == room.name.skeleton())
        {
            return error(BackendErrorKind::Conflict);
        }
        rooms.insert(room.name.clone(), (room, epoch));
        let mut rows = self.members.lock().unwrap();
        rows.extend(
            members
                .into_iter()
                .map(|row| ((row.room.clone(), row.user.clone()), row)),
        );
        Ok(())
    }

    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>> {
        Ok(self
            .rooms
            .lock()
            .unwrap()
            .get(room)
            .map(|(room, _)| room.clone()))
    }

    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>> {
        let rows = self.members.lock().unwrap();
        Ok(rows
            .values()
            .filter(|row| row.room == *room)
            .cloned()
            .collect())
    }

    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<MemberRecord>> {
        let mut rows = self.members(room).await?;
        rows.retain(|row| row.standing.is_member() && row.user.as_str() > after);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn member_count(&self, room: &RoomName) -> BackendResult<u64> {
        Ok(self.members_page(room, "", usize::MAX).await?.len() as u64)
    }

    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>> {
        let rows = self.members.lock().unwrap();
        Ok(rows
            .get(&(room.clone(), user.clone()))
            .map(|row| row.standing))
    }

    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()> {
        self.fence(&member.room, epoch)?;
        let key = (member.room.clone(), member.user.clone());
        self.members.lock().unwrap().insert(key, member);
        Ok(())
    }

    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>> {
        match self.fence(room, epoch) {
            Err(error) if error.kind == BackendErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(()) => self.get(room).await,
        }
    }

    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()> {
        self.fence(room, epoch)?;
        self.members
            .lock()
            .unwrap()
            .remove(&(room.clone(), user.clone()));
        Ok(())
    }

    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>> {
        let rows = self.members.lock().unwrap();
        let own = rows
            .values()
            .filter(|row| row.user == *user && row.standing.is_member());
        Ok(own.map(|row| row.room.clone()).collect())
    }

    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>> {
        let rooms: Vec<RoomRecord> = self
            .rooms
            .lock()
            .unwrap()
            .values()
            .map(|(room, _)| room.clone())
            .collect();
        let mut listings = Vec::new();
        for room in rooms {
            let standing = self.standing(&room.name, viewer).await?;
            let is_public = room.visibility == antiphon_protocol::client::Visibility::Public;
            let is_wanted = room.name.as_str().starts_with(prefix) && room.name.as_str() > after;
            if is_wanted && (is_public || standing.is_some()) && listings.len() < limit {
                let members = self.member_count(&room.name).await?;
                listings.push(RoomListing {
                    room,
                    members,
                    standing,
                });
            }
        }
        Ok(listings)
    }

    async fn count(&self) -> BackendResult<u64> {
        Ok(self.rooms.lock().unwrap().len() as u64)
    }

    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64> {
        let mut cursors = self.cursors.lock().unwrap();
        let cursor = cursors
            .entry((user.clone(), conversation.clone()))
            .or_default();
        *cursor = seq.max(*cursor);
        Ok(*cursor)
    }

    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>> {
        let cursors = self.cursors.lock().unwrap();
        let own = cursors.iter().filter(|((name, _), _)| name == user);
        Ok(own
            .map(|((_, conversation), seq)| (conversation.clone(), *seq))
            .collect())
    }
}

#[derive(Default)]
pub(super) struct MemoryArchive {
    pub(super) logs: Mutex<BTreeMap<ConversationId, Vec<Record>>>,
    /// Calls of `append` that work before one fails; counts down.
    pub(super) appends_left: Mutex<Option<u32>>,
    /// How many times somebody else takes the next place before an append.
    pub(super) intruders: Mutex<u32>,
}

impl MemoryArchive {
    fn log(&self, conversation: &ConversationId) -> Vec<Record> {
        self.logs
            .lock()
            .unwrap()
            .get(conversation)
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<Record> {
        self.logs
            .lock()
            .unwrap()
            .values()
            .flatten()
            .cloned()
            .collect()
    }

    fn intrude(&self, record: &Record) {
        let mut intruders = self.intruders.lock().unwrap();
        if *intruders == 0 {
            return;
        }
        *intruders -= 1;
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(record.conversation.clone()).or_default();
        let client_id = ClientId::parse(&format!("other-{}", *intruders)).unwrap();
        log.push(Record {
            seq: log.len() as u64 + 1,
            client_id,
            epoch: 7,
            ..record.clone()
        });
    }

    fn append_one(&self, record: Record) -> AppendOutcome {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(record.conversation.clone()).or_default();
        let twin =
            |held: &&Record| held.sender == record.sender && held.client_id == record.client_id;
        if let Some(twin) = log.iter().find(twin) {
            return AppendOutcome::DuplicateClientId(Box::new(twin.clone()));
        }
        if record.seq <= log.len() as u64 {
            let last = log.last().unwrap();
            return AppendOutcome::SequenceTaken(Tail {
                seq: last.seq,
                epoch: last.epoch,
            });
        }
        assert_eq!(record.seq, log.len() as u64 + 1, "sequences are dense");
        log.push(record);
        AppendOutcome::Stored
    }
}

#[async_trait]
impl MessageArchive for MemoryArchive {
    fn log_id(&self) -> String {
        "memory".to_owned()
    }

    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>> {
        if let Some(left) = self.appends_left.lock().unwrap().as_mut() {
            if *left == 0 {
                return error(BackendErrorKind::Unavailable);
            }
            *left -= 1;
        }
        self.intrude(&records[0]);
        let mut ended = BTreeSet::new();
        let mut outcomes = Vec::new();
        for record in records {
            let conversation = record.conversation.clone();
            if ended.contains(&conversation) {
                outcomes.push(AppendOutcome::NotTried);
                continue;
            }
            let outcome = self.append_one(record);
            if outcome != AppendOutcome::Stored {
                ended.insert(conversation);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>> {
        let log = self.log(conversation);
        Ok(log.last().map(|last| Tail {
            seq: last.seq,
            epoch: last.epoch,
        }))
    }

    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent> {
        let last = self.log(conversation).len() as u64;
        Ok(Extent {
            first: last.min(1),
            last,
        })
    }

    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>> {
        let mut log = self.log(conversation);
        log.retain(|record| (window.from..=window.to).contains(&record.seq));
        if newest_first {
            log.drain(..log.len().saturating_sub(limit));
        }
        log.truncate(limit);
        Ok(log)
    }

    async fn seq_at(
        &self,
        conversation: &ConversationId,
        ts_ms: u64,
    ) -> BackendResult<Option<u64>> {
        let log = self.log(conversation);
        Ok(log
            .iter()
            .find(|record| record.ts_ms >= ts_ms)
            .map(|record| record.seq))
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>> {
        let log = self.log(conversation);
        Ok(log
            .into_iter()
            .find(|held| held.sender == *sender && held.client_id == *client_id))
    }

    async fn unread(
        &self,
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64,
    ) -> BackendResult<u64> {
        let log = self.log(conversation);
        let counts = |record: &&Record| {
            record.kind == RecordKind::Chat && record.seq > after_seq && record.sender != *viewer
        };
        Ok(max.min(log.iter().filter(counts).count() as u64))
    }

    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>> {
        let logs = self.logs.lock().unwrap();
        Ok(logs
            .keys()
            .filter(|key| key.peer_of(user).is_some())
            .cloned()
            .collect())
    }

    async fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> BackendResult<Vec<Record>> {
        let wanted = query_tokens(text);
        let mut found = self.all();
        found.retain(|record| {
            let held = index_tokens(&record.body);
            conversations.contains(&record.conversation)
                && !wanted.is_empty()
                && wanted.iter().all(|word| held.contains(word))
        });
        found.sort_by_key(|record| std::cmp::Reverse(record.ts_ms));
        found.truncate(limit);
        Ok(found)
    }

    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>> {
        let mut found = self.all();
        found.retain(|record| record.ts_ms >= ts_ms && record.kind == RecordKind::Chat);
        found.sort_by_key(|record| std::cmp::Reverse(record.ts_ms));
        found.truncate(limit);
        Ok(found)
    }

    /// The seed removes nothing.
    async fn trim(&self, _before_ms: u64, _after: &str, _limit: usize) -> BackendResult<Trimmed> {
        error(BackendErrorKind::Unavailable)
    }

    async fn count(&self) -> BackendResult<u64> {
        Ok(self.all().len() as u64)
    }
}

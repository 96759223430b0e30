//! One member: talks, and writes down what its clients are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::protocol::client::{ConversationSummary, Secret, Target};
use antiphon_client::{Client, Credentials, Event, Events, SendError};
use antiphon_core::clock;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{ConversationId, UserName};
use tokio::sync::watch;

use super::super::support::{client_id, room, user};
use super::book::{Book, called};
use super::town::{Town, name, partner, rooms_of};
use crate::server::session::lock;
use crate::torture::history::{Delivery, Gap, Outcome, Place, Record, Send, Session};
use crate::torture::load::{Dice, digits};

/// Before each message.
const PAUSE_MS: (u64, u64) = (100, 500);
const SEND_DEADLINE: Duration = Duration::from_secs(20);
/// A message is tried so often.
const ATTEMPTS_MAX: u32 = 60;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Who does not wait is reminded so often.
const HURRY_EVERY: Duration = Duration::from_millis(10);
/// One of so many messages is sent again without need.
const REPEAT_EVERY: u64 = 8;

/// What a member was told so far, as far as others wait for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Which of its programs this is about.
    program: u32,
    pub(super) session: u32,
    pub(super) logins: u64,
    pub(super) losses: u64,
    /// Logins that were told of another log.
    pub(super) replaced: u64,
    /// Logins again at which something had been missed.
    pub(super) behind: u64,
    pub(super) gaps: u64,
    pub(super) told: BTreeMap<String, u64>,
    /// Where each conversation stood at the last login.
    tops: BTreeMap<String, u64>,
}

impl Seen {
    pub(super) fn has(&self, conversation: &str, top: u64) -> bool {
        self.told.get(conversation).copied().unwrap_or(0) >= top
    }

    /// Everything that the last login spoke of.
    pub(super) fn has_caught_up(&self) -> bool {
        self.tops.iter().all(|(name, top)| self.has(name, *top))
    }
}

pub(super) struct Member {
    pub(super) number: usize,
    name: UserName,
    client: Mutex<Client>,
    seen: Arc<watch::Sender<Seen>>,
}

/// One program's events, written down in the order in which they come.
struct Listener {
    name: UserName,
    program: u32,
    seen: Arc<watch::Sender<Seen>>,
    book: Arc<Mutex<Arc<Book>>>,
    /// The log that it is told of, and its number in there.
    open: Option<(Arc<Book>, u32)>,
}

impl Listener {
    async fn listen(mut self, mut events: Events) {
        while let Some(event) = events.recv().await {
            match event {
                Event::LoggedIn {
                    conversations,
                    log_replaced,
                    ..
                } => self.logged_in(&conversations, log_replaced).await,
                Event::Message(message) => {
                    let conversation = self.conversation(&message.conversation);
                    let (book, session) = self.open.as_ref().expect("the login comes first");
                    let delivery = Delivery {
                        session: *session,
                        conversation: called(&conversation),
                        seq: message.seq,
                        from: message.from.as_str().to_owned(),
                        id: message.message,
                        at: book.now(),
                    };
                    book.recorder.put(Record::Delivery(delivery)).await;
                    self.told(&conversation, message.seq);
                }
                Event::Gap {
                    conversation,
                    from,
                    to,
                } => self.gap(&conversation, from, to).await,
                Event::Disconnected { .. } => self.note(|seen| seen.losses += 1),
                Event::Stopped { .. }
                | Event::Connected { .. }
                | Event::ResumeToken { .. }
                | Event::Presence(_)
                | Event::RoomEvent(_)
                | Event::Notice(_) => {}
            }
        }
    }

    fn conversation(&self, name: &str) -> ConversationId {
        ConversationId::parse(name, &self.name).expect("a conversation")
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(|seen| {
            if seen.program == self.program {
                change(seen);
            }
        });
    }

    fn told(&self, conversation: &ConversationId, seq: u64) {
        self.note(|seen| {
            let told = seen.told.entry(called(conversation)).or_default();
            *told = seq.max(*told);
        });
    }

    async fn logged_in(&mut self, summaries: &[ConversationSummary], replaced: bool) {
        let tops = summaries.iter();
        let tops = tops.map(|one| (called(&self.conversation(&one.name)), one.last_seq));
        let tops: BTreeMap<String, u64> = tops.collect();
        let begins = replaced || self.open.is_none();
        if begins {
            let book = Arc::clone(&lock(&self.book));
            let place = |(conversation, seq): (&String, &u64)| Place {
                conversation: conversation.clone(),
                seq: *seq,
            };
            let session = Session {
                session: book.next_session(),
                user: self.name.as_str().to_owned(),
                at: book.now(),
                places: tops.iter().map(place).collect(),
            };
            self.open = Some((Arc::clone(&book), session.session));
            book.recorder.put(Record::Session(session)).await;
        }
        let session = self.open.as_ref().map_or(0, |(_, session)| *session);
        self.note(|seen| {
            seen.session = session;
            seen.logins += 1;
            seen.replaced += u64::from(replaced);
            if begins {
                seen.told.clone_from(&tops);
            }
            seen.tops = tops;
            seen.behind += u64::from(!seen.has_caught_up());
        });
    }

    async fn gap(&self, name: &str, from: u64, to: u64) {
        let conversation = self.conversation(name);
        let (book, session) = self.open.as_ref().expect("the login comes first");
        if !book.is_gone(&conversation, to).await {
            book.problem(format!("{}: {from} to {to} of {name} are there", self.name));
        }
        let gap = Gap {
            session: *session,
            conversation: called(&conversation),
            from,
            to,
            at: book.now(),
        };
        book.recorder.put(Record::Gap(gap)).await;
        self.note(|seen| seen.gaps += 1);
        self.told(&conversation, to);
    }
}

impl Member {
    pub(super) fn enter(number: usize, town: &Town) -> Self {
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let name = user(&name(number));
        let client = begin(&name, &seen, town, None);
        Self {
            number,
            name,
            client: Mutex::new(client),
            seen,
        }
    }

    pub(super) fn client(&self) -> Client {
        lock(&self.client).clone()
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Waits with a client that does not wait.
    pub(super) async fn hurried<T>(&self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            let client = self.client();
            if !client.state().is_online() {
                client.reconnect().await;
            }
            if let Ok(reached) = clock::timeout(HURRY_EVERY, &mut until).await {
                return reached;
            }
        }
    }

    /// Its program ends, and another one begins with the token.
    pub(super) async fn begin_anew(&self, town: &Town) {
        let before = self.client();
        let token = before.resume_token();
        let session = self.seen().session;
        let book = town.book();
        let ended = Record::SessionEnded {
            session,
            at: book.now(),
        };
        book.recorder.put(ended).await;
        before.stop();
        *lock(&self.client) = begin(&self.name, &self.seen, town, token);
    }

    /// Talks until it is to stop; every message is sent until it is known to be stored.
    pub(super) async fn talk(&self, book: &Book, stop_rx: &watch::Receiver<bool>, seed: u64) {
        let mut stop_rx = stop_rx.clone();
        let mut dice = Dice::new(seed, 1_000 + self.number as u64);
        loop {
            let pause = Duration::from_millis(dice.between(PAUSE_MS.0, PAUSE_MS.1));
            if clock::timeout(pause, stop_rx.wait_for(|stop| *stop))
                .await
                .is_ok()
            {
                return;
            }
            let rooms = rooms_of(self.number);
            let target = match dice.below(4) {
                0 => Target::User(partner(self.number)),
                _ => Target::Room(room(dice.pick(&rooms).expect("it has rooms"))),
            };
            let again = dice.once_in(REPEAT_EVERY);
            self.say(book, &target, again).await;
        }
    }

    async fn say(&self, book: &Book, target: &Target, again: bool) {
        let number = book.next_number();
        let id = format!(
            "{}-{}-{}",
            book.name,
            digits(self.number as u64, 2),
            digits(number, 6)
        );
        let conversation = match target {
            Target::Room(room) => ConversationId::Room(room.clone()),
            Target::User(other) => ConversationId::direct(self.name.clone(), other.clone()),
        };
        let mut wanted = 1 + u32::from(again);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                clock::sleep(RETRY_PAUSE).await;
            }
            let (client, begin) = (self.client(), book.now());
            let session = self.seen().session;
            let (target, own) = (target.clone(), client_id(&id));
            let sent = if attempt == 0 {
                client.send_with_id(target, &id, own).await
            } else {
                client.send_again(target, &id, "text", own).await
            };
            let (outcome, seq) = match sent {
                Ok(ack) => (Outcome::Ok, Some(ack.seq)),
                Err(SendError::Unknown { .. }) => (Outcome::Unknown, None),
                Err(SendError::Stopped | SendError::NotSent) => (Outcome::Refused, None),
                Err(error @ (SendError::Refused(_) | SendError::QueueFull)) => {
                    return book.problem(format!("{id}: {error}"));
                }
            };
            let send = Send {
                session,
                user: self.name.as_str().to_owned(),
                conversation: called(&conversation),
                id: id.clone(),
                number,
                begin,
                end: book.now(),
                outcome,
                seq,
                why: None,
            };
            book.recorder.put(Record::Send(send)).await;
            wanted -= u32::from(outcome == Outcome::Ok);
            if wanted == 0 {
                return;
            }
        }
        book.problem(format!("{id} could not be stored"));
    }
}

fn begin(
    name: &UserName,
    seen: &Arc<watch::Sender<Seen>>,
    town: &Town,
    token: Option<Secret>,
) -> Client {
    let credentials = Credentials::Open(name.clone());
    let builder = Client::builder(town.gateway.clone(), credentials);
    let builder = builder.resume_token(token).send_deadline(SEND_DEADLINE);
    let (client, events) = builder.start(&town.scope);
    let mut program = 0;
    seen.send_modify(|seen| {
        seen.program += 1;
        program = seen.program;
    });
    let listener = Listener {
        name: name.clone(),
        program,
        seen: Arc::clone(seen),
        book: Arc::clone(&town.book),
        open: None,
    };
    task::spawn(&town.scope, TaskKind::Client, listener.listen(events));
    client
}

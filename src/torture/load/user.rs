//! One user: talks in its rooms and with its partner, leaves and joins, and does what the
//! nemesis of clients wants. Each message is sent in its place in the order; a send without
//! an answer is repeated under its id, also by a newer client, and some are repeated without
//! need.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::Client;
use antiphon_client::protocol::client::{CreateRoom, RoomKind, Secret, Target, Visibility};
use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::RoomName;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};

use super::LoadError;
use super::dice::Dice;
use super::hand::Hand;
use super::listener::Listener;
use super::world::{Told, World, canonical};
use crate::torture::history::Record;

/// Sends and joins of a user under way; more wait for the next beat.
const PENDING_MAX: usize = 64;
/// Events that wait for a slow reader; few, so that its connection feels it.
const EVENT_BUFFER: usize = 64;
/// One of so many messages is repeated without need.
const REPEAT_EVERY: u64 = 8;
/// One of so many beats, the user leaves a room.
const LEAVE_EVERY: u64 = 24;
/// One of so many beats, it comes back.
const RETURN_EVERY: u64 = 6;
/// Orders of the nemesis that wait.
const ORDERS_MAX: usize = 4;

/// What the nemesis of clients wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// To leave the connection, and connect again.
    Reconnect,
    /// To end the client, and begin with a new one.
    NewSession,
}

/// What others need of a user.
#[derive(Debug)]
pub struct Handle {
    world: Arc<World>,
    order_tx: mpsc::Sender<Order>,
    slow_tx: watch::Sender<u64>,
    /// The client that it has now.
    current_rx: watch::Receiver<Current>,
    /// Of the client that it has now.
    pub(super) told_rx: watch::Receiver<Arc<Mutex<Told>>>,
    /// The rooms that it is in for certain.
    pub(super) rooms_rx: watch::Receiver<Vec<RoomName>>,
}

impl Handle {
    /// The client that it has now.
    pub fn client(&self) -> Client {
        self.current_rx.borrow().client.clone()
    }

    /// Lets it read nothing until then, by [`World::now`]; 0 lets it read again.
    pub fn slow_until(&self, until: u64) {
        self.slow_tx.send_replace(until);
    }

    /// Writes down that its client is no more, because its host crashed. What was on its way
    /// is of an unknown outcome.
    pub async fn crashed(&self) {
        let session = self.current_rx.borrow().session;
        let at = self.world.now();
        let ended = Record::SessionEnded { session, at };
        self.world.recorder.put(ended).await;
    }

    /// Orders, and waits until the user's client has felt it and is logged in again. False if
    /// the user has enough to do already, or it took too long.
    pub async fn order(&self, order: Order) -> bool {
        let mut current_rx = self.current_rx.clone();
        let client = current_rx.borrow_and_update().client.clone();
        let mut state_rx = client.states();
        state_rx.mark_unchanged();
        if self.order_tx.try_send(order).is_err() {
            return false;
        }
        let again = async {
            match order {
                Order::Reconnect => {
                    state_rx.changed().await.is_ok()
                        && state_rx.wait_for(|state| state.is_online()).await.is_ok()
                }
                Order::NewSession => {
                    let changed = current_rx.changed().await;
                    let client = current_rx.borrow().client.clone();
                    changed.is_ok() && client.connected().await
                }
            }
        };
        clock::timeout(self.world.pace.order_deadline, again).await == Ok(true)
    }
}

/// The client that a user has now.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) session: u32,
    pub(super) client: Client,
}

#[derive(Debug)]
enum Done {
    Sent,
    Left(RoomName),
    Joined(RoomName, bool),
}

type Work = FuturesUnordered<BoxFuture<'static, Done>>;

/// A user at work.
#[derive(Debug)]
pub struct User {
    world: Arc<World>,
    user: usize,
    rate: u32,
    dice: Dice,
    current_tx: watch::Sender<Current>,
    told_tx: watch::Sender<Arc<Mutex<Told>>>,
    slow_rx: watch::Receiver<u64>,
    rooms_tx: watch::Sender<Vec<RoomName>>,
    order_rx: mpsc::Receiver<Order>,
    /// Rooms that it has left and will come back to.
    away: Vec<RoomName>,
    number: u64,
    work: Work,
    scope: Shutdown,
}

impl User {
    /// A user with its first client, which connects at once.
    pub fn new(world: &Arc<World>, user: usize, rate: u32, scope: &Shutdown) -> (Self, Handle) {
        let (slow_tx, slow_rx) = watch::channel(0);
        let (order_tx, order_rx) = mpsc::channel(ORDERS_MAX);
        let (rooms_tx, rooms_rx) = watch::channel(Vec::new());
        let (current, told) = begin(world, user, None, &slow_rx, scope);
        let (current_tx, current_rx) = watch::channel(current);
        let (told_tx, told_rx) = watch::channel(told);
        let this = Self {
            world: Arc::clone(world),
            user,
            rate,
            dice: Dice::new(world.seed, 1_000 + user as u64),
            current_tx,
            told_tx,
            slow_rx,
            rooms_tx,
            order_rx,
            away: Vec::new(),
            number: 0,
            work: FuturesUnordered::new(),
            scope: scope.clone(),
        };
        let handle = Handle {
            world: Arc::clone(world),
            current_rx,
            order_tx,
            slow_tx,
            told_rx,
            rooms_rx,
        };
        (this, handle)
    }

    /// The client that it has now.
    pub fn client(&self) -> Client {
        self.current_tx.borrow().client.clone()
    }

    /// Waits for the first login.
    pub async fn logged_in(&self) -> Result<(), LoadError> {
        let client = self.client();
        let deadline = self.world.pace.login_deadline;
        if clock::timeout(deadline, client.connected()).await == Ok(true) {
            return Ok(());
        }
        let (name, state) = (self.name(), client.state());
        Err(LoadError::Setup(format!("{name} can't log in: {state}")))
    }

    /// Makes every room of the run; for the first user.
    pub async fn create_rooms(&self) -> Result<(), LoadError> {
        for room in &self.world.rooms {
            let ask = CreateRoom {
                room_name: room.clone(),
                kind: RoomKind::Group,
                visibility: Visibility::Public,
                topic: String::new(),
            };
            let made = self.client().request(ask).await;
            made.map_err(|error| LoadError::Setup(format!("no room {room}: {error}")))?;
        }
        Ok(())
    }

    /// Joins its rooms, before the load begins.
    pub async fn enter_rooms(&mut self) -> Result<(), LoadError> {
        for room in self.world.rooms_of(self.user) {
            let joined = self.hand().change(&room, true).await;
            if !joined {
                let name = self.name();
                return Err(LoadError::Setup(format!("{name} can't join {room}")));
            }
            self.entered(room, joined);
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.world.accounts[self.user].name.as_str()
    }

    fn entered(&mut self, room: RoomName, joined: bool) {
        if joined {
            self.rooms_tx.send_modify(|rooms| rooms.push(room));
        } else {
            self.away.push(room);
        }
    }

    /// Talks until `load` ends, then waits for what is under way. The client goes on.
    pub async fn run(mut self, load: Shutdown) -> Self {
        let beat = Duration::from_secs(1) / self.rate;
        let half = u64::try_from(beat.as_micros() / 2).unwrap_or(0);
        let mut next = clock::now() + Duration::from_micros(self.dice.below(2 * half));
        loop {
            tokio::select! {
                biased;
                () = load.stopping() => break,
                Some(done) = self.work.next(), if !self.work.is_empty() => self.settle(done),
                Some(order) = self.order_rx.recv() => self.obey(order).await,
                () = clock::sleep_until(next) => {
                    next += Duration::from_micros(half + self.dice.below(2 * half));
                    self.act().await;
                }
            }
        }
        let drain = async {
            while let Some(done) = self.work.next().await {
                if let Done::Joined(room, true) = done {
                    self.rooms_tx.send_modify(|rooms| rooms.push(room));
                }
            }
        };
        // What is still under way then is of an unknown outcome.
        let _in_time = clock::timeout(self.world.pace.drain_deadline, drain).await;
        self.work.clear();
        self
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Sent => {}
            Done::Left(room) => self.away.push(room),
            Done::Joined(room, joined) => self.entered(room, joined),
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Reconnect => self.client().reconnect().await,
            Order::NewSession => self.new_session().await,
        }
    }

    async fn new_session(&mut self) {
        let before = self.current_tx.borrow().clone();
        let token = before.client.resume_token();
        let ended = Record::SessionEnded {
            session: before.session,
            at: self.world.now(),
        };
        self.world.recorder.put(ended).await;
        before.client.stop();
        let (current, told) = begin(&self.world, self.user, token, &self.slow_rx, &self.scope);
        self.current_tx.send_replace(current);
        self.told_tx.send_replace(told);
    }

    fn hand(&self) -> Hand {
        Hand {
            world: Arc::clone(&self.world),
            user: self.user,
            current_rx: self.current_tx.subscribe(),
        }
    }

    /// One beat: something is said, or a room is left or come back to.
    async fn act(&mut self) {
        if self.client().state().is_stopped() {
            return self.new_session().await;
        }
        if self.work.len() >= PENDING_MAX {
            return;
        }
        if !self.away.is_empty() && self.dice.once_in(RETURN_EVERY) {
            let room = self.away.remove(0);
            let hand = self.hand();
            let join = async move { Done::Joined(room.clone(), hand.change(&room, true).await) };
            return self.work.push(join.boxed());
        }
        // The first user reads the rooms back in the end, so it stays.
        if self.user != 0 && self.dice.once_in(LEAVE_EVERY) {
            let rooms = self.rooms_tx.borrow().clone();
            if let Some(room) = self.dice.pick(&rooms).cloned() {
                self.rooms_tx
                    .send_modify(|rooms| rooms.retain(|one| *one != room));
                let hand = self.hand();
                let leave = async move {
                    hand.change(&room, false).await;
                    Done::Left(room)
                };
                return self.work.push(leave.boxed());
            }
        }
        self.say();
    }

    /// Where the next message goes: to a room, or every fourth time to the partner.
    fn target(&mut self) -> Option<Target> {
        let partner = self.world.partner(self.user).cloned();
        let rooms = self.rooms_tx.borrow().clone();
        let private = self.dice.once_in(4) || rooms.is_empty();
        match (private, partner) {
            (true, Some(partner)) => Some(Target::User(partner)),
            (true, None) | (false, _) => self.dice.pick(&rooms).cloned().map(Target::Room),
        }
    }

    fn say(&mut self) {
        let Some(target) = self.target() else {
            return;
        };
        self.number += 1;
        let id = self.world.message_id(self.user, self.number);
        let again = self.dice.once_in(REPEAT_EVERY);
        let said = self.hand().say(target, id, self.number, again);
        let mut said = said.map(|()| Done::Sent).boxed();
        // The first poll takes the message's place in the order.
        if (&mut said).now_or_never().is_none() {
            self.work.push(said);
        }
    }
}

fn begin(
    world: &Arc<World>,
    user: usize,
    token: Option<Secret>,
    slow_rx: &watch::Receiver<u64>,
    scope: &Shutdown,
) -> (Current, Arc<Mutex<Told>>) {
    let credentials = world.accounts[user].credentials(token);
    let builder = Client::builder(world.gateway.clone(), credentials)
        .send_deadline(world.pace.send_deadline)
        .event_buffer(EVENT_BUFFER);
    let (client, events) = builder.start(scope);
    let session = world.next_session();
    let told = Arc::default();
    let listener = Listener {
        world: Arc::clone(world),
        user,
        session,
        slow_rx: slow_rx.clone(),
        told: Arc::clone(&told),
    };
    let _task = task::spawn(scope, TaskKind::Connection, listener.listen(events));
    (Current { session, client }, told)
}

/// The rooms and the partner that a user follows, by the names that all give them.
pub(super) fn followed(world: &World, user: usize, rooms: &[RoomName]) -> HashSet<String> {
    let me = world.accounts[user].name.as_str();
    let partner = world.partner(user);
    let partner = partner.map(|other| canonical(me, &format!("user:{other}")));
    let rooms = rooms.iter().map(|room| format!("room:{room}"));
    rooms.chain(partner).collect()
}

//! What the parts of a run share: where the cluster is, who talks where, the clock, the
//! recorder, and what is shown while it goes on.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use antiphon_client::{Credentials, GatewayUrl};
use antiphon_core::clock;
use antiphon_protocol::client::Secret;
use antiphon_protocol::{RoomName, UserName};

use super::Pace;
use crate::torture::history::Recorder;

/// What stands for the sixteen digits in ids, which are texts, too: no word that a filter
/// could mask can be made of them.
const DIGITS: &[u8; 16] = b"bcdfghjlmnpqrvxz";

/// Who talks.
#[derive(Debug, Clone)]
pub struct Account {
    /// As the server writes it.
    pub name: UserName,
    /// None where names are open.
    pub password: Option<Secret>,
}

impl Account {
    /// How it logs in, with the token of an earlier login if there is one.
    pub(super) fn credentials(&self, token: Option<Secret>) -> Credentials {
        let (name, password) = (self.name.clone(), self.password.clone());
        match (token, password) {
            (Some(token), password) => Credentials::TokenThen(token, name, password),
            (None, Some(password)) => Credentials::Password(name, password),
            (None, None) => Credentials::Open(name),
        }
    }
}

/// Counts for the progress display only; the report counts the history.
#[derive(Debug, Default)]
pub struct Shown {
    /// Messages given to clients.
    pub sent: AtomicU64,
    /// Of those, acknowledged.
    pub acked: AtomicU64,
    /// Deliveries.
    pub delivered: AtomicU64,
    /// Logins of a client beyond its first.
    pub resumed: AtomicU64,
    /// What is broken now, in words.
    pub fault: Mutex<String>,
}

/// Who and what there is in a run.
#[derive(Debug, Clone)]
pub struct Named {
    /// See [`World::accounts`].
    pub accounts: Vec<Account>,
    /// See [`World::rooms`].
    pub rooms: Vec<RoomName>,
    /// See [`World::seed`].
    pub seed: u64,
    /// See [`World::run_name`].
    pub run_name: String,
}

/// What every part of a run sees.
#[derive(Debug)]
pub struct World {
    /// Where the clients ask for servers.
    pub gateway: GatewayUrl,
    /// Who talks; a user is its place in here.
    pub accounts: Vec<Account>,
    /// The rooms of the run, which nobody else has.
    pub rooms: Vec<RoomName>,
    /// Where everything is written down.
    pub recorder: Recorder,
    /// What the users' choices come from.
    pub seed: u64,
    /// In front of every id of the run.
    pub run_name: String,
    /// How patient the users are.
    pub pace: Pace,
    /// For a progress display.
    pub shown: Shown,
    conversations: HashSet<String>,
    began: u64,
    sessions: AtomicU32,
}

/// A conversation by the name that all give it.
pub fn canonical(me: &str, conversation: &str) -> String {
    match conversation.strip_prefix("user:") {
        Some(other) => direct(me, other),
        None => conversation.to_owned(),
    }
}

fn direct(one: &str, other: &str) -> String {
    let (first, second) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    format!("direct:{first},{second}")
}

impl World {
    /// A world that begins now.
    pub fn new(gateway: GatewayUrl, named: Named, recorder: Recorder, pace: Pace) -> Self {
        let Named {
            accounts,
            rooms,
            seed,
            run_name,
        } = named;
        let mut world = Self {
            gateway,
            accounts,
            rooms,
            recorder,
            seed,
            run_name,
            pace,
            shown: Shown::default(),
            conversations: HashSet::new(),
            began: clock::elapsed_us(),
            sessions: AtomicU32::new(1),
        };
        let rooms = world.rooms.iter().map(|room| format!("room:{room}"));
        let pairs = world.pairs().into_iter().map(|(one, other)| {
            let name = |at: usize| world.accounts[at].name.as_str();
            direct(name(one), name(other))
        });
        world.conversations = rooms.chain(pairs).collect();
        world
    }

    /// Microseconds since the beginning.
    pub fn now(&self) -> u64 {
        clock::elapsed_us().saturating_sub(self.began)
    }

    /// A number for a new client.
    pub(super) fn next_session(&self) -> u32 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a conversation is one of the run's; users that were there before have others.
    pub(super) fn is_ours(&self, canonical: &str) -> bool {
        self.conversations.contains(canonical)
    }

    /// Whom a user talks to in private: its neighbor.
    pub(super) fn partner(&self, user: usize) -> Option<&UserName> {
        self.accounts.get(user ^ 1).map(|account| &account.name)
    }

    /// Users that talk in private, once each pair.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let firsts = (0..self.accounts.len()).step_by(2);
        let pairs = firsts.map(|first| (first, first + 1));
        pairs
            .filter(|(_, second)| *second < self.accounts.len())
            .collect()
    }

    /// The rooms of a user. The first has made all, and is in all.
    pub fn rooms_of(&self, user: usize) -> Vec<RoomName> {
        const ROOMS_EACH: usize = 3;
        let rooms = self.rooms.len();
        let is_in = |at: usize| user == 0 || (at + rooms - user % rooms) % rooms < ROOMS_EACH;
        let rooms = self.rooms.iter().enumerate();
        rooms
            .filter(|(at, _)| is_in(*at))
            .map(|(_, room)| room.clone())
            .collect()
    }

    /// The id of a user's message, which is its text.
    pub(super) fn message_id(&self, user: usize, number: u64) -> String {
        let (user, number) = (digits(user as u64, 3), digits(number, 6));
        format!("{}-{user}-{number}", self.run_name)
    }
}

/// A number in letters.
pub fn digits(number: u64, places: u32) -> String {
    let digit = |place: u32| char::from(DIGITS[(number >> (4 * place)) as usize & 15]);
    (0..places).rev().map(digit).collect()
}

/// The highest place that each client of a user was told, by conversation.
pub type Told = HashMap<String, u64>;

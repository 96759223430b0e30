//! What a seed makes of a cluster and its users.

use std::time::Duration;

use antiphon::torture::load::Dice;
use antiphon_core::mutant::Mutant;

use crate::mutants;
use crate::schedule::{self, Planned};

/// Servers.
pub const SERVERS: usize = 3;
/// Hosts on which users are.
pub const CLIENT_HOSTS: usize = 3;
/// How far time goes before the network and every host are looked at again.
pub const TICK: Duration = Duration::from_millis(5);
/// The users talk on for so long after all is mended.
const AFTER_HEAL: Duration = Duration::from_secs(4);
/// Where something stays broken, everybody gets messages acknowledged again within this time:
/// it takes so long to find out what is broken, ...
pub const FOUND_OUT_MAX: Duration = Duration::from_secs(22);
/// ... and what is sent then is acknowledged within this time.
pub const PROGRESS_MAX: Duration = Duration::from_secs(20);
/// Each purpose has dice of its own, so that one more draw here changes nothing there.
const OF_PLAN: u64 = 1;
const OF_SCHEDULE: u64 = 2;
const OF_LASTING: u64 = 3;

/// What is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Anything may break, and is mended in the end: nothing is lost, doubled, reordered.
    Safety,
    /// A majority is mended, the rest stays broken: everybody can talk again.
    Liveness,
}

impl Mode {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Safety, Self::Liveness];

    /// As it is written on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// What is demanded.
    pub mode: Mode,
    /// Users.
    pub users: usize,
    /// Rooms.
    pub rooms: u32,
    /// Messages a second and user.
    pub rate: u32,
    /// How long the users talk while things break.
    pub load: Duration,
    /// The longest that a packet takes on a whole link.
    pub latency_max: Duration,
    /// How often conversations tell where they stand.
    pub position_interval: Duration,
    /// How often servers ping clients.
    pub ping_interval: Duration,
    /// Bytes that may wait for a client.
    pub outbound_bytes_max: usize,
    /// Frames that may wait for a client.
    pub outbound_frames_max: usize,
    /// Segments that fit into a connection; its writer waits when there are more.
    pub tcp_capacity: usize,
    /// How long the users talk on after all is mended.
    pub after_heal: Duration,
    /// The mistake that the schedule was made for, if it is not the seed's own.
    pub made_for: Option<Mutant>,
    /// The mistake that is on.
    pub mistake: Option<Mutant>,
    /// What breaks.
    pub faults: Vec<Planned>,
    /// What stays broken, where that is the question.
    pub lasting: Vec<Planned>,
}

impl Plan {
    /// The run of a seed.
    pub fn new(seed: u64, mode: Mode) -> Self {
        let mut dice = Dice::new(seed, OF_PLAN);
        let users = usize::try_from(2 * dice.between(4, 6)).unwrap_or(8);
        let rooms = 3 + u32::from(dice.once_in(2));
        let rate = 2 + u32::from(dice.once_in(2));
        let load = Duration::from_millis(dice.between(22_000, 32_000));
        let latency_max = Duration::from_millis(dice.between(3, 40));
        let position_interval = Duration::from_millis(dice.between(2_000, 6_000));
        // Nothing here sends a lost packet again, so a connection that lost one hangs until its
        // client finds it silent: ten seconds more than this.
        let ping_interval = Duration::from_millis(dice.between(1_000, 3_000));
        // Who reads slowly soon has a full queue, or the connection holds all of it.
        let (tcp_capacity, outbound_frames_max) = match dice.once_in(2) {
            true => (16, 32),
            false => (4_096, 1_024),
        };
        let faults = schedule::draw(&mut Dice::new(seed, OF_SCHEDULE), SERVERS, load);
        let lasting = match mode {
            Mode::Safety => Vec::new(),
            Mode::Liveness => {
                let mut dice = Dice::new(seed, OF_LASTING);
                schedule::draw_lasting(&mut dice, SERVERS)
            }
        };
        Self {
            seed,
            mode,
            users,
            rooms,
            rate,
            load,
            latency_max,
            position_interval,
            ping_interval,
            outbound_bytes_max: 1024 * 1024,
            outbound_frames_max,
            tcp_capacity,
            after_heal: match mode {
                Mode::Safety => AFTER_HEAL,
                Mode::Liveness => FOUND_OUT_MAX + PROGRESS_MAX,
            },
            made_for: None,
            mistake: None,
            faults,
            lasting,
        }
    }
}

impl Plan {
    /// The command that plays this again.
    pub fn replay(&self) -> String {
        let (seed, mode) = (self.seed, self.mode.word());
        let again = format!("cargo run -p antiphon-simulation -- --seed {seed} --mode {mode}");
        match (self.made_for, self.mistake) {
            (Some(mutant), None) => format!("{again} --mutant {} --off", mutants::word(mutant)),
            (_, Some(mutant)) => format!("{again} --mutant {}", mutants::word(mutant)),
            (None, None) => again,
        }
    }
}

/// A server's host.
pub fn server(at: usize) -> String {
    format!("server{}", at + 1)
}

/// A host of users.
pub fn clients(at: usize) -> String {
    format!("clients{}", at + 1)
}

/// The gateway's host.
pub const GATEWAY: &str = "gateway";

/// Every host.
pub fn hosts() -> Vec<String> {
    let servers = (0..SERVERS).map(server);
    let clients = (0..CLIENT_HOSTS).map(clients);
    servers.chain(clients).chain([GATEWAY.to_owned()]).collect()
}

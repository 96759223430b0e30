//! One run, from the empty cluster to the verdict, in this thread.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use antiphon::torture::check::{self, Status, Verdict};
use antiphon::torture::history::{History, Outcome, Record, Recorder};
use antiphon::torture::load::canonical;
use antiphon_core::contract::Record as StoredRecord;
use antiphon_core::mutant;
use antiphon_core::net::ClusterKey;
use antiphon_core::random;
use antiphon_core::words::Words;
use antiphon_protocol::ConversationId;
use futures_util::FutureExt;
use turmoil::{Builder, Sim};

use crate::nemesis::Nemesis;
use crate::plan::{
    CLIENT_HOSTS, FOUND_OUT_MAX, GATEWAY, Mode, PROGRESS_MAX, Plan, SERVERS, TICK, clients, server,
};
use crate::schedule::What;
use crate::service::{ServiceSettings, Services};
use crate::shared::{Shared, Stage};
use crate::{host, users};

/// Where simulated time begins, in seconds since 1970.
const EPOCH_SECONDS: u64 = 1_800_000_000;
/// The shortest that a packet takes.
const LATENCY_MIN: Duration = Duration::from_millis(1);
/// A connection whose packets were lost is found out within this time, since nothing here
/// sends a lost packet again.
const SETTLE: Duration = Duration::from_secs(22);
/// A run that takes longer hangs.
const END: Duration = Duration::from_secs(300);

std::thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// What became of a run.
#[derive(Debug)]
pub struct Played {
    /// What was played.
    pub plan: Plan,
    /// All that happened.
    pub history: History,
    /// The checkers' words.
    pub verdict: Verdict,
    /// What broke besides: a task, a server, the run itself.
    pub broken: Vec<String>,
    /// What was broken on purpose.
    pub faults: Vec<What>,
    /// Logins of clients beyond their first.
    pub resumes: u64,
    /// Simulated time.
    pub simulated: Duration,
}

impl Played {
    /// Whether all promises were kept.
    pub fn passed(&self) -> bool {
        self.verdict.passed && self.broken.is_empty()
    }

    /// In words, for who looks for what went wrong.
    pub fn told(&self) -> String {
        let Plan { seed, mode, .. } = self.plan;
        let mut lines = vec![format!("seed {seed}, {}", mode.word())];
        if let Some(mistake) = self.plan.mistake {
            lines.push(format!("  with {mistake:?}"));
        }
        for fault in &self.history.faults {
            let (begin, end) = (fault.begin / 1_000, fault.end / 1_000);
            let words = fault.kind.words();
            lines.push(format!(
                "  {begin:>6} to {end:>6} ms  {words} {}",
                fault.target
            ));
        }
        for finding in &self.verdict.findings {
            let id = finding.checker.id();
            if matches!(finding.status, Status::Failed | Status::Empty) {
                lines.push(format!(
                    "  {id} {:?}, {}",
                    finding.status, finding.violations
                ));
                lines.extend(finding.examples.iter().map(|one| format!("    {one}")));
            }
        }
        lines.extend(self.broken.iter().map(|what| format!("  {what}")));
        let numbers = &self.verdict.numbers;
        lines.push(format!(
            "  {} sent, {} acknowledged, {} delivered, {} terms, {} ms simulated",
            numbers.sent,
            numbers.acked,
            numbers.delivered,
            self.history.leaders.len(),
            self.simulated.as_millis(),
        ));
        if !self.passed() {
            lines.push(format!("  again: {}", self.plan.replay()));
        }
        lines.join("\n")
    }
}

/// The word lists take long to read, and are only read.
fn words() -> Arc<Words> {
    static WORDS: OnceLock<Arc<Words>> = OnceLock::new();
    Arc::clone(WORDS.get_or_init(|| Arc::new(Words::builtin())))
}

/// Panics of tasks are caught where tasks are spawned; here they are counted.
fn count_panics() {
    static HOOKED: OnceLock<()> = OnceLock::new();
    HOOKED.get_or_init(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            told(panic);
        }));
    });
}

/// Plays and judges.
pub fn play(plan: Plan) -> Played {
    count_panics();
    PANICS.set(0);
    let _on = plan.mistake.map(mutant::switch);
    random::seeded::seed(Some(plan.seed));
    let (recorder, collected) = Recorder::memory(users::told(&plan));
    let mut drive = Drive::new(plan, &recorder);
    let ended = drive.run();
    random::seeded::seed(None);
    let mut broken = drive.shared.broken();
    broken.extend(ended.err());
    if PANICS.get() > 0 {
        broken.push(format!("{} panics", PANICS.get()));
    }
    let mut history = collected.take();
    tell_terms(&mut history, &drive.shared.services.records());
    if drive.shared.plan.mode == Mode::Liveness {
        broken.extend(without_progress(&history, drive.healed_us));
    }
    Played {
        plan: drive.shared.plan.clone(),
        verdict: check::judge(&history),
        history,
        broken,
        faults: drive.nemesis.done.iter().map(|(what, _)| *what).collect(),
        resumes: drive.resumes(),
        simulated: drive.sim.elapsed(),
    }
}

/// Users who got nothing acknowledged in time, in a room or in private, after a majority was
/// mended.
fn without_progress(history: &History, healed: u64) -> Vec<String> {
    let since = |time: Duration| {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        healed.saturating_add(time)
    };
    let (from, until) = (since(FOUND_OUT_MAX), since(FOUND_OUT_MAX + PROGRESS_MAX));
    let mut users: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for session in &history.sessions {
        users.entry(&session.user).or_default();
    }
    for send in &history.sends {
        let in_time = send.begin >= from && send.end <= until && send.outcome == Outcome::Ok;
        let (rooms, pairs) = users.entry(&send.user).or_default();
        if in_time && send.conversation.starts_with("room:") {
            *rooms = true;
        } else if in_time {
            *pairs = true;
        }
    }
    let stuck = users
        .into_iter()
        .filter(|(_, (rooms, pairs))| !(*rooms && *pairs));
    let words = |done: bool| if done { "" } else { "nothing " };
    stuck
        .map(|(user, (rooms, pairs))| {
            let (rooms, pairs) = (words(rooms), words(pairs));
            format!("{user} got {rooms}acknowledged in rooms, {pairs}in private")
        })
        .collect()
}

/// Adds to what clients have read the term of each record, which only the store knows.
fn tell_terms(history: &mut History, records: &[StoredRecord]) {
    let place = |record: &StoredRecord| {
        let conversation = match &record.conversation {
            ConversationId::Room(room) => format!("room:{room}"),
            ConversationId::Direct(a, b) => canonical(a.as_str(), &format!("user:{b}")),
        };
        ((conversation, record.seq), record.epoch)
    };
    let terms: HashMap<(String, u64), u64> = records.iter().map(place).collect();
    for entry in &mut history.log {
        let place = (entry.conversation.clone(), entry.seq);
        entry.epoch = terms.get(&place).copied();
    }
}

/// A run under way.
struct Drive {
    sim: Sim<'static>,
    shared: Arc<Shared>,
    nemesis: Nemesis,
    recorder: Recorder,
    term: Option<u64>,
    /// The fullest queue noted of each server.
    queues: [Option<u64>; SERVERS],
    load_began: Option<Duration>,
    healed: Option<Duration>,
    /// The same by the users' clock.
    healed_us: u64,
}

impl Drive {
    fn new(plan: Plan, recorder: &Recorder) -> Self {
        let nemesis = Nemesis::new(&plan);
        let mut sim = Builder::new()
            .rng_seed(plan.seed)
            .epoch(UNIX_EPOCH + Duration::from_secs(EPOCH_SECONDS))
            .tick_duration(TICK)
            .simulation_duration(END * 2)
            .min_message_latency(LATENCY_MIN)
            .max_message_latency(plan.latency_max)
            .tcp_capacity(plan.tcp_capacity)
            .enable_random_order()
            .build();
        let services = Services::new(plan.seed, ServiceSettings::default());
        let key = ClusterKey::random();
        let (shared, wanted) = Shared::new(plan, services, key, words());
        for at in 0..SERVERS {
            let shared = Arc::clone(&shared);
            sim.host(server(at), move || host::server(Arc::clone(&shared), at));
        }
        let of_gateway = Arc::clone(&shared);
        sim.host(GATEWAY, move || host::gateway(Arc::clone(&of_gateway)));
        for (at, wanted) in (0..CLIENT_HOSTS).zip(wanted) {
            let run = users::run(Arc::clone(&shared), at, recorder.clone(), wanted);
            sim.client(clients(at), run);
        }
        Self {
            sim,
            shared,
            nemesis,
            recorder: recorder.clone(),
            term: None,
            queues: [None; SERVERS],
            load_began: None,
            healed: None,
            healed_us: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let is_over = self.sim.step().map_err(|error| error.to_string())?;
            if is_over {
                return Ok(());
            }
            if self.sim.elapsed() > END {
                let stage = *self.shared.stage.borrow();
                return Err(format!("the run hangs in {stage:?}"));
            }
            self.watch();
            self.go_on();
        }
    }

    /// Microseconds by the users' clock; 0 before it begins.
    fn now(&self) -> u64 {
        let began = self.shared.world.borrow().as_ref().map(|(_, began)| *began);
        let elapsed = u64::try_from(self.sim.elapsed().as_micros()).unwrap_or(u64::MAX);
        elapsed.saturating_sub(began.unwrap_or(elapsed))
    }

    fn resumes(&self) -> u64 {
        let world = self.shared.world.borrow();
        let shown = world.as_ref().map(|(world, _)| &world.shown.resumed);
        shown.map_or(0, |resumed| resumed.load(Ordering::Relaxed))
    }

    fn put(&self, record: Record) {
        let put = self.recorder.put(record).now_or_never();
        debug_assert!(put.is_some(), "memory never waits");
    }

    /// Notes each new term, and each queue that is fuller than ever before.
    fn watch(&mut self) {
        if let Some((at, epoch)) = self.shared.leader()
            && self.term.is_none_or(|term| term < epoch)
        {
            self.term = Some(epoch);
            let (name, at) = (server(at), self.now());
            self.put(Record::Leader { name, epoch, at });
        }
        for number in 0..SERVERS {
            let fullest = self.shared.servers[number].fullest_queue();
            if let Some(bytes) = fullest
                && fullest > self.queues[number]
            {
                self.queues[number] = fullest;
                let (server, at) = (server(number), self.now());
                self.put(Record::Queue { server, bytes, at });
            }
        }
    }

    fn go_on(&mut self) {
        let stage = *self.shared.stage.borrow();
        let elapsed = self.sim.elapsed();
        let since = |then: Option<Duration>| elapsed.saturating_sub(then.unwrap_or(elapsed));
        let is_done = match stage {
            Stage::Begin | Stage::Found | Stage::Join | Stage::ReadBack => {
                self.shared.all_done(stage)
            }
            Stage::Load => {
                let load = since(Some(*self.load_began.get_or_insert(elapsed)));
                let now = self.now();
                if self.healed.is_none() {
                    self.nemesis.step(&mut self.sim, &self.shared, load, now);
                }
                if load >= self.shared.plan.load && self.healed.is_none() {
                    self.nemesis.heal(&mut self.sim, &self.shared, now);
                    self.nemesis.leave(&mut self.sim, &self.shared, now);
                    self.healed = Some(elapsed);
                    self.healed_us = now;
                    for (_, fault) in &self.nemesis.done {
                        self.put(Record::Fault(fault.clone()));
                    }
                }
                self.healed.is_some() && since(self.healed) >= self.shared.plan.after_heal
            }
            Stage::Drain => self.shared.all_done(stage) && since(self.healed) >= SETTLE,
            Stage::Over => false,
        };
        if is_done {
            self.shared.stage.send_replace(stage.next());
        }
    }
}

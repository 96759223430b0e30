//! The course of a run: calm, a tenth stops, they come back, calm, another tenth stops, …

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, Handle, TaskKind};
use serde_json::json;
use tokio::sync::watch;

use crate::member::{Counts, GROUPS, Member};
use crate::record::{Record, quantile};
use crate::sender::{Sent, send};
use crate::serve::{Process, ROOM, SENDERS, reader};
use crate::socket::Socket;
use crate::watch::{Peaks, closed, watch as look};
use crate::{Args, tell};

/// So much later may the neighbors' 99th percentile be.
const RATIO_MAX: f64 = 1.2;
/// Memory that each connection whose client does not read, or catches up, may cost.
const SLOW_BYTES_MAX: u64 = 1_536 * 1_024;
/// The bound of a client's queue (`limits.outbound_bytes_max`).
const QUEUE_BYTES_MAX: u64 = 1_024 * 1_024;
/// Sockets opened at once at the beginning.
const JOINING: usize = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// A phase is counted from so long before what it is about, so that a message on its way is not
/// counted for the phase before.
const BEFORE_STOPPING: Duration = Duration::from_millis(200);
/// After the last slow reader was closed.
const AFTER_CLOSING: Duration = Duration::from_secs(2);
/// No step takes so long.
const DEADLINE: Duration = Duration::from_secs(180);
const MIB: f64 = 1_048_576.0;

/// Where the run is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phase {
    /// Counts from 0.
    pub(crate) number: usize,
    /// The group that does not read.
    pub(crate) stopped: Option<usize>,
    /// Nothing more is sent.
    pub(crate) is_over: bool,
    /// The top of the log, when it is over.
    pub(crate) top: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    WarmUp,
    Calm,
    Stopped,
    Returning,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Calm => "calm",
            Self::Stopped => "a tenth does not read",
            Self::Returning => "they come back",
        }
    }
}

/// One phase that is done.
struct Done {
    kind: Kind,
    /// Those who are no neighbors.
    group: Option<usize>,
    took: Duration,
    rss: u64,
    tcp: u64,
    queue: u64,
}

/// A run under way.
pub(crate) struct Run {
    args: Args,
    process: Process,
    scope: Shutdown,
    phases: watch::Sender<Phase>,
    counts: Arc<Counts>,
    peaks: Arc<Peaks>,
    members: Vec<Handle<Record>>,
    senders: Vec<Handle<Sent>>,
    done: Vec<Done>,
}

impl Run {
    /// Starts the server and connects everybody.
    pub(crate) async fn start(args: Args, folder: &Path) -> Self {
        let process = Process::start(&args, folder);
        let mut run = Self {
            args,
            process,
            scope: Shutdown::new(),
            phases: watch::Sender::default(),
            counts: Arc::default(),
            peaks: Arc::default(),
            members: Vec::new(),
            senders: Vec::new(),
            done: Vec::new(),
        };
        for number in 0..run.args.members {
            let least = (number + 1).saturating_sub(JOINING) as u64;
            run.reach("members join", least, |counts| &counts.joined)
                .await;
            let member = run.member(number);
            let member = task::spawn(&run.scope, TaskKind::Client, member.run());
            run.members.push(member);
        }
        let all = run.args.members as u64;
        run.reach("all have joined", all, |counts| &counts.joined)
            .await;
        for own in 0..SENDERS {
            let (rate, chars) = (run.args.rate, run.args.chars);
            let sender = send(run.addr(own), own, rate, chars, run.phases.subscribe());
            let sender = task::spawn(&run.scope, TaskKind::Client, sender);
            run.senders.push(sender);
        }
        let (pid, admin) = (run.process.child.id(), run.process.ready.admin);
        let looking = look(pid, admin, Arc::clone(&run.peaks));
        task::spawn(&run.scope, TaskKind::Client, looking);
        run
    }

    fn addr(&self, number: usize) -> SocketAddr {
        let clients = &self.process.ready.clients;
        clients[number % clients.len()]
    }

    fn member(&self, number: usize) -> Member {
        Member {
            // Not by the number: each group is on all servers.
            addr: self.addr(number / GROUPS),
            number,
            receive_buffer: self.args.receive_buffer,
            counts: Arc::clone(&self.counts),
            phases: self.phases.subscribe(),
        }
    }

    async fn reach(&self, what: &str, least: u64, count: impl Fn(&Counts) -> &AtomicU64) {
        let end = clock::now() + DEADLINE;
        while count(&self.counts).load(Ordering::Relaxed) < least {
            assert!(clock::now() < end, "{what}: {:?}", self.counts);
            clock::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Runs everything and tells; true if the promises were kept.
    pub(crate) async fn finish(mut self) -> bool {
        self.phase(Kind::WarmUp, None).await;
        for round in 0..self.args.rounds as usize {
            self.phase(Kind::Calm, None).await;
            self.phase(Kind::Stopped, Some(round)).await;
            self.phase(Kind::Returning, Some(round)).await;
        }
        self.phase(Kind::Calm, None).await;
        let log = self.end().await;
        let mut sent = Sent::default();
        for sender in std::mem::take(&mut self.senders) {
            let one = sender.await.ok().flatten().expect("a sender ended well");
            sent.acked += one.acked;
            sent.failed += one.failed;
        }
        let mut records = Vec::new();
        for member in std::mem::take(&mut self.members) {
            records.push(member.await.ok().flatten().expect("a member ended well"));
        }
        self.tell_phases(&records);
        let kept = self.judge(&records, &log, sent).await;
        // Nobody looks at the server any more when it ends.
        self.scope.stop();
        self.scope.wait(DEADLINE).await;
        kept
    }

    async fn phase(&mut self, kind: Kind, group: Option<usize>) {
        let slow = self.slow_each_round();
        let closed_before = self.closed().await;
        self.peaks.take();
        let began = clock::now();
        self.phases
            .send_modify(|phase| phase.number = self.done.len());
        clock::sleep(BEFORE_STOPPING).await;
        self.phases
            .send_modify(|phase| phase.stopped = group.filter(|_| kind == Kind::Stopped));
        match kind {
            Kind::WarmUp | Kind::Calm => {}
            Kind::Stopped => {
                while self.closed().await < closed_before + slow {
                    assert!(began.elapsed() < DEADLINE, "they are not closed");
                    clock::sleep(BETWEEN_LOOKS * 4).await;
                }
                clock::sleep(AFTER_CLOSING).await;
            }
            Kind::Returning => {
                let back = self.expected_back();
                self.reach("they come back", back, |counts| &counts.back)
                    .await;
                clock::sleep(AFTER_CLOSING).await;
            }
        }
        if kind != Kind::Returning {
            clock::sleep_until(began + Duration::from_secs(self.args.seconds)).await;
        }
        let [rss, tcp, queue] = self.peaks.take();
        self.done.push(Done {
            kind,
            group,
            took: began.elapsed(),
            rss,
            tcp,
            queue,
        });
    }

    fn slow_each_round(&self) -> u64 {
        self.slow_in(0)
    }

    fn slow_in(&self, group: usize) -> u64 {
        let members = 0..self.args.members;
        members
            .filter(|number| Member::group(*number) == group)
            .count() as u64
    }

    fn expected_back(&self) -> u64 {
        let stopped = self.done.iter().filter(|done| done.kind == Kind::Stopped);
        let groups = stopped.filter_map(|done| done.group);
        groups.map(|group| self.slow_in(group)).sum()
    }

    async fn closed(&self) -> u64 {
        closed(self.process.ready.admin, "4300").await
    }

    /// Stops the senders, tells everybody the top of the log, and reads all of the log.
    async fn end(&mut self) -> Record {
        self.phases.send_modify(|phase| {
            phase.number = self.done.len();
            phase.is_over = true;
            // Nobody is done before the log was read.
            phase.top = u64::MAX;
        });
        for sender in &self.senders {
            let end = clock::now() + DEADLINE;
            while !sender.is_finished() {
                assert!(clock::now() < end, "a sender is not answered");
                clock::sleep(BETWEEN_LOOKS).await;
            }
        }
        let mut log = Record::default();
        let addr = self.addr(0);
        let mut socket =
            Socket::login(addr, &reader(0), 0, &mut |_| {}, &self.counts.refused).await;
        loop {
            let cursor = json!({"conversation": format!("room:{ROOM}"), "afterSeq": log.whole_to});
            let data = json!({"cursors": [cursor], "limit": 500});
            let request = json!({"id": "all", "action": "sync", "data": data});
            let refused = &self.counts.refused;
            let reply = socket.ask_on("all", &request, &mut |_| {}, refused).await;
            let reply = reply.expect("the server answers");
            if !log.take_page(&reply["data"]["conversations"][0]) {
                break;
            }
        }
        self.phases.send_modify(|phase| phase.top = log.whole_to);
        log
    }

    /// The neighbors' latencies in a phase, sorted.
    fn latencies(&self, records: &[Record], of: impl Fn(usize, &Done) -> bool) -> Vec<u32> {
        let mut all = Vec::new();
        for (phase, done) in self
            .done
            .iter()
            .enumerate()
            .filter(|(at, done)| of(*at, done))
        {
            for (number, record) in records.iter().enumerate() {
                if done.group != Some(Member::group(number)) {
                    all.extend(record.latencies.get(phase).into_iter().flatten());
                }
            }
        }
        all.sort_unstable();
        all
    }

    fn tell_phases(&self, records: &[Record]) {
        for (at, done) in self.done.iter().enumerate() {
            let late = self.latencies(records, |other, _| other == at);
            tell(&format!(
                "{:21} {:5.1} s, {:7} deliveries, p50 {:6.2} ms, p99 {:6.2} ms, max {:6.1} ms; \
                 server {:5.1} MiB, fullest queue {:4.2} MiB, all of TCP {:5.1} MiB",
                done.kind.name(),
                done.took.as_secs_f64(),
                late.len(),
                quantile(&late, 0.5),
                quantile(&late, 0.99),
                quantile(&late, 1.0),
                done.rss as f64 / MIB,
                done.queue as f64 / MIB,
                done.tcp as f64 / MIB,
            ));
        }
    }

    /// Tells the server's memory: its peak, what it may be, and the peak of the fullest queue.
    fn tell_memory(&self) -> (u64, u64, u64) {
        let of = |kind: Kind| self.done.iter().filter(move |done| done.kind == kind);
        let most = |kind: Kind| of(kind).map(|done| done.rss).max().unwrap_or(0);
        let base = of(Kind::WarmUp).map(|done| done.rss).min().unwrap_or(0);
        let peak = self.done.iter().map(|done| done.rss).max().unwrap_or(0);
        let queue = self.done.iter().map(|done| done.queue).max().unwrap_or(0);
        let bound = self.expected_back() * SLOW_BYTES_MAX;
        let grown: u64 = self
            .done
            .windows(2)
            .map(grown_by_stopping)
            .max()
            .unwrap_or(0);
        tell(&format!(
            "memory of the server: {:.1} MiB at first, {:.1} MiB more at most while a tenth does \
             not read, {:.1} MiB at most when calm, {:.1} MiB at most when they come back; \
             {:.1} MiB are allowed; fullest queue {:.2} MiB",
            base as f64 / MIB,
            grown as f64 / MIB,
            most(Kind::Calm) as f64 / MIB,
            most(Kind::Returning) as f64 / MIB,
            (base + bound) as f64 / MIB,
            queue as f64 / MIB,
        ));
        (peak, base + bound, queue)
    }

    /// Tells the result; true if every promise was kept.
    async fn judge(&self, records: &[Record], log: &Record, sent: Sent) -> bool {
        let kind = |kind: Kind| self.latencies(records, |_, done| done.kind == kind);
        let [calm, stopped, returning] = [Kind::Calm, Kind::Stopped, Kind::Returning].map(kind);
        let p99 = |late: &[u32]| quantile(late, 0.99);
        let ratio = p99(&stopped) / p99(&calm);
        tell(&format!(
            "p99 of the neighbors: calm {:.2} ms, a tenth does not read {:.2} ms (x {ratio:.2}), \
             they come back {:.2} ms (x {:.2}); p50 {:.2}, {:.2}, {:.2} ms",
            p99(&calm),
            p99(&stopped),
            p99(&returning),
            p99(&returning) / p99(&calm),
            quantile(&calm, 0.5),
            quantile(&stopped, 0.5),
            quantile(&returning, 0.5),
        ));

        let (peak, allowed, queue) = self.tell_memory();
        let whole = |record: &&Record| record.whole_to == log.whole_to && record.sum == log.sum;
        let whole = records.iter().filter(whole).count();
        let doubled: u64 = records.iter().map(|record| record.doubled).sum();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let (closed, expected) = (self.closed().await, self.expected_back());
        tell(&format!(
            "{} messages acked, {} failed; log of {}, whole at {whole} of {} members; \
             {closed} closed with 4300 of {expected} that stopped ({} read the code, {} found \
             the connection cut), {} others closed; {} came back; {doubled} came twice; \
             {} requests refused for now",
            sent.acked,
            sent.failed,
            log.whole_to,
            records.len(),
            count(&counts.told_slow),
            count(&counts.cut),
            count(&counts.lost),
            count(&counts.back),
            count(&counts.refused),
        ));
        let checks = [
            (ratio <= RATIO_MAX, "the neighbors' latency"),
            (peak <= allowed, "the server's memory"),
            (queue <= QUEUE_BYTES_MAX, "the fullest queue"),
            (whole == records.len(), "members without a gap"),
            (closed == expected, "exactly the slow ones closed"),
            (count(&counts.lost) == 0, "no neighbor closed"),
            (sent.failed == 0, "every message stored"),
        ];
        for (_, what) in checks.iter().filter(|(kept, _)| !kept) {
            tell(&format!("NOT KEPT: {what}"));
        }
        checks.iter().all(|(kept, _)| *kept)
    }
}

/// What the server took more while some did not read than just before.
fn grown_by_stopping(pair: &[Done]) -> u64 {
    match pair {
        [before, done] if done.kind == Kind::Stopped => done.rss.saturating_sub(before.rss),
        _ => 0,
    }
}

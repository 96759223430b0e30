//! Members are cut off and come back, again and again: what each was told is compared with the
//! log. Either everything came, in order, or what is gone was told as a gap; and who comes back
//! to another log is told that.

mod book;
mod cycle;
mod member;
mod town;

use std::time::Duration;

use antiphon_core::clock;
use futures_util::future::join_all;
use tokio::sync::watch;

use book::called;
use cycle::{Counts, Cycler, End, Missed};
use member::Member;
use town::{Town, followed};

use crate::server::session::lock;
use crate::torture::check::{Checker, Status, judge};
use crate::torture::history::{Delivery, History, Record};
use crate::torture::load::Dice;

const CYCLES: u64 = 1_000;
/// The promise is about ten thousand.
const CYCLES_VARIABLE: &str = "ANTIPHON_RESUMES";
const LOGS_MIN: u64 = 3;
const MEMBERS: usize = 24;
const ROOMS: usize = 6;
/// Rooms that a member is in.
const ROOMS_EACH: usize = 2;
const SERVERS: usize = 3;
/// For everybody to have everything in the end.
const CATCH_UP: Duration = Duration::from_secs(10);
/// The checkers that have something to judge where nobody joins or leaves, and no server fails.
const CHECKERS: &[Checker] = &[
    Checker::Lost,
    Checker::Duplicate,
    Checker::Dense,
    Checker::Fifo,
    Checker::RealTime,
    Checker::Agreement,
    Checker::Completeness,
    Checker::Phantom,
];

/// Waits until a member has everything that it follows.
async fn catches_up(town: &Town, member: &Member) {
    let book = town.book();
    for conversation in followed(member.number) {
        let top = book.top(&conversation).await;
        let name = called(&conversation);
        let mut seen_rx = member.watch();
        let all = seen_rx.wait_for(|seen| seen.has(&name, top));
        if clock::timeout(CATCH_UP, all).await.is_err() {
            let told = member.seen().told.get(&name).copied();
            let who = member.number;
            book.problem(format!("{who}: {told:?} of {top} of {name} in the end"));
        }
    }
}

/// All cycles on one log, and its verdict.
async fn on_one_log(town: &Town, members: &[Member], cycles: u64, seed: u64) -> Vec<Counts> {
    let book = town.book();
    let (stop_tx, stop_rx) = watch::channel(false);
    let talking = join_all((members.iter()).map(|member| member.talk(&book, &stop_rx, seed)));
    let cycling = async {
        let cyclers = members.iter().map(|member| Cycler {
            town,
            member,
            dice: Dice::new(seed, 2_000 + member.number as u64),
            server: member.number % SERVERS,
            counts: Counts::default(),
        });
        let each = cycles.div_ceil(MEMBERS as u64);
        let counts = join_all(cyclers.map(|cycler| cycler.run(each))).await;
        stop_tx.send_replace(true);
        counts
    };
    let (counts, _) = tokio::join!(cycling, talking);
    let healed = Record::Healed { at: book.now() };
    book.recorder.put(healed).await;
    join_all(members.iter().map(|member| catches_up(town, member))).await;
    let history = town.close_book().await;
    let problems = lock(&book.problems);
    assert!(problems.is_empty(), "seed {seed}: {problems:#?}");
    let verdict = judge(&history);
    for finding in &verdict.findings {
        let is_judged = CHECKERS.contains(&finding.checker);
        let passed = finding.status == Status::Passed;
        assert!(!is_judged || passed, "seed {seed}: {finding:#?}");
    }
    silence_is_noticed(history);
    counts
}

/// Without any one delivery, or any one gap, the same history would not pass.
fn silence_is_noticed(mut history: History) {
    let is_complete = |history: &History| {
        let verdict = judge(history);
        let mut findings = verdict.findings.iter();
        let finding = findings.find(|finding| finding.checker == Checker::Completeness);
        finding.is_some_and(|finding| finding.status == Status::Passed)
    };
    let follows = |one: &Delivery, session: u32, conversation: &str, seq: u64| {
        one.session == session && one.conversation == conversation && one.seq > seq
    };
    // Behind something that came and before something that came: nobody joins here.
    let missing = (history.deliveries.iter()).position(|one| {
        let mut others = history.deliveries.iter();
        let (session, name) = (one.session, one.conversation.as_str());
        others.any(|other| follows(other, session, name, one.seq))
    });
    let delivery = history.deliveries.remove(missing.expect("something came"));
    assert!(!is_complete(&history), "{delivery:?}");
    let place = missing.expect("something came");
    history.deliveries.insert(place, delivery);
    assert!(is_complete(&history));

    let told = history.gaps.iter().position(|gap| {
        let mut deliveries = history.deliveries.iter();
        deliveries.any(|one| follows(one, gap.session, &gap.conversation, gap.to))
    });
    let gap = history.gaps.remove(told.expect("a gap was told"));
    assert!(!is_complete(&history), "{gap:?}");
}

/// Runs `cycles` on so many logs, one after the other.
async fn run(cycles: u64, logs: u64, seed: u64) {
    let mut town = Town::found(seed).await;
    let members: Vec<Member> = (0..MEMBERS)
        .map(|number| Member::enter(number, &town))
        .collect();
    let (mut total, mut replaced) = (Counts::default(), 0);
    let (mut logins, mut behind, mut gaps) = (0, 0, 0);
    for log in 0..logs {
        if log > 0 {
            town.replace().await;
        }
        for member in &members {
            let told = |seen: &member::Seen| seen.logins > 0 && seen.replaced == log;
            let mut seen_rx = member.watch();
            let told = member.hurried(seen_rx.wait_for(told));
            let waited = clock::timeout(CATCH_UP * 3, told).await;
            assert!(waited.is_ok(), "log {log}: {:?}", member.seen());
        }
        replaced += if log > 0 { MEMBERS } else { 0 };
        for counts in on_one_log(&town, &members, cycles / logs, seed ^ (log << 32)).await {
            total.add(counts);
        }
    }
    for member in &members {
        let seen = member.seen();
        logins += seen.logins;
        behind += seen.behind;
        gaps += seen.gaps;
        member.client().stop();
    }
    town.end().await;
    // For who runs the full count.
    eprintln!("{total:?}; {logins} logins, {behind} behind, {gaps} gaps, {replaced} replaced");
    assert!(total.cycles >= cycles);
    assert!(End::ALL.iter().all(|end| total.ends.contains_key(end)));
    assert!(Missed::ALL.iter().all(|one| total.missed.contains_key(one)));
    assert!(total.other_server > cycles / 4 && total.hasty > cycles / 5 && total.long > 0);
    assert!(logins > cycles, "every cycle ends with a login");
    assert!(behind > cycles / 5, "something was missed: {behind}");
    assert!(gaps > cycles / 50 && gaps < behind, "{gaps} gaps");
}

/// A thousand times, or as often as the environment says.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_has_everything_or_is_told_what_is_gone() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is no part of the program"
    )]
    let cycles = std::env::var(CYCLES_VARIABLE);
    let cycles = cycles.map_or(CYCLES, |cycles| cycles.parse().expect("a number"));
    run(cycles, (cycles / CYCLES).max(LOGS_MIN), cycles).await;
}

//! For each known mistake, the checker that must catch it, and a schedule that gives it the
//! occasion.

use std::time::Duration;

use antiphon::torture::check::Checker;
use antiphon_core::mutant::Mutant;

use crate::plan::{Mode, Plan, SERVERS};
use crate::schedule::{Planned, Target, What};

/// As it is written on the command line.
pub fn word(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::NoFence => "no-fence",
        Mutant::AckBeforeCommit => "ack-before-commit",
        Mutant::NoDedupeKey => "no-dedupe-key",
        Mutant::NoPositioning => "no-positioning",
        Mutant::CursorAtMaximum => "cursor-at-maximum",
        Mutant::UnboundedQueue => "unbounded-queue",
    }
}

/// Which checker must catch it.
pub fn checker(mutant: Mutant) -> Checker {
    match mutant {
        Mutant::NoFence => Checker::Dense,
        Mutant::AckBeforeCommit => Checker::Lost,
        Mutant::NoDedupeKey => Checker::Duplicate,
        Mutant::NoPositioning | Mutant::CursorAtMaximum => Checker::Completeness,
        Mutant::UnboundedQueue => Checker::Bounds,
    }
}

/// The schedule, with the mistake on.
pub fn with(seed: u64, mutant: Mutant) -> Plan {
    Plan {
        mistake: Some(mutant),
        ..without(seed, mutant)
    }
}

/// The same schedule with the mistake off.
pub fn without(seed: u64, mutant: Mutant) -> Plan {
    let plan = busy(seed);
    let plan = match mutant {
        Mutant::NoFence => deposed(plan),
        Mutant::AckBeforeCommit => forgetful(plan),
        Mutant::NoDedupeKey => unanswered(plan),
        Mutant::NoPositioning => silent(plan),
        Mutant::CursorAtMaximum => coming_back(plan),
        Mutant::UnboundedQueue => unread(plan),
    };
    Plan {
        made_for: Some(mutant),
        ..plan
    }
}

fn fault(what: What, target: Target, at_ms: u64, lasts_ms: u64) -> Planned {
    Planned {
        at: Duration::from_millis(at_ms),
        lasts: Duration::from_millis(lasts_ms),
        what,
        target,
        seed: at_ms,
    }
}

/// Enough users, who talk enough.
fn busy(seed: u64) -> Plan {
    Plan {
        users: 12,
        rate: 3,
        outbound_frames_max: 1_024,
        tcp_capacity: 4_096,
        ..Plan::new(seed, Mode::Safety)
    }
}

/// The leader does not hear that it leads no longer, while its clients talk on.
fn deposed(plan: Plan) -> Plan {
    Plan {
        load: Duration::from_secs(16),
        faults: vec![fault(What::CoordinatorCut, Target::Leader, 2_000, 13_000)],
        ..plan
    }
}

/// The store is slow to make durable what it took, and crashes.
fn forgetful(plan: Plan) -> Plan {
    Plan {
        load: Duration::from_secs(10),
        faults: vec![
            fault(What::SlowStore, Target::Leader, 2_000, 5_000),
            fault(What::StoreCrash, Target::Leader, 4_000, 1_000),
        ],
        ..plan
    }
}

/// The store's answers are lost, so that sends are tried again, also through another leader.
fn unanswered(plan: Plan) -> Plan {
    Plan {
        load: Duration::from_secs(10),
        faults: vec![
            fault(What::StoreReplyLost, Target::Leader, 2_000, 4_000),
            fault(What::Crash, Target::Leader, 5_000, 2_000),
        ],
        ..plan
    }
}

/// What servers tell each other is lost with a link that nobody has found dead yet, and nothing
/// follows it.
fn silent(plan: Plan) -> Plan {
    Plan {
        load: Duration::from_secs(14),
        after_heal: Duration::ZERO,
        faults: vec![fault(What::CutServer, Target::Server(1), 11_000, 20_000)],
        ..plan
    }
}

/// Clients leave their connections again and again, talk goes on without them, and what they
/// ask for when they are back comes later than what is said then.
fn coming_back(plan: Plan) -> Plan {
    let slow = |at| fault(What::SlowLinks, Target::Server(at), 2_000, 7_000);
    let leave = |at_ms| fault(What::CutClients, Target::Leader, at_ms, 5);
    let mut faults: Vec<Planned> = (0..SERVERS).map(slow).collect();
    faults.extend([3_000, 4_500, 6_000, 7_500].map(leave));
    Plan {
        load: Duration::from_secs(10),
        faults,
        ..plan
    }
}

/// Nothing that one server says reaches its clients, little of it fits into their connections,
/// and it takes long until they are found dead.
fn unread(plan: Plan) -> Plan {
    Plan {
        load: Duration::from_secs(12),
        ping_interval: Duration::from_secs(6),
        outbound_bytes_max: 8 * 1024,
        tcp_capacity: 16,
        faults: vec![fault(What::CutFromClients, Target::Leader, 2_000, 7_000)],
        ..plan
    }
}

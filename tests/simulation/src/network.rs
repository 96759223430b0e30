//! What is wrong with the links between hosts. Several faults may touch one link; the worst
//! counts, and the link is whole again when the last of them has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use turmoil::Sim;

/// A slow link takes so long at most.
const SLOW_LATENCY_MAX: Duration = Duration::from_millis(900);

/// What is wrong with a link, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// What is sent takes long.
    Slow,
    /// What is sent comes when the fault ends, as with a lost route that comes back.
    Held,
    /// What the first sends to the second is lost for good.
    OneWay,
    /// What either sends is lost for good: connections hang, as behind a black hole.
    Cut,
}

/// A direction of a link, by the hosts' names.
pub type Direction = (String, String);

/// The links that are not as they should be.
#[derive(Debug)]
pub struct Network {
    /// The longest that a packet takes on a whole link.
    latency_max: Duration,
    now: BTreeMap<Direction, Wrong>,
}

/// Both directions, the smaller name first.
fn pair(direction: &Direction) -> Direction {
    let (from, to) = direction.clone();
    if from < to { (from, to) } else { (to, from) }
}

impl Network {
    /// All links whole.
    pub fn new(latency_max: Duration) -> Self {
        Self {
            latency_max,
            now: BTreeMap::new(),
        }
    }

    /// Brings the links to what is wanted, by direction. A direction that is not named is
    /// whole.
    pub fn bring(&mut self, sim: &Sim<'_>, wanted: BTreeMap<Direction, Wrong>) {
        let mut pairs: Vec<Direction> = self.now.keys().chain(wanted.keys()).map(pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        for (a, b) in pairs {
            let there = (a.clone(), b.clone());
            let back = (b.clone(), a.clone());
            let before = (self.now.get(&there), self.now.get(&back));
            let after = (wanted.get(&there), wanted.get(&back));
            if before != after {
                self.change(sim, (&a, &b), after);
            }
        }
        self.now = wanted;
    }

    /// The simulator's links know one thing at a time, so each is made whole first.
    fn change(&self, sim: &Sim<'_>, (a, b): (&str, &str), after: (Option<&Wrong>, Option<&Wrong>)) {
        sim.release(a, b);
        sim.set_link_max_message_latency(a, b, self.latency_max);
        let worst = after.0.max(after.1);
        match worst {
            None => {}
            Some(Wrong::Slow) => sim.set_link_max_message_latency(a, b, SLOW_LATENCY_MAX),
            Some(Wrong::Held) => sim.hold(a, b),
            Some(Wrong::Cut) => sim.partition(a, b),
            Some(Wrong::OneWay) if after.0 == after.1 => sim.partition(a, b),
            Some(Wrong::OneWay) if after.0 == worst => sim.partition_oneway(a, b),
            Some(Wrong::OneWay) => sim.partition_oneway(b, a),
        }
    }
}

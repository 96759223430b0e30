//! Each known mistake is caught by the checker that is there for it, and nothing is caught on
//! the same seed without it. A mistake that no checker sees fails here.

use antiphon::torture::check::{Checker, Status};
use antiphon_core::mutant::{self, Mutant};

use crate::mutants::{checker, with, without};
use crate::run::{Played, play};

/// A mistake has so many seeds to be caught.
const SEEDS: u64 = 3;

fn has_failed(played: &Played, checker: Checker) -> bool {
    let mut findings = played.verdict.findings.iter();
    findings.any(|finding| finding.checker == checker && finding.status == Status::Failed)
}

fn is_caught(mutant: Mutant) {
    let mut survived = Vec::new();
    for seed in 1..=SEEDS {
        let played = play(with(seed, mutant));
        assert!(!mutant::is_on(mutant), "it is off after the run");
        if !has_failed(&played, checker(mutant)) {
            survived.push(played.told());
            continue;
        }
        let sound = play(without(seed, mutant));
        assert!(sound.passed(), "without the mistake, {}", sound.told());
        return;
    }
    let (id, survived) = (checker(mutant).id(), survived.join("\n"));
    panic!("{id} did not catch {mutant:?}:\n{survived}");
}

macro_rules! caught {
    ($($name:ident: $mutant:ident;)*) => {
        /// The mistakes that have a test.
        const CAUGHT: &[Mutant] = &[$(Mutant::$mutant),*];

        $(#[test] fn $name() {
            is_caught(Mutant::$mutant);
        })*
    };
}

caught! {
    no_fence_is_caught: NoFence;
    ack_before_commit_is_caught: AckBeforeCommit;
    no_dedupe_key_is_caught: NoDedupeKey;
    no_positioning_is_caught: NoPositioning;
    cursor_at_maximum_is_caught: CursorAtMaximum;
    unbounded_queue_is_caught: UnboundedQueue;
}

#[test]
fn every_mistake_has_a_test() {
    assert_eq!(CAUGHT, Mutant::ALL);
}

fn all_off() -> bool {
    Mutant::ALL.iter().all(|mutant| !mutant::is_on(*mutant))
}

#[test]
fn a_mistake_ends_with_its_guard_also_by_a_panic() {
    assert!(all_off());
    let broken = std::panic::catch_unwind(|| {
        let _on = mutant::switch(Mutant::NoFence);
        {
            let _other = mutant::switch(Mutant::NoDedupeKey);
            assert!(!mutant::is_on(Mutant::NoFence));
        }
        assert!(mutant::is_on(Mutant::NoFence));
        panic!("on purpose");
    });
    assert!(broken.is_err());
    assert!(all_off());
}

#[test]
fn a_mistake_is_of_its_thread_alone() {
    let _on = mutant::switch(Mutant::NoFence);
    let others = std::thread::scope(|scope| scope.spawn(all_off).join());
    assert!(others.unwrap());
    assert!(mutant::is_on(Mutant::NoFence));
}

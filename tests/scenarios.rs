//! Short scenarios on real processes and real services: people talk, two or three things break
//! at once, everything is mended, and what was written down is judged. A number decides about
//! everything that is drawn.
//!
//! `tests/scenarios/play --count 200 --seed 1000` plays many. Consecutive numbers deal all nemeses
//! out like a deck of cards, so that eleven of them play each nemesis once.

mod nemesis;
mod stage;
mod table;

use std::collections::BTreeMap;

use nemesis::{Nemesis, dealt};
use stage::Stage;

/// A whole deck.
const COUNT: u64 = 11;

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var_os(variable);
    given.map_or(default, |given| {
        let given = given.to_str().and_then(|given| given.parse().ok());
        given.unwrap_or_else(|| panic!("{variable} is a number"))
    })
}

fn say(words: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{words}\n").as_bytes());
}

/// `ANTIPHON_SCENARIOS` of them from `ANTIPHON_SCENARIO_SEED` on.
#[tokio::test(flavor = "multi_thread")]
async fn promises_are_kept_in_short_scenarios() {
    let (count, first) = (
        number("ANTIPHON_SCENARIOS", COUNT),
        number("ANTIPHON_SCENARIO_SEED", 0),
    );
    play(first..first + count).await;
}

/// Plays them all on one set of services and processes, and fails at the end if one failed.
async fn play(seeds: std::ops::Range<u64>) {
    let mut stage = Stage::start().await;
    let mut played: BTreeMap<String, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let nemeses = dealt(seed);
        let labels: Vec<&str> = nemeses.iter().map(Nemesis::label).collect();
        let begun = antiphon_core::clock::now();
        let outcome = stage.play(seed, &nemeses).await;
        let seconds = begun.elapsed().as_secs_f32();
        for label in &labels {
            *played.entry((*label).to_owned()).or_default() += 1;
        }
        let labels = labels.join(" + ");
        match outcome {
            Ok(words) => say(&format!("{seed}: {labels}: {words}, {seconds:.1} s")),
            Err(report) => {
                let folder = stage.keep();
                say(&format!(
                    "{seed}: {labels}: FAILED, {seconds:.1} s\n{report}"
                ));
                say(&format!(
                    "play it again: tests/scenarios/play --seed {seed} --count 1\nlogs: {}",
                    folder.display()
                ));
                failed.push(seed);
                stage.renew().await;
            }
        }
    }
    let each: Vec<String> = (played.iter())
        .map(|(label, times)| format!("{label} {times}"))
        .collect();
    say(&format!("{count} scenarios: {}", each.join(", ")));
    assert!(failed.is_empty(), "failed: {failed:?} of {count}");
    if count >= COUNT && std::env::var_os("ANTIPHON_SCENARIO_NEMESES").is_none() {
        let missing = Nemesis::all()
            .into_iter()
            .filter(|one| !played.contains_key(one.label()));
        assert_eq!(missing.count(), 0, "not played");
    }
}

//! The report: for people who decide whether to trust the product, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::check::{Finding, Recovery, Status, Verdict};
use super::history::{FaultKind, History, Run};
use crate::seeding::show::grouped;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'r> {
    event: &'static str,
    run: &'r Run,
    #[serde(flatten)]
    verdict: &'r Verdict,
}

/// One line of JSON.
pub fn json(history: &History, verdict: &Verdict) -> String {
    let line = Line {
        event: "verdict",
        run: &history.run,
        verdict,
    };
    serde_json::to_string(&line).expect("strings and numbers serialize")
}

/// The report for people.
pub fn text(history: &History, verdict: &Verdict) -> String {
    let mut text = head(&history.run);
    messages(&mut text, verdict);
    faults(&mut text, history, verdict);
    text.push_str("\nPromises\n");
    for finding in &verdict.findings {
        promise(&mut text, finding);
    }
    text.push('\n');
    text.push_str(conclusion(verdict));
    again(&mut text, &history.run);
    text
}

/// The command with every flag that shapes a run. The seed fixes what is drawn, not the time
/// that it takes.
fn again(text: &mut String, run: &Run) {
    let seconds = run.duration_ms / 1_000;
    let _ = write!(
        text,
        "\nThe same again: antiphon torture --seed {} --duration {seconds}s --users {} --rooms {} \
         --rate {} ",
        run.seed, run.users, run.rooms, run.rate
    );
    if run.on_services {
        text.push_str("--coordinator-url URL --cache-url URL --store-url URL ");
    }
    if run.own_cluster {
        let _ = writeln!(text, "--servers {}", run.servers);
    } else {
        text.push_str("--gateway URL\n");
    }
    text.push_str(
        "The seed fixes which faults come, and in which order; not their instants to the \
         millisecond, so that no two runs are quite the same.\n",
    );
}

fn head(run: &Run) -> String {
    let cluster = if run.own_cluster {
        format!("a cluster of its own with {} servers", run.servers)
    } else {
        "a cluster of others, whose servers were left alone".to_owned()
    };
    let build = if run.debug_build { ", debug build" } else { "" };
    let mut text = format!(
        "antiphon torture {}{build}: {} s, {} users, {} rooms, {cluster}; seed {}\n",
        run.version,
        run.duration_ms / 1_000,
        run.users,
        run.rooms,
        run.seed
    );
    if !run.settings.is_empty() {
        let settings = crate::terminal::sanitize::line(&run.settings.join(", "));
        let _ = writeln!(text, "  with {settings}; all else by default");
    }
    text
}

fn messages(text: &mut String, verdict: &Verdict) {
    let n = &verdict.numbers;
    let mut row = |name: &str, count: u64, words: String| {
        let _ = writeln!(text, "  {name:<11}{:>9}  {words}", grouped(count));
    };
    row(
        "sent",
        n.sent,
        format!(
            "messages, {} of them while something was broken",
            grouped(n.hit_by_faults)
        ),
    );
    row(
        "repeated",
        n.repeated,
        "sends of a message that had been sent before".to_owned(),
    );
    row("acked", n.acked, "stored, says the cluster".to_owned());
    row(
        "refused",
        n.refused,
        "not stored, says the cluster".to_owned(),
    );
    row(
        "unknown",
        n.unknown,
        format!("no answer; {} of them are stored", n.unknown_stored),
    );
    row(
        "delivered",
        n.delivered,
        format!(
            "to {} clients in {} conversations",
            grouped(n.sessions),
            n.conversations
        ),
    );
    row(
        "lost",
        n.lost,
        "acknowledged and gone, or never delivered".to_owned(),
    );
    row("doubled", n.doubled, "stored or delivered twice".to_owned());
    row(
        "reordered",
        n.reordered,
        "stored or delivered out of order".to_owned(),
    );
    row("gaps", n.gaps_told, "that clients were told of".to_owned());
}

fn milliseconds(micros: u64) -> String {
    format!("{} ms", grouped(micros / 1_000))
}

fn faults(text: &mut String, history: &History, verdict: &Verdict) {
    let n = &verdict.numbers;
    let _ = writeln!(
        text,
        "\nFaults: {}; the leader changed {} times",
        n.faults, n.leader_changes
    );
    let mut kinds: BTreeMap<FaultKind, u64> = BTreeMap::new();
    for fault in &history.faults {
        *kinds.entry(fault.kind).or_default() += 1;
    }
    for (kind, times) in kinds {
        let of_kind = verdict.recoveries.iter().filter(|one| one.kind == kind);
        let of_kind: Vec<&Recovery> = of_kind.collect();
        let _ = write!(text, "  {:<24}{times:>3} times", kind.words());
        let longest = of_kind
            .iter()
            .map(|one| one.still_us.unwrap_or(u64::MAX))
            .max();
        let lasted = of_kind.iter().map(|one| one.lasted_us).max().unwrap_or(0);
        match longest {
            Some(u64::MAX) => text.push_str("; rooms did not recover"),
            Some(longest) => {
                let _ = write!(
                    text,
                    "; lasted up to {}, rooms stood still for up to {}",
                    milliseconds(lasted),
                    milliseconds(longest)
                );
            }
            None => {}
        }
        text.push('\n');
    }
    if n.resident_bytes_max > 0 {
        let megabytes = n.resident_bytes_max / (1024 * 1024);
        let _ = writeln!(
            text,
            "  the cluster took up to {megabytes} MiB of memory and {} files and sockets",
            n.files_max
        );
    }
}

fn promise(text: &mut String, finding: &Finding) {
    let word = match finding.status {
        Status::Passed => "kept",
        Status::Failed => "BROKEN",
        Status::Empty => "NOT SHOWN",
        Status::NotJudged => "not judged",
    };
    let (checker, judged) = (finding.checker, grouped(finding.judged));
    let _ = writeln!(
        text,
        "  {:<4}{word:<11}{:<12}{} ({judged} looked at)",
        checker.id(),
        checker.title(),
        checker.promise()
    );
    if finding.violations > 0 {
        let _ = writeln!(text, "      {} violations", grouped(finding.violations));
    }
    for example in &finding.examples {
        // Names and texts may come from a file that anybody wrote.
        let example = crate::terminal::sanitize::line(example);
        let _ = writeln!(text, "      {example}");
    }
}

fn conclusion(verdict: &Verdict) -> &'static str {
    let failed = |finding: &Finding| finding.status == Status::Failed;
    if verdict.passed {
        "PASSED: every promise that this run can judge was kept.\n"
    } else if verdict.findings.iter().any(failed) {
        "FAILED: see above what was broken.\n"
    } else {
        "NO VERDICT: too little was seen to say that the promises were kept.\n"
    }
}

#[cfg(test)]
mod tests;

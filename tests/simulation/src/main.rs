//! `simulate`: plays seeds and judges them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use antiphon_core::mutant::Mutant;
use antiphon_simulation::keep::write;
use antiphon_simulation::log;
use antiphon_simulation::mutants;
use antiphon_simulation::plan::{Mode, Plan};
use antiphon_simulation::run::{Played, play};
use antiphon_simulation::totals::Totals;
use clap::Parser;

/// The simulator's own spans name the hosts.
const LOG_DEFAULT: &str = "debug,hyper=info,turmoil=warn,turmoil::sim=info";

/// Plays whole clusters under seeded faults, on simulated network and time
#[derive(Debug, Parser)]
struct Args {
    /// Play this seed and tell what happened
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Play so many seeds, on all cores
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// safety: all is mended in the end. liveness: a majority is, and must make progress
    #[arg(long, default_value = "safety", value_parser = mode)]
    mode: Mode,
    /// Write the history to this file; `antiphon torture check FILE` judges it again
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Write the servers' and clients' log to the standard error output
    #[arg(long, value_name = "FILTER", num_args = 0..=1, default_missing_value = LOG_DEFAULT)]
    log: Option<String>,
    /// Play the schedule that is made for this known mistake, with the mistake on
    #[arg(long, value_name = "WORD", value_parser = mutant)]
    mutant: Option<Mutant>,
    /// The same schedule with the mistake off
    #[arg(long, requires = "mutant")]
    off: bool,
    /// Every so many seeds, in this process, one line of JSON each: what the processes of
    /// --seeds do
    #[arg(long, hide = true)]
    every: Option<u64>,
}

fn mode(word: &str) -> Result<Mode, String> {
    Mode::ALL
        .iter()
        .copied()
        .find(|mode| mode.word() == word)
        .ok_or_else(|| "safety or liveness".to_owned())
}

fn mutant(word: &str) -> Result<Mutant, String> {
    let words = || Mutant::ALL.iter().copied().map(mutants::word);
    let at = words().position(|one| one == word);
    let found = at.map(|at| Mutant::ALL[at]);
    found.ok_or_else(|| format!("one of {}", words().collect::<Vec<_>>().join(", ")))
}

impl Args {
    fn plan(&self, seed: u64) -> Plan {
        match self.mutant {
            None => Plan::new(seed, self.mode),
            Some(mutant) if self.off => mutants::without(seed, mutant),
            Some(mutant) => mutants::with(seed, mutant),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let passed = match (args.seeds, args.every) {
        (Some(seeds), Some(every)) => play_every(&args, seeds, every),
        (Some(seeds), None) => play_many(&args, seeds),
        (None, _) => play_one(&args),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(words: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{words}")
}

fn play_one(args: &Args) -> io::Result<bool> {
    if let Some(filter) = &args.log {
        log::install(filter);
    }
    let seed = args.seed.unwrap_or(args.from);
    let played = play(args.plan(seed));
    if let Some(path) = &args.keep {
        keep(&played, path)?;
    }
    say(&played.told())?;
    Ok(played.passed())
}

fn keep(played: &Played, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    write(&played.history, &mut out)?;
    out.flush()
}

fn play_every(args: &Args, seeds: u64, every: u64) -> io::Result<bool> {
    for seed in (args.from..args.from + seeds).step_by(usize::try_from(every).unwrap_or(1)) {
        let played = play(args.plan(seed));
        let mut totals = Totals::default();
        totals.add(&played);
        if !played.passed() {
            writeln!(io::stderr(), "{}", played.told())?;
        }
        say(&serde_json::to_string(&totals)?)?;
    }
    Ok(true)
}

/// One process a core, since a run is one thread.
fn play_many(args: &Args, seeds: u64) -> io::Result<bool> {
    let processes = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let begin = |at: u64| -> io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args(["--seeds", &seeds.saturating_sub(at).to_string()])
            .args(["--from", &(args.from + at).to_string()])
            .args(["--every", &processes.to_string()])
            .args(["--mode", args.mode.word()])
            .args(
                args.mutant
                    .iter()
                    .flat_map(|one| ["--mutant", mutants::word(*one)]),
            )
            .args(args.off.then_some("--off"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
    };
    let began = antiphon_core::clock::now();
    let children: Vec<Child> = (0..processes.min(seeds))
        .map(begin)
        .collect::<Result<_, _>>()?;
    let mut totals = Totals::default();
    for mut child in children {
        let stdout = child.stdout.take().map(BufReader::new);
        for line in stdout.into_iter().flat_map(BufReader::lines) {
            totals.join(serde_json::from_str(&line?)?);
        }
        child.wait()?;
    }
    let took: Duration = began.elapsed();
    say(&totals.to_string())?;
    say(&format!("took             {:>10} s", took.as_secs()))?;
    totals.failed.sort_unstable();
    for seed in &totals.failed {
        say(&format!("failed: {}", args.plan(*seed).replay()))?;
    }
    let missing = seeds.saturating_sub(totals.seeds);
    if missing > 0 {
        say(&format!("{missing} seeds were not played to the end"))?;
    }
    Ok(totals.failed.is_empty() && missing == 0)
}

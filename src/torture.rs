//! `antiphon torture`: does what breaks a chat cluster, and proves what became of the messages.
//!
//! A run starts `antiphon up` as a process of its own, lets users talk through the client
//! library, breaks servers and clients by a seeded schedule, writes everything down
//! ([`history`]), and judges what is written ([`check`]). On services that it is given it starts
//! each server as a process ([`plant`]). Against a cluster of others it breaks its own clients
//! only.
//!
//! [`load`], [`history`], [`check`] and [`report`] know nothing of the command: simulations and
//! tests of separate processes use them as well.

mod accounts;
pub mod check;
mod cluster;
pub mod history;
pub mod load;
mod nemesis;
pub mod plant;
mod process;
mod progress;
pub mod proxy;
pub mod report;
mod run;
mod subject;
mod watch;

use std::path::Path;

use antiphon_core::error_chain::ErrorChain;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{TortureArgs, TortureCommand};
use crate::exit::Exit;
use crate::output;
use history::{History, HistoryError, WriteError};
use load::LoadError;

pub use plant::PlantError;
pub use process::ProcessError;

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The flags.
    #[error("{0}")]
    Usage(String),
    /// The temporary folder.
    #[error("the temporary folder {} can't be made", .0.display())]
    Folder(std::path::PathBuf, #[source] std::io::Error),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ProcessError),
    /// The cluster of separate processes.
    #[error(transparent)]
    Plant(#[from] PlantError),
    /// Accounts, logins, rooms, or the logs in the end.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The history.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The history.
    #[error(transparent)]
    Read(#[from] HistoryError),
    /// A part of the run panicked.
    #[error("a part of the run broke")]
    Broken,
    /// Signals.
    #[error("signals can't be heard")]
    Signals(#[source] std::io::Error),
    /// Ctrl+C.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Plant(PlantError::Url(_)) => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Load(LoadError::Setup(_)) => Exit::Unreachable,
            Self::Folder(..)
            | Self::Cluster(_)
            | Self::Plant(_)
            | Self::Load(LoadError::ReadBack(_))
            | Self::Write(_)
            | Self::Read(_)
            | Self::Broken
            | Self::Signals(_) => Exit::Failure,
        }
    }
}

/// Runs the command.
pub fn run(runtime: &Runtime, args: &TortureArgs) -> Exit {
    let judged = match &args.command {
        Some(TortureCommand::Check { file, json }) => judge(file, *json),
        None => runtime.block_on(until_interrupted(args)),
    };
    match judged {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Failure,
        Err(error) => {
            output::error_line(&format!("antiphon torture: {}", ErrorChain(&error)));
            error.exit()
        }
    }
}

fn judge(file: &Path, json: bool) -> Result<bool, RunError> {
    let history = history::read(file)?;
    Ok(tell(&history, json))
}

/// Judges, tells, and says whether it passed.
fn tell(history: &History, json: bool) -> bool {
    let verdict = check::judge(history);
    if json {
        output::line(&report::json(history, &verdict));
    } else {
        output::line(report::text(history, &verdict).trim_end());
    }
    verdict.passed
}

async fn until_interrupted(args: &TortureArgs) -> Result<bool, RunError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let interrupted = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    Box::pin(run::run(args, interrupted)).await
}

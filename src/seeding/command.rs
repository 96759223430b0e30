//! `antiphon seed`: tells the target, asks before it wipes, fills the store, and can be
//! stopped at any time.

use std::io::{self, IsTerminal};

use antiphon_backend::embedded::{EmbeddedStore, OpenError};
use antiphon_core::error_chain::ErrorChain;
use antiphon_seed::{Plan, SeedError, plan, plan_anew};
use inquire::{Confirm, InquireError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::show::{self, Target};
use super::{Place, SeedingError, forget_password, seed_place};
use crate::cli::SeedArgs;
use crate::exit::Exit;
use crate::output;

/// Why nothing more is done.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("wiping needs an answer: give --yes")]
    NoAnswer,
    #[error(
        "a shared database is not wiped from here: drop it with its own tools, all servers stopped"
    )]
    NotOurs,
    #[error("nothing was wiped")]
    Declined,
    #[error("interrupted")]
    Interrupted,
    #[error("the question could not be asked")]
    Question(#[source] InquireError),
    #[error("signals can't be heard")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Seeding(#[from] SeedingError),
}

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        Self::Seeding(error.into())
    }
}

impl From<SeedError> for Stopped {
    fn from(error: SeedError) -> Self {
        Self::Seeding(error.into())
    }
}

impl Stopped {
    fn exit(&self) -> Exit {
        match self {
            Self::NoAnswer | Self::NotOurs => Exit::Usage,
            Self::Interrupted => Exit::Interrupted,
            Self::Seeding(SeedingError::Seed(SeedError::InvalidOptions { .. })) => Exit::Usage,
            Self::Declined | Self::Question(_) | Self::Signals(_) | Self::Seeding(_) => {
                Exit::Failure
            }
        }
    }

    /// What can be done about it.
    fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Seeding(SeedingError::Seed(SeedError::NotEmpty { .. })) => Some(
                "nothing was written; --force adds test data and leaves those alone, --wipe removes everything first",
            ),
            Self::Interrupted => Some("the same command again goes on from here"),
            Self::NoAnswer
            | Self::NotOurs
            | Self::Declined
            | Self::Question(_)
            | Self::Signals(_)
            | Self::Seeding(_) => None,
        }
    }
}

/// Runs the command on a place.
pub fn run(runtime: &Runtime, args: &SeedArgs, place: &Place) -> Exit {
    match runtime.block_on(seed(args, place)) {
        Ok(()) => Exit::Done,
        Err(stopped) => {
            output::error_line(&format!("antiphon: {}", ErrorChain(&stopped)));
            if let Some(advice) = stopped.advice() {
                output::error_line(&format!("antiphon: {advice}"));
            }
            stopped.exit()
        }
    }
}

async fn seed(args: &SeedArgs, place: &Place) -> Result<(), Stopped> {
    // Wrong numbers are told before anything else is done or asked.
    let anew = plan_anew(&args.options())?;
    if args.wipe && matches!(place, Place::Database { .. }) {
        return Err(Stopped::NotOurs);
    }
    let target = Target::look(place).await?;
    output::error_line(&target.told());
    if args.dry_run {
        let planned = if args.wipe {
            anew
        } else {
            planned(args, place, anew).await?
        };
        show::plan(args, &target, &planned);
        return Ok(());
    }
    if args.wipe && target.is_store() {
        wipe(args, place, &target).await?;
    }
    fill(args, place).await
}

async fn planned(args: &SeedArgs, place: &Place, anew: Plan) -> Result<Plan, Stopped> {
    let Some(store) = place.open_to_read().await? else {
        return Ok(anew);
    };
    let planned = plan(&store.stores(), &args.options()).await;
    store.close().await;
    Ok(planned?)
}

async fn wipe(args: &SeedArgs, place: &Place, target: &Target) -> Result<(), Stopped> {
    if !args.yes {
        ask(args, target)?;
    }
    let files = EmbeddedStore::wipe(place.folder()).await?;
    forget_password(place.folder())?;
    for file in files {
        output::error_line(&format!("removed   {}", file.display()));
    }
    Ok(())
}

fn ask(args: &SeedArgs, target: &Target) -> Result<(), Stopped> {
    if args.no_input || !io::stdin().is_terminal() {
        return Err(Stopped::NoAnswer);
    }
    let answer = Confirm::new(&target.wipe_question())
        .with_default(false)
        .prompt();
    match answer {
        Ok(true) => Ok(()),
        Ok(false) | Err(InquireError::OperationCanceled) => Err(Stopped::Declined),
        Err(InquireError::OperationInterrupted) => Err(Stopped::Interrupted),
        Err(
            error @ (InquireError::NotTTY
            | InquireError::InvalidConfiguration(_)
            | InquireError::IO(_)
            | InquireError::Custom(_)),
        ) => Err(Stopped::Question(error)),
    }
}

/// Fills the store until it is full or a signal comes. What is under way then is a batch or
/// none, so the store is closed in good order either way.
async fn fill(args: &SeedArgs, place: &Place) -> Result<(), Stopped> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Stopped::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Stopped::Signals)?;
    let mut bar = show::Bar::new();
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let mut progress = |progress| bar.step(progress);
    let seeded = seed_place(place, args.options(), &mut progress, stop).await;
    bar.finish();
    match seeded? {
        Some(seeded) => {
            show::summary(args, place, &seeded);
            Ok(())
        }
        None => Err(Stopped::Interrupted),
    }
}

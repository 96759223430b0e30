//! The commands for scripts: `send`, `tail`, `history` and their like, and `exec` for many of
//! them. Standard output holds what was asked for and nothing else; everything that is said
//! about it goes to standard error; the exit code tells how it ended.

pub mod ask;
pub mod exec;
pub mod frame;
pub mod human;
pub mod lines;
pub mod out;
pub mod query;
pub mod send;
pub mod shell;
pub mod tail;

use std::time::Duration;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::account::entry::LOGIN_DEADLINE;
use crate::account::{self, Account, Door, Environment, Purpose};
use crate::cli::script::{Common, ExecArgs, Query, ScriptCommand, SendArgs, TailArgs, With};
use crate::exit::{Exit, Failed};
use crate::output;
use ask::{Asker, Whoami};
use out::Out;

/// Time for the goodbye, and for what is left in the output's queue after Ctrl+C.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// What a command needs to run.
struct Stage<'a> {
    runtime: &'a Runtime,
    scope: &'a Shutdown,
    /// Stops at Ctrl+C.
    interrupt: &'a Shutdown,
    environment: &'a Environment,
    color: bool,
}

/// Runs a command; `color` says whether the user wants colors where there is a terminal.
pub fn run(command: ScriptCommand, environment: &Environment, color: bool) -> Exit {
    let name = shell::name_of(&command);
    match run_command(command, environment, color) {
        Ok(()) => Exit::Done,
        Err(Failed { exit, words }) => {
            if !words.is_empty() {
                output::error_line(&format!("antiphon {name}: {words}"));
            }
            exit
        }
    }
}

fn run_command(
    command: ScriptCommand,
    environment: &Environment,
    color: bool,
) -> Result<(), Failed> {
    let job = match Job::of(command) {
        Ok(job) => job,
        Err(local) => return shell::run(local, environment),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::failure(format!("no threads or no event queue: {error}")))?;
    let (scope, interrupt) = (Shutdown::new(), Shutdown::new());
    let ended = {
        // Tasks are spawned from this thread, too.
        let _entered = runtime.enter();
        listen_for_interrupt(&interrupt)?;
        let stage = Stage {
            runtime: &runtime,
            scope: &scope,
            interrupt: &interrupt,
            environment,
            color,
        };
        stage.play(job)
    };
    scope.stop();
    // What does not end in time ends with the process.
    let _in_time = runtime.block_on(scope.wait(STOP_GRACE));
    runtime.shutdown_background();
    ended
}

fn listen_for_interrupt(interrupt: &Shutdown) -> Result<(), Failed> {
    let mut signals = signal(SignalKind::interrupt())
        .map_err(|error| Failed::failure(format!("signals can't be heard: {error}")))?;
    let flag = interrupt.clone();
    task::spawn(&Shutdown::new(), TaskKind::Client, async move {
        signals.recv().await;
        flag.stop();
    });
    Ok(())
}

/// A command that talks to a server.
enum Job {
    Query(Common, Query),
    Send(Common, SendArgs),
    Tail(Common, TailArgs),
    Exec(Common, ExecArgs),
    Logout(Common),
}

impl Job {
    /// `Err` gives a command back that needs no server.
    fn of(command: ScriptCommand) -> Result<Self, shell::Local> {
        fn query<T: clap::Args>(with: With<T>, into: impl FnOnce(T) -> Query) -> Job {
            Job::Query(with.common, into(with.own))
        }
        Ok(match command {
            ScriptCommand::Send(with) => Self::Send(with.common, with.own),
            ScriptCommand::Tail(with) => Self::Tail(with.common, with.own),
            ScriptCommand::Exec(with) => Self::Exec(with.common, with.own),
            ScriptCommand::Logout(with) => Self::Logout(with.common),
            ScriptCommand::History(with) => query(with, Query::History),
            ScriptCommand::Search(with) => query(with, Query::Search),
            ScriptCommand::Popular(with) => query(with, Query::Popular),
            ScriptCommand::Rooms(with) => query(with, Query::Rooms),
            ScriptCommand::Users(with) => query(with, Query::Users),
            ScriptCommand::Members(with) => query(with, Query::Members),
            ScriptCommand::Join(with) => query(with, Query::Join),
            ScriptCommand::Leave(with) => query(with, Query::Leave),
            ScriptCommand::Create(with) => query(with, Query::Create),
            ScriptCommand::Whoami(with) => query(with, Query::Whoami),
            ScriptCommand::Profile { json, command } => {
                return Err(shell::Local::Profile { json, command });
            }
            ScriptCommand::Completions { shell } => return Err(shell::Local::Completions(shell)),
            ScriptCommand::Man { dir } => return Err(shell::Local::Man(dir)),
        })
    }
}

impl Stage<'_> {
    fn door(&self, common: &Common) -> Door<'_> {
        Door {
            runtime: self.runtime,
            scope: self.scope,
            purpose: Purpose::Script,
            timeout: common.timeout.unwrap_or(LOGIN_DEADLINE),
            patience: common.timeout,
            interrupt: self.interrupt,
        }
    }

    fn play(&self, job: Job) -> Result<(), Failed> {
        match job {
            Job::Query(common, query) => self.query(&common, query),
            Job::Send(common, args) => self.send(&common, args),
            Job::Tail(common, args) => self.tail(&common, &args),
            Job::Exec(common, args) => self.exec(&common, &args),
            Job::Logout(common) => self.log_out(&common),
        }
    }

    /// Runs `work` with an output, to its end or to Ctrl+C; what is in the output's queue is
    /// written in either case.
    fn with_out<F>(&self, common: &Common, work: F) -> Result<(), Failed>
    where
        F: AsyncFnOnce(&mut Out) -> Result<(), Failed>,
    {
        self.runtime.block_on(async {
            let mut out = Out::stdout(common.json, self.color)?;
            let worked = tokio::select! {
                biased;
                () = self.interrupt.stopping() => Err(Failed::quietly(Exit::Interrupted)),
                worked = work(&mut out) => worked,
            };
            let written = tokio::select! {
                written = out.finish() => written,
                () = after_interrupt(self.interrupt) => Ok(()),
            };
            worked.and(written)
        })
    }

    fn query(&self, common: &Common, query: Query) -> Result<(), Failed> {
        let mut account = Account::new(&common.account, self.environment)?;
        let door = self.door(common);
        let entered = account::once(&mut account, &door)?;
        let who = Whoami::of_login(&entered, &account);
        let asker = Asker::connection(entered.connection.clone(), door.timeout);
        let done = self.with_out(common, async |out| {
            query::answer(&asker, &who, query, out).await
        });
        entered.connection.close();
        done
    }

    fn send(&self, common: &Common, args: SendArgs) -> Result<(), Failed> {
        // Before the login, which may read a password from the same place.
        let plan = send::Plan::new(args)?;
        let mut account = Account::new(&common.account, self.environment)?;
        let live = account::live(&mut account, &self.door(common))?;
        let mut sender = send::Sender::new(live, self.scope);
        let sent = self.with_out(common, async |out| sender.run(plan, out).await);
        sender.tell_count();
        sent
    }

    fn tail(&self, common: &Common, args: &TailArgs) -> Result<(), Failed> {
        let mut account = Account::new(&common.account, self.environment)?;
        let live = account::live(&mut account, &self.door(common))?;
        let mut tail = tail::Tail::new(live, args)?;
        self.with_out(common, async |out| tail.run(out).await)
    }

    fn exec(&self, common: &Common, args: &ExecArgs) -> Result<(), Failed> {
        let mut account = Account::new(&common.account, self.environment)?;
        let door = self.door(common);
        let lines = exec::open(args)?;
        let live = account::live(&mut account, &door)?;
        let who = Whoami::of_live(&live, &account);
        let mut exec = exec::Exec::new(live, who, door.timeout, self.scope);
        self.with_out(common, async |out| {
            exec.run(lines, args.keep_going, out).await
        })
    }

    fn log_out(&self, common: &Common) -> Result<(), Failed> {
        let mut account = Account::new(&common.account, self.environment)?;
        let Some((_, file)) = account.login_file().filter(|(_, file)| file.is_there()) else {
            let words = format!("profile {} has no login to end", account.name);
            return Err(Failed::new(Exit::Credentials, words));
        };
        let door = self.door(common);
        let entered = account::once(&mut account, &door)?;
        let asker = Asker::connection(entered.connection, door.timeout);
        let asked = asker.request(antiphon_protocol::client::Logout {});
        self.runtime.block_on(asked)?;
        file.remove()?;
        Ok(())
    }
}

/// Some time after Ctrl+C.
async fn after_interrupt(interrupt: &Shutdown) {
    interrupt.stopping().await;
    antiphon_core::clock::sleep(STOP_GRACE).await;
}

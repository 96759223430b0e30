//! What needs no server: profiles, completions, manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use crate::account::Environment;
use crate::cli::Cli;
use crate::cli::script::{ProfileCommand, ScriptCommand};
use crate::exit::{Exit, Failed};
use crate::output;
use crate::profile::{ProfileName, Profiles};

/// A command that needs no server.
#[derive(Debug)]
pub enum Local {
    /// `profile`.
    Profile {
        /// As JSON.
        json: bool,
        /// What to do.
        command: ProfileCommand,
    },
    /// `completions`.
    Completions(Shell),
    /// `man`.
    Man(Option<PathBuf>),
}

/// The command's name, for what is said about it.
pub fn name_of(command: &ScriptCommand) -> &'static str {
    match command {
        ScriptCommand::Send(_) => "send",
        ScriptCommand::Tail(_) => "tail",
        ScriptCommand::History(_) => "history",
        ScriptCommand::Search(_) => "search",
        ScriptCommand::Popular(_) => "popular",
        ScriptCommand::Rooms(_) => "rooms",
        ScriptCommand::Users(_) => "users",
        ScriptCommand::Members(_) => "members",
        ScriptCommand::Join(_) => "join",
        ScriptCommand::Leave(_) => "leave",
        ScriptCommand::Create(_) => "create",
        ScriptCommand::Whoami(_) => "whoami",
        ScriptCommand::Exec(_) => "exec",
        ScriptCommand::Logout(_) => "logout",
        ScriptCommand::Profile { .. } => "profile",
        ScriptCommand::Completions { .. } => "completions",
        ScriptCommand::Man { .. } => "man",
    }
}

/// Runs it.
pub fn run(local: Local, environment: &Environment) -> Result<(), Failed> {
    match local {
        Local::Profile { json, command } => profile(json, command, environment),
        Local::Completions(shell) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "antiphon", &mut script);
            print(&script)
        }
        Local::Man(None) => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|error| Failed::failure(error.to_string()))?;
            print(&page)
        }
        Local::Man(Some(dir)) => man_pages(&dir),
    }
}

fn print(bytes: &[u8]) -> Result<(), Failed> {
    output::bytes(bytes).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failed::quietly(Exit::ReaderGone)
        } else {
            Failed::failure(format!("standard output: {error}"))
        }
    })
}

fn man_pages(dir: &Path) -> Result<(), Failed> {
    let written = fs::create_dir_all(dir).and_then(|()| {
        let command = Cli::command().disable_help_subcommand(true);
        clap_mangen::generate_to(command, dir)
    });
    written.map_err(|error| Failed::failure(format!("{}: {error}", dir.display())))
}

/// A profile, as programs read it. The token stays where it is.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    gateway: String,
    user: String,
    login: bool,
}

fn profile(json: bool, command: ProfileCommand, environment: &Environment) -> Result<(), Failed> {
    let Some(folders) = environment.folders.clone() else {
        return Err(Failed::failure("there is no home folder, so no profile"));
    };
    let profiles = Profiles::new(folders);
    let parse =
        |raw: &str| ProfileName::parse(raw).map_err(|error| Failed::usage(error.to_string()));
    match command {
        ProfileCommand::List => {
            for name in profiles.names()? {
                if let Some(shown) = load(&profiles, &name)? {
                    print(line(json, &shown).as_bytes())?;
                }
            }
            Ok(())
        }
        ProfileCommand::Show { name } => {
            let name = parse(&name)?;
            let shown = load(&profiles, &name)?.ok_or_else(|| no_profile(&name))?;
            print(line(json, &shown).as_bytes())
        }
        ProfileCommand::Forget { name } => {
            let name = parse(&name)?;
            if profiles.forget(&name)? {
                Ok(())
            } else {
                Err(no_profile(&name))
            }
        }
    }
}

fn no_profile(name: &ProfileName) -> Failed {
    Failed::failure(format!("there is no profile {name}"))
}

fn load(profiles: &Profiles, name: &ProfileName) -> Result<Option<Shown>, Failed> {
    Ok(profiles.load(name)?.map(|profile| Shown {
        name: name.to_string(),
        gateway: profile.gateway.to_string(),
        user: profile.user.to_string(),
        login: profiles.login(name).is_there(),
    }))
}

fn line(json: bool, shown: &Shown) -> String {
    if json {
        let json = serde_json::to_string(shown);
        return json.expect("it has string keys and no failing Serialize") + "\n";
    }
    let login = if shown.login {
        ""
    } else {
        " (no login: the password is asked for)"
    };
    format!(
        "{} {} at {}{login}\n",
        shown.name, shown.user, shown.gateway
    )
}

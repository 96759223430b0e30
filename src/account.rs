//! Who one is and where: from flags, the environment, a profile, or questions; and the login.
//!
//! # Several processes, one profile
//!
//! A resume token works once; its successor comes with the reply. A token that is used again
//! within 30 s gives another successor, later it ends the whole family (somebody has copied
//! it). So a start by profile takes the profile's lock, logs in once on a connection of its
//! own, writes the successor to disk, and lets the lock go; then its client logs in by the
//! *same* token, within the 30 s, and so begins a branch of its own, whose tokens stay in its
//! memory. The token on disk is thus never one that a running process uses: `send` and `tail`
//! run side by side, in any number, and none takes another's login away. `antiphon logout` ends
//! the family, branches and all.
//!
//! A process that is killed between the login and the write leaves a used token behind. It is
//! good for the rest of the 30 s; after that the profile's owner is asked for the password.

pub mod entry;
mod login;
pub mod wizard;

use std::io::{BufRead, IsTerminal, Read};
use std::time::Duration;

use antiphon_client::GatewayUrl;
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::UserName;
use antiphon_protocol::client::Secret;
use antiphon_protocol::limits::PASSWORD_CHARS_MAX;
use tokio::runtime::Runtime;

use crate::cli::AccountArgs;
use crate::exit::{Exit, Failed};
use crate::profile::{
    DEFAULT_PROFILE, Folders, LoginFile, Profile, ProfileError, ProfileName, Profiles,
};
use crate::terminal::questions::NoAnswer;
use entry::{Attempt, LOGIN_DEADLINE, LoginError, Proof, clean};

pub use login::{live, once};

/// The gateway of `antiphon up`.
pub const DEFAULT_GATEWAY: &str = "http://127.0.0.1:8888";
/// Names the gateway.
pub const GATEWAY_VARIABLE: &str = "ANTIPHON_GATEWAY";
/// Names the profile.
pub const PROFILE_VARIABLE: &str = "ANTIPHON_PROFILE";
/// Longest password line: four bytes a character, and the line's end.
const PASSWORD_LINE_BYTES_MAX: u64 = 4 * PASSWORD_CHARS_MAX as u64 + 2;

/// What the process's environment says about accounts.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Where profiles are kept; `None` if this user has no home.
    pub folders: Option<Folders>,
    /// [`GATEWAY_VARIABLE`].
    pub gateway: Option<String>,
    /// [`PROFILE_VARIABLE`].
    pub profile: Option<String>,
}

/// Who asks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A person at the keyboard: what is not known is asked for.
    Chat,
    /// A script: a name alone may do, and there may be nobody to ask.
    Script,
}

/// What a login needs besides the flags.
#[derive(Debug)]
pub struct Door<'a> {
    /// Runs the network.
    pub runtime: &'a Runtime,
    /// Ends what is started.
    pub scope: &'a Shutdown,
    /// Who asks.
    pub purpose: Purpose,
    /// How long a login may take; at most [`LOGIN_DEADLINE`] counts.
    pub timeout: Duration,
    /// How long a message may wait for its acknowledgment.
    pub patience: Option<Duration>,
    /// Stops when the user wants the command to end.
    pub interrupt: &'a Shutdown,
}

impl Door<'_> {
    /// Runs a step of the login, unless it is interrupted.
    fn run<T>(&self, step: impl Future<Output = Result<T, LoginError>>) -> Result<T, LoginError> {
        self.runtime.block_on(async {
            tokio::select! {
                done = step => done,
                () = self.interrupt.stopping() => Err(LoginError::Interrupted),
            }
        })
    }
}

/// What the flags, the environment and the profile say.
#[derive(Debug)]
pub struct Account {
    profiles: Option<Profiles>,
    /// The profile's name.
    pub name: ProfileName,
    /// The profile, if it is there and no flag says otherwise.
    pub remembered: Option<Profile>,
    gateway: Option<GatewayUrl>,
    user: Option<UserName>,
    args: AccountArgs,
    /// There is somebody to ask.
    may_ask: bool,
    /// The account was made in an earlier try.
    registered: bool,
}

impl From<ProfileError> for Failed {
    fn from(error: ProfileError) -> Self {
        Self::failure(clean(&ErrorChain(&error)))
    }
}

impl From<NoAnswer> for Failed {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Cancelled | NoAnswer::Interrupted => Self::quietly(Exit::Interrupted),
            NoAnswer::Broken(why) => Self::failure(why),
        }
    }
}

impl From<LoginError> for Failed {
    fn from(error: LoginError) -> Self {
        let words = error.to_string();
        match error {
            LoginError::Credentials(_) | LoginError::NothingRemembered => {
                Self::new(Exit::Credentials, words)
            }
            LoginError::Unreachable(_) => Self::unreachable(words),
            LoginError::Interrupted => Self::quietly(Exit::Interrupted),
            LoginError::Refused(_) | LoginError::Profile(_) => Self::failure(words),
        }
    }
}

fn parse_gateway(raw: &str, from: &str) -> Result<GatewayUrl, Failed> {
    GatewayUrl::parse(raw).map_err(|error| Failed::usage(format!("{from}: {error}")))
}

impl Account {
    /// Puts together what is known without asking.
    pub fn new(args: &AccountArgs, environment: &Environment) -> Result<Self, Failed> {
        let name = args.profile.as_ref().or(environment.profile.as_ref());
        let name = ProfileName::parse(name.map_or(DEFAULT_PROFILE, String::as_str))
            .map_err(|error| Failed::usage(format!("--profile: {error}")))?;
        let profiles = environment.folders.clone().map(Profiles::new);
        let kept = match &profiles {
            Some(profiles) => profiles.load(&name)?,
            None => None,
        };
        let flag = args.gateway.as_deref().map(|raw| (raw, "--gateway"));
        let variable = environment.gateway.as_deref();
        let gateway = match flag.or(variable.map(|raw| (raw, GATEWAY_VARIABLE))) {
            Some((raw, from)) => Some(parse_gateway(raw, from)?),
            None => kept.as_ref().map(|kept| kept.gateway.clone()),
        };
        let user = match &args.user {
            Some(raw) => {
                let user = UserName::parse(raw);
                Some(user.map_err(|error| Failed::usage(format!("--user: {error}")))?)
            }
            None => kept.as_ref().map(|kept| kept.user.clone()),
        };
        let remembered = kept.filter(|kept| {
            let same = gateway.as_ref() == Some(&kept.gateway) && user.as_ref() == Some(&kept.user);
            same && !args.register && !args.password_stdin
        });
        let may_ask = !args.no_input
            && !args.password_stdin
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal();
        Ok(Self {
            profiles,
            name,
            remembered,
            gateway,
            user,
            args: args.clone(),
            may_ask,
            registered: false,
        })
    }

    /// The profile and where its login is, if there is one.
    pub fn login_file(&self) -> Option<(Profile, LoginFile)> {
        let file = self.profiles.as_ref()?.login(&self.name);
        Some((self.remembered.clone()?, file))
    }

    /// The gateway, as far as it is known; after a login it is.
    pub fn gateway_known(&self) -> Option<&GatewayUrl> {
        self.gateway.as_ref()
    }

    fn missing(&self, what: &str, flag: &str) -> Failed {
        Failed::usage(format!(
            "{what} is not known, and there is nobody to ask: {flag}"
        ))
    }

    /// Whether the questions of a first run are asked.
    fn is_first_run(&self, purpose: Purpose) -> bool {
        purpose == Purpose::Chat && self.may_ask && self.user.is_none()
    }

    fn gateway(&mut self, door: &Door<'_>) -> Result<GatewayUrl, Failed> {
        let gateway = match &self.gateway {
            Some(gateway) => gateway.clone(),
            None if self.may_ask && door.purpose == Purpose::Chat => wizard::gateway(door.runtime)?,
            None => parse_gateway(DEFAULT_GATEWAY, "--gateway")?,
        };
        self.gateway = Some(gateway.clone());
        Ok(gateway)
    }

    fn password(&self, is_new: bool, open_will_do: bool) -> Result<Proof, Failed> {
        if self.args.password_stdin {
            return Ok(password_line()?.map_or(Proof::Open, Proof::Password));
        }
        if open_will_do && !is_new {
            return Ok(Proof::Open);
        }
        if !self.may_ask {
            return Err(self.missing("the password", "--password-stdin"));
        }
        if is_new {
            return Ok(Proof::Password(wizard::new_password()?));
        }
        let password = wizard::password()?;
        Ok(password.map_or(Proof::Open, Proof::Password))
    }

    /// What to try, with questions for what is not known. True if the account is to be made.
    fn attempt(&mut self, door: &Door<'_>, open_will_do: bool) -> Result<(Attempt, bool), Failed> {
        let gateway = self.gateway(door)?;
        let register = if self.args.register {
            !self.registered
        } else {
            self.is_first_run(door.purpose) && wizard::entry()? == wizard::Entry::Register
        };
        let user = match &self.user {
            Some(user) => user.clone(),
            None if self.may_ask => wizard::name()?,
            None => return Err(self.missing("who you are", "--user NAME")),
        };
        let proof = self.password(register, open_will_do)?;
        let attempt = Attempt {
            gateway,
            user,
            proof,
        };
        Ok((attempt, register))
    }

    /// Keeps the profile and, with it, a login.
    fn remember(&self, attempt: &Attempt, door: &Door<'_>, token: Secret) -> Result<(), Failed> {
        let Some(profiles) = &self.profiles else {
            return Err(Failed::failure("there is no home folder to remember it in"));
        };
        let profile = Profile {
            gateway: attempt.gateway.clone(),
            user: attempt.user.clone(),
        };
        let locking = profiles.login(&self.name);
        let lock = door.runtime.block_on(locking.lock(LOGIN_DEADLINE))?;
        lock.keep(&profile, &token)?;
        profiles.save(&self.name, &profile)?;
        Ok(())
    }
}

/// The first line of standard input; `None` if it is empty.
pub(crate) fn password_line() -> Result<Option<Secret>, Failed> {
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(PASSWORD_LINE_BYTES_MAX);
    input
        .read_line(&mut line)
        .map_err(|error| Failed::usage(format!("--password-stdin: {error}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    Ok(Some(Secret(password.to_owned())).filter(|password| !password.0.is_empty()))
}

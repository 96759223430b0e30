//! The binary: reads the command line and the environment, sets up the log, runs one
//! subcommand, and ends the process with its exit code.

use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use antiphon::account::{Environment, GATEWAY_VARIABLE, PROFILE_VARIABLE};
use antiphon::cli::{
    Cli, ClientArgs, Command, ConfigArgs, FilterCommand, GatewayArgs, SeedArgs, ServerArgs,
    StatusArgs, StopServerArgs, UpArgs,
};
use antiphon::config::{self, Config, LogFormat, LogLevel, LoginMode};
use antiphon::log_limit::LogLimit;
use antiphon::profile::Folders;
use antiphon::role::{GatewayRole, RoleError, ServerRole, StatusSource};
use antiphon::seeding::Place;
use antiphon::up::{self, Up};
use antiphon::{output, script, seeding, settings, terminal, torture};
use antiphon_core::clock;
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::words::Words;
use clap::Parser;
use etcetera::BaseStrategy;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer};

/// Clears a terminal and goes to its first line.
const CLEAR_SCREEN: &str = "\u{1b}[2J\u{1b}[H";
/// How often `status --watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How often a process manager is told the state.
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// Something went wrong at run time.
const FAILURE: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// The configuration is wrong (EX_CONFIG of sysexits.h).
const CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => run_up(&cli.up),
        Some(Command::Up(args)) => run_up(&args),
        Some(Command::Server(args)) => run_server(&args),
        Some(Command::Gateway(args)) => run_gateway(&args),
        Some(Command::Status(args)) => run_status(&args),
        Some(Command::Client(args)) => run_client(&args),
        Some(Command::Script(command)) => {
            let exit = script::run(command, &environment(), color());
            ExitCode::from(exit.code())
        }
        Some(Command::StopServer(args)) => run_stop_server(&args),
        Some(Command::Seed(args)) => run_seed(&args),
        Some(Command::Torture(args)) => ExitCode::from(torture::run(&runtime(), &args).code()),
        Some(Command::Filter {
            command: FilterCommand::Test { text, config },
        }) => test_filter(&config, &text),
        Some(Command::CheckConfig(args)) => check_config(&args),
        Some(Command::DefaultConfig) => {
            output::line(config::default_toml().trim_end());
            ExitCode::SUCCESS
        }
    }
}

/// What the command line says about the configuration.
type Overrides = Result<Vec<(String, String)>, antiphon::cli::SetError>;

/// The configuration, or the exit code after every problem was told.
fn load_config(args: &ConfigArgs, overrides: Overrides) -> Result<Config, ExitCode> {
    let overrides = overrides.map_err(|error| {
        output::error_line(&format!("antiphon: {error}"));
        ExitCode::from(USAGE)
    })?;
    let here = Path::new(config::FILE_NAME);
    let file = args
        .config
        .as_deref()
        .or_else(|| here.exists().then_some(here));
    Config::load(file, config_pairs(), &overrides).map_err(|problems| {
        output::error_line(&problems.to_string());
        ExitCode::from(CONFIG)
    })
}

/// The configuration and the data directory that it names.
fn placed(args: &ConfigArgs, overrides: Overrides) -> Result<(Config, PathBuf), ExitCode> {
    let config = load_config(args, overrides)?;
    let dir = data_dir(&config)?;
    Ok((config, dir))
}

#[expect(clippy::disallowed_methods, reason = "main reads the environment")]
fn env_pairs() -> impl Iterator<Item = (String, String)> {
    env::vars()
}

/// What the environment may say about the configuration; the client's variables don't.
fn config_pairs() -> impl Iterator<Item = (String, String)> {
    env_pairs().filter(|(name, _)| name != GATEWAY_VARIABLE && name != PROFILE_VARIABLE)
}

/// What the environment says about accounts.
fn environment() -> Environment {
    let find = |name: &str| {
        let found = env_pairs().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value)
    };
    let folders = etcetera::choose_base_strategy().ok().map(|base| Folders {
        config: base.config_dir().join("antiphon"),
        state: base
            .state_dir()
            .unwrap_or_else(|| base.data_dir())
            .join("antiphon"),
    });
    Environment {
        folders,
        gateway: find(GATEWAY_VARIABLE),
        profile: find(PROFILE_VARIABLE),
    }
}

/// Whether the user wants colors, where there is a terminal.
fn color() -> bool {
    let is_set = |name: &str| env_pairs().any(|(key, value)| key == name && !value.is_empty());
    let is_dumb = env_pairs().any(|(key, value)| key == "TERM" && value == "dumb");
    !is_set("NO_COLOR") && !is_dumb
}

fn data_dir(config: &Config) -> Result<PathBuf, ExitCode> {
    let find = |name: &str| {
        env_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let (xdg, home) = (find("XDG_DATA_HOME"), find("HOME"));
    let dir = config::resolve_data_dir(&config.store.data_dir, xdg.as_deref(), home.as_deref())
        .ok_or_else(|| {
            output::error_line("antiphon: no data directory: give one with --data-dir DIR");
            ExitCode::from(CONFIG)
        })?;
    // Whole, so that who reads it elsewhere finds the place.
    Ok(std::path::absolute(&dir).unwrap_or(dir))
}

/// Logs go to standard error. On a terminal `up` shows what a person must know and no more.
fn install_log(config: &Config) -> LogLimit {
    let on_terminal = std::io::stderr().is_terminal();
    let quiet = on_terminal && config.log.level == LogLevel::Info;
    let level = if quiet {
        LogLevel::Warn
    } else {
        config.log.level
    };
    // Libraries log frames, and frames hold what people write: they get to say warnings only.
    let level = level.as_str();
    let ours = ["", "_backend", "_client", "_core", "_gateway", "_seed"];
    let ours = ours.map(|part| format!("antiphon{part}={level}")).join(",");
    let filter = EnvFilter::new(format!("warn,{ours}"));
    let as_json = match config.log.format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if as_json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(on_terminal).boxed()
    };
    let limit = LogLimit::default();
    tracing_subscriber::registry()
        .with(filter)
        .with(lines.with_filter(limit.clone()))
        .init();
    limit
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives threads and an event queue")
}

/// For whoever logs.
fn runtime_with_log(config: &Config) -> tokio::runtime::Runtime {
    let limit = install_log(config);
    let runtime = runtime();
    let inside = runtime.enter();
    task::spawn(&Shutdown::new(), TaskKind::Timer, limit.keep_telling());
    drop(inside);
    runtime
}

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    output::error_line(&format!("antiphon: {}", ErrorChain(error)));
    ExitCode::from(FAILURE)
}

fn run_up(args: &UpArgs) -> ExitCode {
    let (config, dir) = match placed(&args.config, args.overrides()) {
        Ok(placed) => placed,
        Err(code) => return code,
    };
    runtime_with_log(&config).block_on(up_until_stopped(&config, &dir, args))
}

async fn up_until_stopped(config: &Config, dir: &Path, args: &UpArgs) -> ExitCode {
    let stop = match stop_signals(args.while_input_lasts) {
        Ok(stop) => stop,
        Err(error) => return fail(&error),
    };
    let up = match Up::start(config, dir, args.seed).await {
        Ok(up) => up,
        Err(error) => return fail(&error),
    };
    if let Err(error) = reload_on_hangup(up.words()) {
        return fail(&error);
    }
    let welcome = up::welcome(&up, config.auth.mode == LoginMode::Open);
    say_ready(args.json, &up::ready_line(&up), &welcome);
    keep_telling(|| "serving".to_owned());
    ended(up.run(stopping(stop)).await)
}

/// Says the same thing to a process manager and to who started the process.
fn say_ready(as_json: bool, ready_line: &str, welcome: &str) {
    output::line(if as_json { ready_line } else { welcome });
    // Without a process manager there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Tells a process manager what goes on: that the runtime lives, and the state in words.
fn keep_telling(state: impl Fn() -> String + Send + 'static) {
    let watchdog = sd_notify::watchdog_enabled();
    let pause = watchdog.map_or(TELL_INTERVAL, |limit| (limit / 2).min(TELL_INTERVAL));
    task::spawn(&Shutdown::new(), TaskKind::Timer, async move {
        let mut ticks = clock::interval(pause);
        loop {
            ticks.tick().await;
            let state = state();
            let _ = sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(&state)]);
        }
    });
}

fn role_failed(error: &RoleError) -> ExitCode {
    output::error_line(&format!("antiphon: {}", ErrorChain(error)));
    ExitCode::from(if error.is_configuration() {
        CONFIG
    } else {
        FAILURE
    })
}

/// The role once it serves, or the exit code if it can't, or is to stop before it does.
async fn started<R>(
    stop: impl Future<Output = ()>,
    starting: impl Future<Output = Result<R, RoleError>>,
) -> Result<R, ExitCode> {
    tokio::select! {
        biased;
        () = stop => Err(ExitCode::SUCCESS),
        started = starting => started.map_err(|error| role_failed(&error)),
    }
}

fn ended(clean: bool) -> ExitCode {
    if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    }
}

fn run_server(args: &ServerArgs) -> ExitCode {
    let config = match load_config(&args.config, args.overrides()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    runtime_with_log(&config).block_on(async {
        let stop = match stop_signals(args.while_input_lasts) {
            Ok(stop) => stop,
            Err(error) => return fail(&error),
        };
        tokio::pin!(stop);
        let role = match started(&mut stop, ServerRole::start(&config)).await {
            Ok(role) => role,
            Err(code) => return code,
        };
        if let Err(error) = reload_on_hangup(role.words()) {
            return fail(&error);
        }
        say_ready(args.json, &role.ready_line(), &role.welcome());
        keep_telling(role.state_line());
        ended(role.run(stopping(stop)).await)
    })
}

fn run_gateway(args: &GatewayArgs) -> ExitCode {
    let config = match load_config(&args.config, args.overrides()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    runtime_with_log(&config).block_on(async {
        let stop = match stop_signals(args.while_input_lasts) {
            Ok(stop) => stop,
            Err(error) => return fail(&error),
        };
        tokio::pin!(stop);
        let role = match started(&mut stop, GatewayRole::start(&config)).await {
            Ok(role) => role,
            Err(code) => return code,
        };
        say_ready(args.json, &role.ready_line(), &role.welcome());
        keep_telling(|| "serving".to_owned());
        ended(role.run(stopping(stop)).await)
    })
}

/// Tells a process manager when the stop begins.
async fn stopping(stop: impl Future<Output = ()>) {
    stop.await;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

fn run_status(args: &StatusArgs) -> ExitCode {
    let (config, dir) = match placed(&args.config, args.overrides()) {
        Ok(placed) => placed,
        Err(code) => return code,
    };
    runtime_with_log(&config).block_on(async {
        let source = match StatusSource::open(&config, &dir).await {
            Ok(source) => source,
            Err(error) => return fail(&error),
        };
        loop {
            let status = match source.status().await {
                Ok(status) => status,
                Err(error) => return fail(&error),
            };
            let text = if args.json {
                status.to_json()
            } else {
                status.to_text()
            };
            if args.watch && !args.json && std::io::stdout().is_terminal() {
                output::text(CLEAR_SCREEN);
            }
            output::line(text.trim_end());
            if !args.watch {
                return ended(status.is_well());
            }
            clock::sleep(WATCH_INTERVAL).await;
        }
    })
}

/// SIGHUP reads the word lists again. Lists that can't be read leave the old ones in place.
fn reload_on_hangup(words: Arc<Words>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    task::spawn(&Shutdown::new(), TaskKind::Timer, async move {
        while hangup.recv().await.is_some() {
            let words = Arc::clone(&words);
            match task::blocking(move || words.reload()).await {
                Some(Ok(())) => info!("word lists read again"),
                Some(Err(error)) => {
                    warn!(error = %ErrorChain(&error), "word lists not read, the old ones stay");
                }
                None => {}
            }
        }
    });
    Ok(())
}

/// Resolves at the first SIGINT or SIGTERM; a second one ends the process at once, as does the
/// end of who started it, if that is wanted.
fn stop_signals(with_owner: bool) -> std::io::Result<impl Future<Output = ()>> {
    if with_owner {
        let gone = up::owner_gone()?;
        task::spawn(&Shutdown::new(), TaskKind::Timer, async {
            gone.await;
            end_at_once();
        });
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        task::spawn(&Shutdown::new(), TaskKind::Timer, async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            end_at_once();
        });
    })
}

#[expect(clippy::disallowed_methods, reason = "main ends the process")]
fn end_at_once() {
    std::process::exit(i32::from(FAILURE));
}

fn run_client(args: &ClientArgs) -> ExitCode {
    let exit = terminal::run(&runtime(), args, &environment(), color());
    ExitCode::from(exit.code())
}

/// The configuration and the data directory of a command that names one.
fn located(args: &ConfigArgs, data_dir: Option<&Path>) -> Result<(Config, PathBuf), ExitCode> {
    let mut overrides = args.overrides();
    if let (Ok(overrides), Some(dir)) = (&mut overrides, data_dir) {
        overrides.push((
            "store.data_dir".to_owned(),
            dir.to_string_lossy().into_owned(),
        ));
    }
    placed(args, overrides)
}

fn run_stop_server(args: &StopServerArgs) -> ExitCode {
    let (_, dir) = match located(&args.config, args.data_dir.as_deref()) {
        Ok(located) => located,
        Err(code) => return code,
    };
    match runtime().block_on(up::stop_server(&dir, &args.name)) {
        Ok(()) => {
            output::line(&format!(
                "{} has stopped; its users were told to reconnect",
                args.name
            ));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn check_config(args: &ConfigArgs) -> ExitCode {
    match load_config(args, args.overrides()) {
        Ok(_) => {
            output::line("the configuration is right");
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn test_filter(args: &ConfigArgs, text: &str) -> ExitCode {
    let config = match load_config(args, args.overrides()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let words = match Words::load(&settings::word_sources(&config)) {
        Ok(words) => words,
        Err(error) => return fail(&error),
    };
    output::line(&words.mask(text));
    for hit in words.explain(text) {
        let found = &text[hit.range.clone()];
        output::line(&format!("  {found:?} is {:?} of {}", hit.term, hit.source));
    }
    ExitCode::SUCCESS
}

/// Fills the database that the flags or the configuration name, unless a folder is named.
fn run_seed(args: &SeedArgs) -> ExitCode {
    let (config, folder) = match located(&args.config, args.data_dir.as_deref()) {
        Ok(located) => located,
        Err(code) => return code,
    };
    let runtime = runtime_with_log(&config);
    let configured = Some(config.store.url.clone()).filter(|url| !url.is_empty());
    let url = match (&args.store_url, &args.data_dir) {
        (Some(url), _) => Some(url.clone()),
        (None, Some(_)) => None,
        (None, None) => configured,
    };
    let place = match url {
        Some(url) => Place::Database { url, folder },
        None => Place::Folder(folder),
    };
    ExitCode::from(seeding::command::run(&runtime, args, &place).code())
}

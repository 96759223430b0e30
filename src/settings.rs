//! From the configuration to what each part is told.

use std::path::PathBuf;
use std::time::Duration;

use antiphon_core::net::ClusterKey;
use antiphon_core::words::{FilterSources, WordSources};
use antiphon_gateway::{GatewayConfig, UnknownStrategy};

use crate::config::{self, Config, LoginMode, Registration, SessionPolicy};
use crate::server::{self, Advertised, AuthMode, Settings};

/// A leader that hears too few others waits so much longer than the registrations of dead
/// servers last.
const ISOLATED_BEYOND: Duration = Duration::from_millis(500);

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The gateway's strategy.
    #[error("gateway.strategy")]
    Strategy(#[from] UnknownStrategy),
}

/// A server's settings.
pub fn server(config: &Config, name: &str, key: ClusterKey) -> Settings {
    let limits = &config.limits;
    let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
    let reset = config.words.popular_reset_seconds;
    Settings {
        auth_mode: match config.auth.mode {
            LoginMode::Password => AuthMode::Password,
            LoginMode::Open => AuthMode::Open,
        },
        registration_open: config.auth.registration == Registration::Open,
        session_policy: match config.auth.session_policy {
            SessionPolicy::Allow => server::SessionPolicy::Allow,
            SessionPolicy::KickOldest => server::SessionPolicy::KickOldest,
            SessionPolicy::Refuse => server::SessionPolicy::Refuse,
        },
        token_idle: days(config.auth.token_idle_days),
        token_max: days(config.auth.token_max_days),
        login_timeout: Duration::from_millis(config.auth.login_timeout_ms),
        allowed_origins: config.auth.allowed_origins.clone(),
        messages_per_second: narrow(limits.messages_per_second),
        message_burst: narrow(limits.message_burst),
        connections_max: wide(limits.connections_max),
        connections_per_address: wide(limits.connections_per_address),
        handshakes_per_second: narrow(limits.handshakes_per_second),
        in_flight_max: wide(limits.in_flight_max),
        outbound_bytes_max: wide(limits.outbound_bytes_max),
        outbound_frames_max: wide(limits.outbound_frames_max),
        ping_interval: Duration::from_millis(limits.ping_interval_ms),
        pong_timeout: Duration::from_millis(limits.pong_timeout_ms),
        position_interval: Duration::from_millis(config.cluster.position_interval_ms),
        retention: (config.store.retention_days > 0).then(|| days(config.store.retention_days)),
        popular_window: Duration::from_secs(config.words.popular_window_seconds),
        popular_reset: (reset > 0).then(|| Duration::from_secs(reset)),
        count_direct_messages: config.words.count_direct_messages,
        shutdown_grace: Duration::from_millis(limits.shutdown_grace_ms),
        isolated_max: Duration::from_millis(config.cluster.session_timeout_ms) + ISOLATED_BEYOND,
        advertised: Advertised {
            client: config::split_address(&config.server.client_advertise),
            cluster: Some(config.cluster.advertise.clone()).filter(|addr| !addr.is_empty()),
        },
        ..Settings::new(name, key)
    }
}

/// The gateway's settings.
pub fn gateway(config: &Config) -> Result<GatewayConfig, SettingsError> {
    Ok(GatewayConfig {
        strategy: config.gateway.strategy.as_str().parse()?,
        allowed_origins: config.gateway.allowed_origins.clone(),
        ..GatewayConfig::default()
    })
}

/// Where the word lists come from.
pub fn word_sources(config: &Config) -> WordSources {
    let paths = |list: &[String]| list.iter().map(PathBuf::from).collect();
    let builtin = config.words.builtin_lists;
    WordSources {
        filter: FilterSources {
            masked: paths(&config.words.masked_lists),
            allowed: paths(&config.words.allowed_lists),
            builtin,
        },
        stop_words: paths(&config.words.stop_lists),
        builtin_stop_words: builtin,
    }
}

/// The table of keys keeps these far below the type's bound.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn wide(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

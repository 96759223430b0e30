//! What no key can tell alone: settings that contradict each other, files that are not there.

use std::net::IpAddr;
use std::path::Path;

use super::keys::{Config, LoginMode};
use super::problem::{ConfigProblem, Place};
use super::{Origins, value};

struct Checks<'a> {
    origins: &'a Origins,
    problems: &'a mut Vec<ConfigProblem>,
}

/// Adds a problem for every rule that `config` breaks.
pub(super) fn all(config: &Config, origins: &Origins, problems: &mut Vec<ConfigProblem>) {
    let mut checks = Checks { origins, problems };
    checks.open_mode_is_local(config);
    checks.bounds_agree(config);
    checks.files_are_there(config);
}

impl Checks<'_> {
    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let place = self.origins.get(key).cloned();
        let place = place.unwrap_or_else(|| Place::Default(key.to_owned()));
        self.problems.push(ConfigProblem {
            place,
            message: message.into(),
        });
    }

    /// A rule about two keys is told at the one that somebody set.
    fn refuse_pair(&mut self, first: &str, second: &str, message: &str) {
        let set = self.origins.contains_key(first) || !self.origins.contains_key(second);
        self.refuse(if set { first } else { second }, message);
    }

    fn open_mode_is_local(&mut self, config: &Config) {
        if config.auth.mode != LoginMode::Open {
            return;
        }
        let rule =
            "auth.mode = \"open\" lets anyone in without a password: it needs a loopback address";
        if !is_loopback(&config.server.host) {
            self.refuse("server.host", rule);
        }
        let gateway = value::split_address(&config.gateway.addr);
        if !gateway.is_some_and(|(host, _)| is_loopback(&host)) {
            self.refuse("gateway.addr", rule);
        }
        let clients = value::split_address(&config.server.client_addr);
        if !clients.is_some_and(|(host, _)| is_loopback(&host)) {
            self.refuse("server.client_addr", rule);
        }
    }

    fn bounds_agree(&mut self, config: &Config) {
        let (limits, auth) = (&config.limits, &config.auth);
        let rules = [
            (
                limits.message_burst >= limits.messages_per_second,
                ("limits.message_burst", "limits.messages_per_second"),
                "limits.message_burst is at least limits.messages_per_second",
            ),
            (
                limits.connections_per_address <= limits.connections_max,
                ("limits.connections_per_address", "limits.connections_max"),
                "limits.connections_per_address is at most limits.connections_max",
            ),
            (
                limits.pong_timeout_ms < limits.ping_interval_ms,
                ("limits.pong_timeout_ms", "limits.ping_interval_ms"),
                "limits.pong_timeout_ms is less than limits.ping_interval_ms",
            ),
            (
                auth.token_idle_days <= auth.token_max_days,
                ("auth.token_idle_days", "auth.token_max_days"),
                "auth.token_idle_days is at most auth.token_max_days",
            ),
        ];
        for (holds, (first, second), message) in rules {
            if !holds {
                self.refuse_pair(first, second, message);
            }
        }
    }

    fn files_are_there(&mut self, config: &Config) {
        let words = &config.words;
        let lists = [
            ("words.masked_lists", &words.masked_lists),
            ("words.allowed_lists", &words.allowed_lists),
            ("words.stop_lists", &words.stop_lists),
        ];
        for (key, paths) in lists {
            for path in paths.iter().filter(|path| !Path::new(path).is_file()) {
                self.refuse(key, format!("there is no file {path:?}"));
            }
        }
        let key_file = &config.cluster.key_file;
        if !key_file.is_empty() && !Path::new(key_file).is_file() {
            self.refuse("cluster.key_file", format!("there is no file {key_file:?}"));
        }
        let data_dir = &config.store.data_dir;
        if !data_dir.is_empty() && Path::new(data_dir).is_file() {
            self.refuse(
                "store.data_dir",
                format!("{data_dir:?} is a file, not a folder"),
            );
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

//! The configuration: one TOML file, the environment over it, flags over that.
//!
//! [`keys`] lists every key once, with its range, default and reason; reading, `default-config`
//! and docs/configuration.md all come from that list. [`Config::load`] reports every problem at
//! once, each with its place. Nothing here reads the process environment: main hands it in.

use std::collections::HashMap;
use std::path::Path;

mod check;
mod data_dir;
mod file;
mod keys;
mod problem;
mod reference;
mod suggest;
mod value;

pub use data_dir::resolve_data_dir;
pub use keys::{
    Admin, Auth, Cache, Cluster, Config, Gateway, KEYS, Key, Limits, Log, LogFormat, LogLevel,
    LoginMode, Registration, SECTIONS, Server, SessionPolicy, Store, Strategy, Words,
};
pub use problem::{ConfigProblem, ConfigProblems, Place};
pub use reference::{default_toml, reference_markdown};
pub use value::{Kind, Value, split_address};

/// The file that is read if the caller names none and it is there.
pub const FILE_NAME: &str = "antiphon.toml";
/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "ANTIPHON_";

/// Where each key got its value; a key that is absent has its default.
type Origins = HashMap<String, Place>;

/// A configuration while it is put together.
#[derive(Default)]
struct Loading {
    config: Config,
    origins: Origins,
    problems: Vec<ConfigProblem>,
}

impl Config {
    /// Reads `file`, then the `ANTIPHON_*` variables of `env`, then `overrides`, which are
    /// (`section.key`, value) pairs from flags. Whatever is wrong is told all at once.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<Config, ConfigProblems> {
        let mut loading = Loading::default();
        if let Some(path) = file {
            file::read(&mut loading, path);
        }
        let mut variables: Vec<_> = env
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .collect();
        variables.sort();
        for (name, text) in &variables {
            loading.variable(name, text);
        }
        for (path, text) in overrides {
            loading.flag(path, text);
        }
        check::all(&loading.config, &loading.origins, &mut loading.problems);
        if loading.problems.is_empty() {
            Ok(loading.config)
        } else {
            Err(ConfigProblems(loading.problems))
        }
    }
}

impl Loading {
    fn problem(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(ConfigProblem {
            place,
            message: message.into(),
        });
    }

    fn variable(&mut self, name: &str, text: &str) {
        let place = Place::Variable(name.to_owned());
        match KEYS.iter().find(|key| key.variable() == name) {
            Some(key) => self.text(key, text, place),
            None => {
                let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
                let message = suggest::unknown("variable", name, known.iter().map(String::as_str));
                self.problem(place, message);
            }
        }
    }

    fn flag(&mut self, path: &str, text: &str) {
        let place = Place::Flag(path.to_owned());
        match KEYS.iter().find(|key| key.path() == path) {
            Some(key) => self.text(key, text, place),
            None => {
                let known: Vec<String> = KEYS.iter().map(Key::path).collect();
                let message = suggest::unknown("key", path, known.iter().map(String::as_str));
                self.problem(place, message);
            }
        }
    }

    /// Takes a value that came as text.
    fn text(&mut self, key: &Key, text: &str, place: Place) {
        match key.kind.read_text(text) {
            Some(value) => self.value(key, value, place),
            None => self.expected(key, place),
        }
    }

    /// Takes a value of the right type if it is also in range.
    fn value(&mut self, key: &Key, value: Value, place: Place) {
        if key.kind.accepts(&value) && self.config.put(key.section, key.name, value) {
            self.origins.insert(key.path(), place);
        } else {
            self.expected(key, place);
        }
    }

    fn expected(&mut self, key: &Key, place: Place) {
        self.problem(place, format!("{} takes {}", key.path(), key.kind));
    }
}

#[cfg(test)]
mod tests;

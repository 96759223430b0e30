//! The invariants of the source tree that no compiler checks, as tests: who may depend on whom,
//! who may spawn and tell time, what may not stand in a file.

mod pitfalls;
mod shipped;

use std::path::{Path, PathBuf};

use toml_edit::DocumentMut;

const LINES_MAX: usize = 500;
/// Generated or foreign, so nobody's style.
const SKIPPED: &[&str] = &["target", ".git", "node_modules"];

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Whether only tests see the whole file.
    fn is_test(&self) -> bool {
        let path = &self.path;
        path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs")
    }

    /// The lines with their numbers, without comments and without a test module at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| {
                let line = line.trim_start();
                !line.starts_with("//")
            })
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources(extensions: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.sort();
    let has_extension = |path: &PathBuf| {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        extensions.contains(&extension)
    };
    let files = paths.into_iter().filter(has_extension).map(|path| Source {
        path: path
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/"),
        text: std::fs::read_to_string(&path).unwrap(),
    });
    files.collect()
}

fn rust() -> Vec<Source> {
    let files = sources(&["rs"]);
    assert!(files.len() > 20, "the source tree was not found");
    files
}

/// Fails with every place at once.
fn none(what: &str, places: Vec<String>) {
    assert!(places.is_empty(), "{what}:\n  {}", places.join("\n  "));
}

/// Places where production code has one of `words`, outside of `allowed` files.
fn uses(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for file in rust()
        .iter()
        .filter(|f| !f.is_test() && !allowed.contains(&f.path.as_str()))
    {
        for (number, line) in file.code() {
            if words.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    places
}

fn manifest(folder: &str) -> DocumentMut {
    let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

fn dependencies(folder: &str) -> Vec<String> {
    let manifest = manifest(folder);
    let table = manifest["dependencies"].as_table().unwrap();
    table.iter().map(|(name, _)| name.to_owned()).collect()
}

const CRATES: &[&str] = &[
    "protocol",
    "core",
    "backend",
    "gateway",
    "client",
    "seed",
    "tests/services",
    ".",
];

#[test]
fn the_protocol_has_no_runtime_and_does_no_io() {
    let runtime = [
        "tokio",
        "futures-util",
        "hyper",
        "async-trait",
        "tracing",
        "tokio-util",
    ];
    let found: Vec<String> = dependencies("protocol")
        .into_iter()
        .filter(|d| runtime.contains(&d.as_str()))
        .collect();
    none("protocol depends on", found);
    let io = [
        "std::net",
        "std::fs",
        "std::io",
        "std::thread",
        "std::process",
    ];
    let places: Vec<String> = uses(&io, &[])
        .into_iter()
        .filter(|place| place.starts_with("protocol/"))
        .collect();
    none("protocol does I/O", places);
}

#[test]
fn only_the_backend_names_a_vendor() {
    let vendors = [
        "rusqlite",
        "redis",
        "mongodb",
        "zookeeper-client",
        "zookeeper-async",
        "zookeeper",
    ];
    for folder in CRATES.iter().filter(|folder| **folder != "backend") {
        let found: Vec<String> = dependencies(folder)
            .into_iter()
            .filter(|d| vendors.contains(&d.as_str()))
            .collect();
        none(&format!("{folder} depends on"), found);
    }
    let words = ["rusqlite::", "redis::", "mongodb::", "zookeeper::"];
    // The composition root turns URLs into them.
    let places = uses(&words, &["src/role/connect.rs"])
        .into_iter()
        .filter(|place| !place.starts_with("backend/"));
    none("a vendor outside of backend", places.collect());
}

#[test]
fn dependencies_point_one_way() {
    let may_see: &[(&str, &[&str])] = &[
        ("protocol", &[]),
        ("core", &["protocol"]),
        ("backend", &["protocol", "core"]),
        ("gateway", &["protocol", "core"]),
        ("client", &["protocol", "core"]),
        ("seed", &["protocol", "core", "backend", "client"]),
    ];
    for (folder, seen) in may_see {
        let ours = dependencies(folder)
            .into_iter()
            .filter_map(|name| name.strip_prefix("antiphon-").map(str::to_owned));
        let back: Vec<String> = ours.filter(|name| !seen.contains(&name.as_str())).collect();
        none(&format!("{folder} points back to"), back);
    }
}

#[test]
fn versions_stand_in_the_workspace_only() {
    for folder in CRATES {
        let manifest = manifest(folder);
        for table in ["dependencies", "dev-dependencies"] {
            let Some(table) = manifest.get(table).and_then(|item| item.as_table()) else {
                continue;
            };
            for (name, item) in table.iter() {
                let inherited = item.as_table_like().and_then(|item| item.get("workspace"));
                let inherited = inherited.and_then(|item| item.as_bool());
                assert_eq!(inherited, Some(true), "{folder}/Cargo.toml: {name}");
            }
        }
    }
}

#[test]
fn only_core_task_spawns_and_only_core_clock_tells_time() {
    let spawning = [
        "tokio::spawn",
        "task::spawn_blocking",
        "spawn_local",
        "JoinSet",
    ];
    none(
        "spawned outside of core::task",
        uses(&spawning, &["core/src/task.rs"]),
    );
    let time = ["Instant::now", "SystemTime::now"];
    none(
        "time told outside of core::clock",
        uses(&time, &["core/src/clock.rs"]),
    );
}

#[test]
fn only_main_touches_the_process() {
    let main = ["src/main.rs", "src/cli.rs"];
    none(
        "the environment is read",
        uses(&["env::var(", "env::vars(", "env::var_os("], &main),
    );
    none(
        "the process is ended",
        uses(&["process::exit(", "process::abort("], &main),
    );
}

#[test]
fn every_channel_is_bounded() {
    none(
        "without a bound",
        uses(&["unbounded", "mpsc::channel()"], &[]),
    );
}

#[test]
fn nothing_unfinished_is_left() {
    let macros = ["todo!(", "unimplemented!(", "dbg!("];
    none("unfinished", uses(&macros, &["tests/tidy.rs"]));
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut places = Vec::new();
    for file in sources(&["rs", "toml", "md", "sh", "yml"]) {
        for (index, line) in file.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                places.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    none("to be done", places);
}

#[test]
fn production_code_does_not_unwrap() {
    none("unwrap outside of tests", uses(&[".unwrap()"], &[]));
}

#[test]
fn no_test_is_switched_off() {
    let attribute = concat!("#[", "ignore");
    let files = rust();
    // A test that is only the child process of another is run by that one.
    let is_off = |line: &str| line.contains(attribute) && !line.contains("the child process of");
    let off = files.iter().filter(|file| file.text.lines().any(is_off));
    none(
        "switched off in",
        off.map(|file| file.path.clone()).collect(),
    );
}

#[test]
fn lints_are_expected_with_a_reason_not_allowed() {
    let attribute = [concat!("#[", "allow("), concat!("#![", "allow(")];
    let mut places = Vec::new();
    for file in rust() {
        for (number, line) in file.code() {
            let allows = attribute.iter().any(|attribute| line.contains(attribute));
            if allows && !line.contains("reason") {
                places.push(format!("{}:{number}", file.path));
            }
        }
    }
    none("allowed without a reason", places);
}

/// What reaches a person's screen passes one place, which lets nothing steer the terminal.
#[test]
fn the_terminal_writes_in_one_place() {
    let words = ["output::", "stdout()", "stderr()", ".print("];
    let allowed = [
        "src/terminal/screen.rs",
        // The line editor's printer, which is given nothing but `Shown`.
        "src/terminal/printer.rs",
    ];
    let mut places = uses(&words, &allowed);
    places.retain(|place| place.starts_with("src/terminal"));
    // Whether there is a screen may be asked.
    places.retain(|place| !place.contains(".is_terminal()"));
    none("the terminal is written to", places);
}

#[test]
fn modules_are_named_after_themselves() {
    let files = rust();
    let unnamed = files.iter().filter(|file| file.path.ends_with("/mod.rs"));
    none("mod.rs", unnamed.map(|file| file.path.clone()).collect());
}

#[test]
fn a_long_file_says_why_in_its_head() {
    let mut places = Vec::new();
    for file in rust() {
        let lines = file.text.lines().count();
        let head = file.text.lines().take_while(|line| line.starts_with("//!"));
        let says_why = head.collect::<String>().to_lowercase().contains("length");
        if lines > LINES_MAX && !says_why {
            places.push(format!("{} has {lines} lines", file.path));
        }
    }
    none(
        "longer than 500 lines, and the head doesn't speak of its length",
        places,
    );
}

#[test]
fn every_file_begins_with_what_it_is() {
    let files = rust();
    // A contract's file is one trait, whose own documentation says it all.
    let spoken_for = |file: &Source| file.is_test() || file.path.starts_with("core/src/contract/");
    let headless = files
        .iter()
        .filter(|f| !spoken_for(f) && !f.text.starts_with("//!"));
    none(
        "no //! head",
        headless.map(|file| file.path.clone()).collect(),
    );
}

/// The path of a message through a server, in order: each imports only what stands behind it.
const LINE: &[&str] = &[
    "listener",
    "connection",
    "command",
    "router",
    "room",
    "recorder",
    "fan_out",
    "session",
];

/// The names right behind `prefix` in code, also in braces.
fn names_behind<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let inner = rest
            .strip_prefix('{')
            .map(|rest| rest.split('}').next().unwrap_or(rest));
        for part in inner.unwrap_or(rest).split(',').map(str::trim_start) {
            let end = part
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(part.len());
            names.push(&part[..end]);
            if inner.is_none() {
                break;
            }
        }
    }
    names
}

#[test]
fn the_servers_files_form_a_line() {
    let mut places = Vec::new();
    for file in rust().iter().filter(|file| !file.is_test()) {
        let Some(inside) = file.path.strip_prefix("src/server/") else {
            continue;
        };
        let stage = inside.split(['/', '.']).next().unwrap_or(inside);
        let Some(own) = LINE.iter().position(|name| *name == stage) else {
            continue;
        };
        let code: Vec<&str> = file.code().map(|(_, line)| line.trim()).collect();
        let code = code.join(" ");
        // From a file of the folder itself `super` is the server, from one below it is the stage.
        let nested = inside.contains('/');
        let relative = if nested { "super::super::" } else { "super::" };
        let mut named = names_behind(&code, "crate::server::");
        named.extend(names_behind(&code, relative));
        for name in named {
            if LINE
                .iter()
                .position(|stage| *stage == name)
                .is_some_and(|left| left < own)
            {
                places.push(format!("{} imports {name}", file.path));
            }
        }
    }
    none("imports from the left of the line", places);
}

#[test]
fn the_server_does_not_know_the_backend() {
    let composition = [
        "src/server.rs",
        "src/up.rs",
        "src/main.rs",
        "src/cli.rs",
        "src/lib.rs",
    ];
    let places = uses(&["antiphon_backend"], &composition);
    let inside = places
        .into_iter()
        .filter(|place| place.starts_with("src/server/"));
    none("antiphon_backend in src/server", inside.collect());
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let forbidden = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut places = Vec::new();
    for file in sources(&["rs", "toml", "md", "json", "sh", "yml", "service", "conf"]) {
        for (index, line) in file.text.lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none("a path of one machine", places);
}

#[test]
fn every_folder_is_on_the_map() {
    let page = |name: &str| std::fs::read_to_string(root().join(name)).unwrap_or_default();
    let map = page("README.md") + &page("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ours = path.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&name.as_str());
        if ours && !map.contains(&format!("{name}/")) {
            missing.push(name);
        }
    }
    none("neither README.md nor ARCHITECTURE.md mentions", missing);
}

#[test]
fn the_list_of_names_is_read_from_imports() {
    let line = "use crate::server::{room, session::SessionHandle};";
    assert_eq!(names_behind(line, "crate::server::"), ["room", "session"]);
    assert_eq!(names_behind("super::router::Router", "super::"), ["router"]);
    assert_eq!(names_behind("use std::fmt;", "super::"), [""; 0]);
}

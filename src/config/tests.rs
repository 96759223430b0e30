use std::path::PathBuf;

use super::*;

fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
    items
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn in_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let (folder, path) = in_file(text);
    let loaded = Config::load(Some(&path), pairs(env).into_iter(), &pairs(flags));
    let prefix = format!("{}/", folder.path().display());
    loaded.map_err(|problems| {
        problems
            .0
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""))
            .collect()
    })
}

#[test]
fn nothing_set_gives_the_defaults() {
    let config = Config::load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.server.servers, 3);
    assert_eq!(config.gateway.addr, "127.0.0.1:8888");
    assert_eq!(config.limits.outbound_bytes_max, 1024 * 1024);
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let text = "[limits]\nmessage_burst = 31\nin_flight_max = 7\nconnections_max = 2000\n";
    let env = [
        ("ANTIPHON_LIMITS__MESSAGE_BURST", "32"),
        ("ANTIPHON_LIMITS__IN_FLIGHT_MAX", "8"),
        ("PATH", "/bin"),
        ("ANTIPHONY", "not ours"),
    ];
    let config = load(text, &env, &[("limits.message_burst", "33")]).unwrap();
    assert_eq!(config.limits.message_burst, 33);
    assert_eq!(config.limits.in_flight_max, 8);
    assert_eq!(config.limits.connections_max, 2_000);
}

#[test]
fn every_kind_of_value_is_read_from_every_place() {
    let text = "auth = { mode = \"open\", allowed_origins = [\"https://a.example\"] }\n\
                [words]\nbuiltin_lists = false\n";
    let env = [
        (
            "ANTIPHON_GATEWAY__ALLOWED_ORIGINS",
            "http://localhost:3000, https://b.example:8443",
        ),
        ("ANTIPHON_WORDS__COUNT_DIRECT_MESSAGES", "true"),
    ];
    let flags = [
        ("auth.session_policy", "kick_oldest"),
        ("gateway.addr", "[::1]:0"),
        ("log.format", "json"),
    ];
    let config = load(text, &env, &flags).unwrap();
    assert_eq!(config.auth.mode, LoginMode::Open);
    assert_eq!(config.auth.allowed_origins, ["https://a.example"]);
    assert!(!config.words.builtin_lists && config.words.count_direct_messages);
    let origins = ["http://localhost:3000", "https://b.example:8443"];
    assert_eq!(config.gateway.allowed_origins, origins);
    assert_eq!(config.auth.session_policy, SessionPolicy::KickOldest);
    assert_eq!(config.gateway.addr, "[::1]:0");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = "\
[limits]
message_burst = \"many\"
conections_max = 5
[gatway]
addr = \"x\"
[server]
  servers = 0
[auth]
mode = \"open\"
";
    let env = [
        ("ANTIPHON_SERVER__HOST", "0.0.0.0"),
        ("ANTIPHON_LOG__LEVL", "info"),
    ];
    let flags = [("log.format", "xml"), ("zzz", "1")];
    let problems = load(text, &env, &flags).unwrap_err();
    let expected = [
        "antiphon.toml:2:17: limits.message_burst takes a whole number from 1 to 1000000",
        "antiphon.toml:3:1: unknown key in [limits] \"conections_max\"; did you mean connections_max?",
        "antiphon.toml:4:2: unknown table \"gatway\"; did you mean gateway?",
        "antiphon.toml:7:13: server.servers takes a whole number from 1 to 64",
        "variable ANTIPHON_LOG__LEVL: unknown variable \"ANTIPHON_LOG__LEVL\"; did you mean ANTIPHON_LOG__LEVEL?",
        "flag --set log.format: log.format takes one of \"auto\", \"pretty\", \"json\"",
        "flag --set zzz: unknown key \"zzz\"; `antiphon default-config` lists every key",
        "variable ANTIPHON_SERVER__HOST: auth.mode = \"open\" lets anyone in without a password: it needs a loopback address",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_place_and_hides_nothing_else() {
    let problems = load("[limits]\nmessage_burst = \n", &[("ANTIPHON_X", "1")], &[]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("antiphon.toml:2:"), "{problems:?}");
    assert!(
        problems[1].starts_with("variable ANTIPHON_X: unknown variable"),
        "{problems:?}"
    );

    let missing = Config::load(
        Some(Path::new("/no/such/antiphon.toml")),
        std::iter::empty(),
        &[],
    );
    let missing = missing.unwrap_err().to_string();
    assert!(
        missing.starts_with("/no/such/antiphon.toml: cannot be read"),
        "{missing}"
    );

    for text in ["limits = 5\n", "[[limits]]\nmessage_burst = 40\n"] {
        let problems = load(text, &[], &[]).unwrap_err();
        assert!(
            problems[0].ends_with("[limits] is a table with keys in it"),
            "{problems:?}"
        );
    }
}

/// One bad value a row, and the key that the message must name.
#[test]
fn values_out_of_range_are_refused() {
    for (key, value) in [
        ("server.host", ""),
        ("server.host", "a b"),
        ("server.host", "127.0.0.1:80"),
        ("server.servers", "0"),
        ("server.servers", "65"),
        ("server.servers", "-1"),
        ("server.servers", "three"),
        ("server.servers", "99999999999999999999"),
        ("server.name_prefix", ""),
        ("server.name_prefix", "S"),
        ("server.name_prefix", "1"),
        ("server.name_prefix", "a-name-that-is-far-too-long"),
        ("gateway.addr", "8888"),
        ("gateway.addr", "127.0.0.1"),
        ("gateway.addr", "127.0.0.1:65536"),
        ("gateway.addr", ":8888"),
        ("gateway.strategy", "best"),
        ("gateway.allowed_origins", "chat.example"),
        ("gateway.allowed_origins", "https://chat.example/"),
        ("auth.allowed_origins", "https://Chat.example"),
        ("auth.allowed_origins", "null"),
        ("auth.allowed_origins", "*"),
        ("auth.mode", "none"),
        ("auth.mode", "Open"),
        ("auth.token_idle_days", "0"),
        ("words.builtin_lists", "yes"),
        ("words.popular_window_seconds", "0"),
        ("log.level", "loud"),
    ] {
        let problems = load("", &[], &[(key, value)]).unwrap_err();
        assert_eq!(problems.len(), 1, "{key}={value}: {problems:?}");
        let start = format!("flag --set {key}: {key} takes ");
        assert!(
            problems[0].starts_with(&start),
            "{key}={value}: {problems:?}"
        );
    }
}

/// Settings that are fine alone and wrong together, with the place that is named.
#[test]
fn contradictions_are_refused_where_they_were_set() {
    for (flags, place) in [
        (
            &[("auth.mode", "open"), ("server.host", "192.0.2.1")][..],
            "server.host",
        ),
        (
            &[("auth.mode", "open"), ("gateway.addr", "[::]:8888")],
            "gateway.addr",
        ),
        (
            &[("auth.mode", "open"), ("gateway.addr", "chat.example:80")],
            "gateway.addr",
        ),
        (
            &[("limits.messages_per_second", "31")],
            "limits.messages_per_second",
        ),
        (&[("limits.message_burst", "9")], "limits.message_burst"),
        (
            &[("limits.connections_max", "999")],
            "limits.connections_max",
        ),
        (
            &[("limits.pong_timeout_ms", "25000")],
            "limits.pong_timeout_ms",
        ),
        (&[("auth.token_max_days", "6")], "auth.token_max_days"),
        (
            &[("words.masked_lists", "/no/such/list")],
            "words.masked_lists",
        ),
        (&[("cluster.key_file", "/no/such/key")], "cluster.key_file"),
    ] {
        let problems = load("", &[], flags).unwrap_err();
        assert_eq!(problems.len(), 1, "{flags:?}: {problems:?}");
        assert!(
            problems[0].starts_with(&format!("flag --set {place}: ")),
            "{problems:?}"
        );
    }
    let (_folder, file) = in_file("");
    let problems = load("", &[], &[("store.data_dir", file.to_str().unwrap())]).unwrap_err();
    assert!(
        problems[0].ends_with("is a file, not a folder"),
        "{problems:?}"
    );
    load(
        "",
        &[],
        &[("auth.mode", "open"), ("gateway.addr", "localhost:0")],
    )
    .unwrap();
}

#[test]
fn the_data_folder_is_the_configured_one_or_the_users_own() {
    let resolve = |configured, xdg, home| {
        resolve_data_dir(configured, xdg, home).map(|path| path.display().to_string())
    };
    let some = |path: &str| Some(path.to_owned());
    assert_eq!(resolve("here", Some("/x"), Some("/h")), some("here"));
    assert_eq!(resolve("", Some("/x"), Some("/h")), some("/x/antiphon"));
    assert_eq!(
        resolve("", Some("relative"), Some("/h")),
        some("/h/.local/share/antiphon")
    );
    assert_eq!(
        resolve("", Some(""), Some("/h")),
        some("/h/.local/share/antiphon")
    );
    assert_eq!(resolve("", None, Some("")), None);
    assert_eq!(resolve("", None, None), None);
}

#[test]
fn the_default_file_is_valid_and_says_the_defaults() {
    let text = default_toml();
    assert_eq!(load(&text, &[], &[]).unwrap(), Config::default());
    // With every comment mark taken from its key, it still says the same.
    let is_key = |line: &&str| {
        let name = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "));
        name.is_some_and(|(name, _)| KEYS.iter().any(|key| key.name == name))
    };
    let open: String = text
        .lines()
        .map(|line| {
            if is_key(&line) {
                format!("{}\n", &line[1..])
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    assert_eq!(
        open.lines()
            .filter(|line| line.contains(" = ") && !line.starts_with('#'))
            .count(),
        KEYS.len()
    );
    assert_eq!(load(&open, &[], &[]).unwrap(), Config::default());
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "a line is too long to read"
    );
}

#[test]
fn every_key_can_be_set_by_its_variable_to_its_default() {
    let env: Vec<(String, String)> = KEYS
        .iter()
        .map(|key| {
            let text = match key.default_value() {
                Value::Text(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Switch(on) => on.to_string(),
                Value::List(items) => items.join(","),
            };
            (key.variable(), text)
        })
        .collect();
    assert_eq!(
        Config::load(None, env.into_iter(), &[]).unwrap(),
        Config::default()
    );
    for key in KEYS {
        assert!(key.kind.accepts(&key.default_value()), "{}", key.path());
        assert!(key.doc.ends_with('.'), "{}", key.path());
    }
}

//! Every exit code, from a real process.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::Shell;
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, PASSWORD, wait_until};

fn check(ran: &super::shell::Ran, code: i32, words: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(ran.err.contains(words), "{words:?} is not in {ran:?}");
    assert_eq!(ran.out, "", "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_1_and_wrong_flags_2() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    shell.ok(&["create", "garden"]);
    let long = "x".repeat(8_001);
    let failures: [(&[&str], &str); 6] = [
        (&["join", "nowhere"], "room_not_found"),
        (&["send", "room:nowhere", "hello"], "antiphon send: "),
        (&["send", "room:garden", &long], "invalid_field:message"),
        (&["tail", "room:nowhere"], "antiphon join nowhere"),
        (&["tail", "room:garden", "--since", "9"], "ends at 0"),
        (&["history", "room:nowhere"], "antiphon history: "),
    ];
    for (args, words) in failures {
        check(&shell.run(args), 1, words);
    }
    let usage: [(&[&str], &str); 8] = [
        (&["send", "garden", "x"], "room:NAME or user:NAME"),
        (&["send", "room:garden", ""], "no TEXT"),
        (
            &["send", "room:garden", "x", "--client-id", "a b"],
            "--client-id",
        ),
        (&["tail", "--since", "1"], "CONVERSATION"),
        (&["history", "room:garden", "--nonsense"], "--nonsense"),
        (&["exec", "no-such-file"], "no-such-file"),
        (&["whoami", "--gateway", "ftp://x"], "--gateway"),
        (&["whoami", "--profile", "../x"], "--profile"),
    ];
    for (args, words) in usage {
        check(&shell.run(args), 2, words);
    }
    for (line, words) in [
        ("nonsense\n", "unrecognized subcommand"),
        ("send room:garden 'open\n", "a quote is not closed"),
        ("send room:garden\n", "needs its text"),
        (
            "{\"action\":\"login\",\"data\":{\"username\":\"x\"}}\n",
            "the login is done",
        ),
    ] {
        check(&shell.run_input(&["exec", "-"], line), 2, words);
    }
    // A line that can't be one message ends the stream, and says which it was.
    let lines = format!("fine\n{}\nnever\n", "x".repeat(40_000));
    let ran = shell.run_input(&["send", "room:garden", "-"], &lines);
    check(&ran, 1, "line 2: ");
    assert!(ran.err.contains("1 message stored"), "{}", ran.err);
    // One that is refused ends it too, unless it is told to go on.
    let lines = format!("a\n{long}\nb\n");
    let args = ["send", "room:garden", "-", "--keep-going", "--json"];
    let ran = shell.run_input(&args, &lines);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("2 messages stored"), "{}", ran.err);
    let told = ran.json();
    assert_eq!(told.len(), 3);
    assert_eq!(
        (&told[1]["event"], &told[1]["line"]),
        (&"refused".into(), &2.into())
    );
    assert_eq!(told[1]["error"]["ext"], "invalid_field:message");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_2_and_what_is_wrong_3() {
    let cluster = Cluster::start(&Options::set(FAST));
    drop(Client::join(cluster.server(0), "alice").await);
    let shell = Shell::new(cluster.gateway());
    check(&shell.run(&["whoami"]), 2, "--user NAME");
    check(&shell.run(&["whoami", "--no-input"]), 2, "--user NAME");
    let alone = ["whoami", "--user", "alice"];
    check(&shell.run(&alone), 3, "--password-stdin");
    let no_input = ["whoami", "--user", "alice", "--no-input"];
    check(&shell.run(&no_input), 2, "--password-stdin");
    let register = ["whoami", "--user", "new", "--register", "--no-input"];
    check(&shell.run(&register), 2, "--password-stdin");

    let by_password = ["whoami", "--user", "alice", "--password-stdin"];
    let wrong = shell.run_input(&by_password, "not the password\n");
    check(&wrong, 3, "wrong name or password");
    let right = shell.run_input(&by_password, &format!("{PASSWORD}\n"));
    assert_eq!(right.code, Some(0), "{right:?}");
    let taken = [&by_password[..], &["--register"]].concat();
    check(
        &shell.run_input(&taken, &format!("{PASSWORD}\n")),
        3,
        "taken",
    );
    let new = ["whoami", "--user", "zoë", "--password-stdin", "--register"];
    let made = shell.run_input(&new, "another password\r\n");
    assert_eq!(made.code, Some(0), "{made:?}");
    // Messages may follow the password.
    let both = [
        "send",
        "user:alice",
        "-",
        "--user",
        "zoë",
        "--password-stdin",
    ];
    let ran = shell.run_input(&both, "another password\none\ntwo\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("2 messages stored"), "{}", ran.err);
    assert!(!shell.login_file("default").exists(), "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_open_login_a_name_is_enough() {
    let cluster = Cluster::start(&Options::open().and(FAST));
    let shell = Shell::new(cluster.gateway());
    let who = shell.ok(&["whoami", "--user", "user1", "--no-input", "--json"]);
    assert_eq!(who.json()[0]["username"], "user1");
    shell.ok(&["send", "user:user2", "hello", "--user", "user1"]);
    check(&shell.run(&["whoami", "--user", "nobody"]), 3, "wrong name");
}

#[test]
fn no_way_to_a_server_is_4() {
    let shell = Shell::new("127.0.0.1:1");
    for args in [
        vec!["whoami", "--user", "x"],
        vec!["send", "room:x", "text", "--user", "x"],
        vec!["tail", "--user", "x"],
    ] {
        check(&shell.run(&args), 4, "cannot be reached");
    }
    // Something listens there and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let ran = shell.run(&["whoami", "--user", "x", "--gateway", &url, "--timeout", "1"]);
    check(&ran, 4, "antiphon whoami: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_130_and_a_reader_that_goes_141() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    shell.ok(&["create", "garden"]);
    let tail = shell.start(&["tail", "room:garden"]);
    tail.says("following", DEADLINE).await;
    let mut send = shell.start(&["send", "room:garden", "-", "--json"]);
    send.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    send.prints(1, DEADLINE).await;
    tail.prints(1, DEADLINE).await;
    for (mut running, name) in [(tail, "tail"), (send, "send")] {
        running.signal("INT");
        let stdin = running.stdin.take();
        let status = running.exit(DEADLINE).await;
        assert_eq!(status.code(), Some(130), "{name}: {}", running.err());
        assert_eq!(running.out_count(), 1, "{name}");
        drop(stdin);
    }

    let mut command = shell.command(&["history", "room:garden"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "it ends quietly"
    );

    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = shell
        .command(&["history", "room:garden"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "what is not written is not done"
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("standard output: "), "{said}");
}

/// A signal is heard also while nobody reads what is written.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_heard_behind_a_reader_that_does_not_read() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    let page = "x".repeat(8_000);
    for _ in 0..20 {
        shell.ok(&["send", "user:alice", &page]);
    }
    // More than a pipe holds.
    let mut command = shell.command(&["tail", "user:alice", "--since", "0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = Mutex::new(&mut child);
    let mut byte = [0];
    let mut stdout = status.lock().unwrap().stdout.take().unwrap();
    stdout.read_exact(&mut byte).unwrap();
    let kill = format!("kill -INT {}", status.lock().unwrap().id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    let status = wait_until("the end of tail", DEADLINE, || async {
        let ended = status.lock().unwrap().try_wait().unwrap();
        ended.ok_or_else(|| "it runs".to_owned())
    })
    .await;
    assert_eq!(status.code(), Some(130));
}

#[test]
fn the_variables_of_the_client_are_no_mistakes_of_the_configuration() {
    let shell = Shell::new("127.0.0.1:1");
    let mut command = shell.command(&["check-config"]);
    let output = command.env("ANTIPHON_PROFILE", "work").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

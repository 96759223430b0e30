//! What each command prints, as JSON and as text.

use serde_json::{Value, json};

use super::Shell;
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, wait_until};

fn options() -> Options {
    Options::set(FAST)
}

/// A cluster with a room of two users; the shell is the owner's.
async fn garden() -> (Cluster, Shell, Client) {
    let cluster = Cluster::start(&options());
    let shell = Shell::of(&cluster, "alice").await;
    shell.ok(&["create", "garden", "--topic", "all things green"]);
    let mut bob = Client::join(cluster.server(1), "bob").await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    (cluster, shell, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_and_read() {
    let (_cluster, shell, mut bob) = garden().await;
    let silent = shell.ok(&["send", "room:garden", "good", "morning"]);
    assert_eq!((silent.out.as_str(), silent.err.as_str()), ("", ""));
    bob.delivery("good morning").await;

    let receipt = shell
        .ok(&["send", "#garden", "two\nlines", "--json"])
        .json();
    let receipt = &receipt[0];
    assert_eq!(receipt["conversation"], "room:garden");
    assert_eq!(receipt["seq"], 2);
    assert_eq!(receipt["durability"], "stored");
    assert!(receipt["clientId"].is_string(), "{receipt}");

    // An own id makes a repetition harmless.
    let again = ["send", "user:bob", "once", "--client-id", "id-1", "--json"];
    let first = shell.ok(&again).json();
    let second = shell.ok(&again).json();
    assert_eq!(first[0]["seq"], second[0]["seq"]);
    assert_eq!(
        (&first[0]["duplicate"], &second[0]["duplicate"]),
        (&json!(false), &json!(true))
    );
    bob.delivery("once").await;

    let ran = shell.run_input(&["send", "room:garden", "-"], "x\n\n  \ny\r\nz");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("3 messages stored"), "{}", ran.err);

    let lines = shell.ok(&["history", "room:garden", "--json"]).json();
    let texts: Vec<&str> = lines.iter().filter_map(|m| m["message"].as_str()).collect();
    assert_eq!(texts, ["good morning", "two\nlines", "x", "y", "z"]);
    assert_eq!(lines[0]["from"], "alice");

    let text = shell.ok(&["history", "room:garden", "-n", "4"]).out;
    assert!(
        text.contains(" room:garden alice  two\n      lines\n"),
        "{text}"
    );
    let pages = [
        (vec!["--before", "3"], vec![1, 2]),
        (vec!["--after", "3"], vec![4, 5]),
        (vec!["--after", "1", "--limit", "2"], vec![2, 3]),
        (vec!["--limit", "700"], vec![1, 2, 3, 4, 5]),
        (vec!["--limit", "700", "--before", "3"], vec![1, 2]),
    ];
    for (flags, expected) in pages {
        let args = [&["history", "room:garden", "--json"], flags.as_slice()].concat();
        let page = shell.ok(&args).json();
        let seqs: Vec<u64> = page.iter().filter_map(|m| m["seq"].as_u64()).collect();
        assert_eq!(seqs, expected, "{flags:?}");
    }

    let found = shell.ok(&["search", "good", "morning", "--json"]).json();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["seq"], 1);
    let elsewhere = shell.ok(&["search", "good", "--in", "user:bob"]);
    assert_eq!(elsewhere.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_people_and_words_are_listed() {
    let (_cluster, shell, _bob) = garden().await;
    shell.ok(&["send", "room:garden", "roses and tulips and roses"]);
    let rooms = shell.ok(&["rooms", "--json"]).json();
    let garden = json!({
        "roomName": "garden", "topic": "all things green", "visibility": "public",
        "members": 2, "joined": true,
    });
    assert_eq!(rooms, [garden]);
    assert_eq!(shell.ok(&["rooms"]).out, "* garden 2 all things green\n");
    assert_eq!(shell.ok(&["rooms", "x"]).out, "");

    let users = shell.ok(&["users", "--json"]).json();
    let names: Vec<&Value> = users.iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(shell.ok(&["users", "-n", "1"]).out, "alice\n");
    let members = shell.ok(&["members", "garden", "--json"]).json();
    assert_eq!(members[0]["role"], "owner");
    assert_eq!(shell.ok(&["members", "garden"]).out.lines().count(), 2);

    // Words are counted behind the acknowledgment.
    let args = ["popular", "garden", "-n", "1", "--window", "1h", "--json"];
    wait_until("the counted words", DEADLINE, || async {
        let words = shell.ok(&args).json();
        if words == [json!({"words": ["roses", "2"]})] {
            Ok(())
        } else {
            Err(format!("{words:?}"))
        }
    })
    .await;
    assert!(shell.ok(&["popular"]).out.contains("2 roses\n"));

    let who = shell.ok(&["whoami", "--json"]).json();
    assert_eq!(who[0]["username"], "alice");
    assert_eq!(who[0]["gateway"], shell.gateway.as_str());
    assert_eq!(who[0]["profile"], "default");
    shell.ok(&["leave", "garden"]);
    let joined = shell.ok(&["join", "garden", "--json"]).json();
    assert_eq!(joined[0]["conversation"], "room:garden");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_others_are_harmless_in_text_and_exact_in_json() {
    let (_cluster, shell, mut bob) = garden().await;
    let attack = "one\u{1b}[2J\u{9b}2J\u{202e}two\rthree\nfour";
    bob.say("garden", attack, "attack").await;
    let text = shell.ok(&["history", "room:garden"]).out;
    assert!(text.ends_with("bob  onetwothree\n      four\n"), "{text:?}");
    let ran = shell.ok(&["history", "room:garden", "--json"]);
    let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!ran.out.contains(obeyed), "{:?}", ran.out);
    assert_eq!(ran.json()[0]["message"], attack);
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_takes_words_and_frames_and_stops_at_the_first_failure() {
    let (_cluster, shell, mut bob) = garden().await;
    let script = concat!(
        "# a comment\n\n",
        "send room:garden \"from a line\"\n",
        r#"{"id":7,"action":"chat","data":{"roomName":"garden","message":"from a frame"}}"#,
        "\nhistory room:garden -n 1\n",
        r#"{"id":"x","action":"roomInfo","data":{"roomName":"garden"}}"#,
        "\nwhoami\n",
    );
    let ran = shell.run_input(&["exec", "-", "--json"], script);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = ran.json();
    assert_eq!(lines.len(), 5, "{}", ran.out);
    assert_eq!(lines[0]["seq"], 1);
    assert_eq!(
        (&lines[1]["re"], &lines[1]["action"]),
        (&json!(7), &json!("ack"))
    );
    assert_eq!(lines[2]["message"], "from a frame");
    assert_eq!(lines[3]["re"], "x");
    assert_eq!(lines[3]["data"]["members"], 2);
    assert_eq!(lines[4]["username"], "alice");
    bob.delivery("from a frame").await;

    let file = shell.home().join("script");
    let failing = "join nowhere\n{\"id\":1,\"action\":\"nope\"}\nsend room:garden after\n";
    std::fs::write(&file, failing).unwrap();
    let file = file.to_str().unwrap();
    let ran = shell.run(&["exec", file]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("line 1: "), "{}", ran.err);
    let ran = shell.run(&["exec", file, "--keep-going"]);
    assert_eq!(ran.code, Some(1), "the first failure's code: {ran:?}");
    for line in ["line 1: ", "line 2: "] {
        assert!(ran.err.contains(line), "{}", ran.err);
    }
    let frame: Value = serde_json::from_str(ran.out.trim()).unwrap();
    assert_eq!(frame["data"]["ext"], "unknown_action");
    bob.delivery("after").await;
    let last = shell.ok(&["history", "room:garden", "-n", "1", "--json"]);
    assert_eq!(last.json()[0]["seq"], 3, "the stopped run has sent nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_what_is_named_and_ends_at_its_limit() {
    let (_cluster, shell, mut bob) = garden().await;
    for number in 1..=5 {
        bob.say("garden", &number.to_string(), &number.to_string())
            .await;
    }
    let ran = shell.ok(&[
        "tail",
        "room:garden",
        "--since",
        "2",
        "--limit",
        "3",
        "--json",
    ]);
    let texts: Vec<Value> = ran.json().iter().map(|m| m["message"].clone()).collect();
    assert_eq!(texts, ["3", "4", "5"]);

    // Without names: whatever reaches the user, from now on.
    let mut tail = shell.start(&["tail", "--limit", "2"]);
    tail.says("following all", DEADLINE).await;
    bob.say("garden", "six", "6").await;
    bob.ok(
        "chat",
        json!({"to": "alice", "message": "psst", "clientId": "7"}),
    )
    .await;
    assert!(tail.exit(DEADLINE).await.success());
    let mut lines = tail.out();
    lines.sort();
    assert!(lines[0].ends_with("room:garden bob  six"), "{lines:?}");
    assert!(lines[1].ends_with("user:bob bob  psst"), "{lines:?}");

    // Who is removed is told, and ends if nothing is left to follow.
    let shell_of_carol = Shell::of(&_cluster, "carol").await;
    shell_of_carol.ok(&["join", "garden"]);
    let mut tail = shell_of_carol.start(&["tail", "room:garden"]);
    tail.says("following room:garden", DEADLINE).await;
    let kick = r#"{"action":"kick","data":{"roomName":"garden","username":"carol"}}"#;
    assert_eq!(shell.run_input(&["exec", "-"], kick).code, Some(0));
    let status = tail.exit(DEADLINE).await;
    assert_eq!(status.code(), Some(1));
    assert!(tail.err().contains("no longer a member"), "{}", tail.err());
}

#[test]
fn every_shell_gets_its_completions_and_every_command_its_page() {
    let shell = Shell::new("127.0.0.1:1");
    for (name, words) in [
        ("bash", "complete -F _antiphon"),
        ("zsh", "#compdef antiphon"),
        ("fish", "complete -c antiphon"),
    ] {
        let script = shell.ok(&["completions", name]).out;
        assert!(script.contains(words) && script.contains("tail"), "{name}");
    }
    assert!(shell.ok(&["man"]).out.contains(".TH antiphon 1"));
    let folder = shell.home().join("man");
    shell.ok(&["man", folder.to_str().unwrap()]);
    for page in ["antiphon.1", "antiphon-send.1", "antiphon-tail.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains("antiphon"), "{page}");
    }
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_examples() {
    let shell = Shell::new("127.0.0.1:1");
    for command in ["send", "tail", "exec", "history", "client"] {
        let short = shell.ok(&[command, "-h"]).out;
        assert!(short.lines().count() <= 24, "{command}:\n{short}");
    }
    for command in ["send", "tail", "exec", "client"] {
        let long = shell.ok(&[command, "--help"]).out;
        assert!(long.contains("Example"), "{command}:\n{long}");
    }
}

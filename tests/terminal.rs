//! The terminal client as people see it: real processes on pseudo-terminals.

mod commands;
mod newcomer;
mod trust;

use std::collections::BTreeSet;

use crate::harness::terminal::Terminal;
use crate::harness::{Client, Cluster, FAST, Options, PASSWORD};

/// Messages of each user in each part of the conversation.
const ROUNDS: usize = 4;
/// The parts: a server stops in the middle one.
const PARTS: [&str; 3] = ["before", "during", "after"];

fn options() -> Options {
    // Logins in turn reach servers in turn.
    Options::set(FAST).and(&[("gateway.strategy", "round-robin")])
}

fn gateway(cluster: &Cluster) -> String {
    format!("http://{}", cluster.gateway())
}

/// A terminal whose user is logged in by flags and a typed password.
async fn logged_in(cluster: &Cluster, name: &str) -> Terminal {
    drop(Client::join(cluster.server(0), name).await);
    let url = gateway(cluster);
    let mut terminal = Terminal::start(name, &["--gateway", &url, "--user", name]);
    terminal.sees("Password:").await;
    terminal.press(&format!("{PASSWORD}\r"));
    terminal.sees(&format!("you are {name} on ")).await;
    terminal.is_ready().await;
    terminal
}

/// The server that the terminal named when it logged in.
fn server_of(terminal: &Terminal) -> String {
    let lines = terminal.lines();
    let welcome = lines.iter().find(|line| line.contains("you are ")).unwrap();
    let (_, server) = welcome.rsplit_once(" on ").unwrap();
    server.split(';').next().unwrap().to_owned()
}

/// What a conversation's lines say, in the order of the screen, without their times.
fn said(terminal: &Terminal, place: &str) -> Vec<String> {
    let place = format!("{place} ");
    let lines = terminal.lines().into_iter().filter_map(|line| {
        let (time, rest) = line.split_once(' ')?;
        let is_time = time.len() == 5 && time.as_bytes()[2] == b':';
        let said = rest.strip_prefix(&place)?;
        // Names and texts are two spaces apart; what happens in a room is not said.
        (is_time && said.contains("  ")).then(|| said.to_owned())
    });
    lines.collect()
}

type Named = (&'static str, Terminal);

/// Everybody speaks in turn; the server `stopped` stops in the middle. Gives what was said.
async fn converse(cluster: &Cluster, terminals: &mut [Named], stopped: &str) -> Vec<String> {
    let mut expected = Vec::new();
    for part in PARTS {
        for round in 0..ROUNDS {
            for (name, terminal) in terminals.iter_mut() {
                let text = format!("{part} {round} of {name}");
                terminal.enter(&text).await;
                expected.push(format!("{name}  {text}"));
            }
            if part == "during" && round == 0 {
                cluster.stop_server(stopped);
            }
        }
        let private = format!("/chat bob {part}, between us");
        terminals[0].1.enter(&private).await;
    }
    for (_, terminal) in terminals.iter() {
        for line in &expected {
            terminal.sees(&format!("#garden {line}")).await;
        }
    }
    expected
}

/// The room's log as a server has it, in order.
async fn logged(addr: &str) -> Vec<String> {
    let mut reader = Client::connect(addr).await;
    reader.login("alice").await;
    let (messages, _) = reader.history("room:garden").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let lines = messages
        .iter()
        .map(|message| format!("{}  {}", text(&message["from"]), text(&message["message"])));
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_terminals_talk_while_a_server_stops() {
    let cluster = Cluster::start(&options());
    let mut terminals: Vec<Named> = Vec::new();
    for name in ["alice", "bob", "carol"] {
        terminals.push((name, logged_in(&cluster, name).await));
    }
    let servers: BTreeSet<String> = terminals.iter().map(|(_, t)| server_of(t)).collect();
    assert_eq!(
        servers.len(),
        3,
        "three users on three servers: {servers:?}"
    );

    terminals[0].1.enter("/create garden").await;
    terminals[0].1.sees("you are in #garden").await;
    for (_, terminal) in &mut terminals[1..] {
        terminal.enter("/join garden").await;
        terminal.sees("you are in #garden").await;
    }
    let stopped = server_of(&terminals[1].1);
    let mut expected = converse(&cluster, &mut terminals, &stopped).await;

    let private = PARTS.map(|part| format!("alice  {part}, between us"));
    for (index, place) in [(0, "@bob"), (1, "@alice")] {
        terminals[index].1.sees("after, between us").await;
        assert_eq!(said(&terminals[index].1, place), private, "{place}");
    }
    terminals[1]
        .1
        .sees(&format!("moved from {stopped} to "))
        .await;

    // The server's log is the one order; every screen shows it, each message once.
    let logged = logged(&live_server(&cluster, &stopped)).await;
    let mut sorted = logged.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected, "nothing lost and nothing doubled");
    for (name, terminal) in &mut terminals {
        terminal.keep("three-terminals");
        assert_eq!(said(terminal, "#garden"), logged, "the screen of {name}");
        let private = terminal
            .lines()
            .iter()
            .any(|line| line.contains("between us"));
        assert_eq!(private, *name != "carol", "private on the screen of {name}");
    }
    for (name, terminal) in &mut terminals[1..] {
        terminal.enter("/quit").await;
        assert_eq!(terminal.exit_code().await, 0, "{name}");
    }
}

fn live_server(cluster: &Cluster, stopped: &str) -> String {
    let live = cluster
        .servers()
        .iter()
        .find(|server| server.name != stopped);
    live.unwrap().client.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_leaves_a_half_typed_line_as_it_is() {
    let cluster = Cluster::start(&options());
    let mut alice = logged_in(&cluster, "alice").await;
    let mut bob = logged_in(&cluster, "bob").await;
    alice.enter("/create garden").await;
    alice.sees("you are in #garden").await;
    bob.enter("/join garden").await;
    bob.sees("you are in #garden").await;
    bob.is_ready().await;

    // The cursor stands in the middle of the line.
    bob.press("half a 行 line");
    bob.line_ends_with("half a 行 line").await;
    bob.press("\u{1b}[D\u{1b}[D\u{1b}[D\u{1b}[D");
    for number in 0..3 {
        alice.enter(&format!("disturbance {number}")).await;
        bob.sees(&format!("#garden alice  disturbance {number}"))
            .await;
        bob.line_ends_with("#garden › half a 行 line").await;
    }
    bob.press("typed ");
    bob.line_ends_with("#garden › half a 行 typed line").await;
    bob.press("\r");
    for terminal in [&alice, &bob] {
        terminal.sees("#garden bob  half a 行 typed line").await;
    }
    let once = "half a 行 typed line";
    bob.is_ready().await;
    let count = bob
        .lines()
        .iter()
        .filter(|line| line.contains(once))
        .count();
    assert_eq!(
        count,
        1,
        "an own message is shown once:\n{}",
        bob.lines().join("\n")
    );

    // A question holds lines back, and gives them afterwards.
    bob.enter("/leave").await;
    bob.sees("Leave #garden?").await;
    alice.enter("while a question is open").await;
    alice.sees("#garden alice  while a question is open").await;
    assert!(
        !bob.lines()
            .iter()
            .any(|line| line.contains("while a question is open"))
    );
    bob.press("n\r");
    bob.sees("#garden alice  while a question is open").await;
}

/// Pitfalls 106 and 109: the password is asked for and not shown.
#[tokio::test(flavor = "multi_thread")]
async fn questions_lead_into_the_chat_and_words_of_others_are_harmless() {
    let cluster = Cluster::start(&options());
    let mut dave = Terminal::start("dave", &[]);
    dave.sees("Gateway:").await;
    dave.press(&format!("{}\r", gateway(&cluster)));
    dave.sees("Do you have an account?").await;
    dave.press("\u{1b}[B\r");
    dave.sees("Name:").await;
    dave.press("dave\r");
    for question in ["Password:", "Once more:"] {
        dave.sees(question).await;
        dave.press(&format!("{PASSWORD}\r"));
    }
    dave.sees("Remember me on this computer?").await;
    dave.press("n\r");
    dave.sees("you are dave on ").await;
    let shown = dave.lines().join("\n");
    assert!(
        !shown.contains(PASSWORD),
        "the password is on the screen:\n{shown}"
    );
    dave.enter("/create garden").await;
    dave.sees("you are in #garden").await;
    dave.is_ready().await;

    let mut attacker = Client::join(cluster.server(1), "mallory").await;
    attacker
        .ok("joinRoom", serde_json::json!({"roomName": "garden"}))
        .await;
    let attack = "one\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}2J\u{202e}two\rthree\nfour";
    attacker.say("garden", attack, "attack").await;
    dave.sees("#garden mallory  onetwothree").await;
    dave.sees("      four").await;
    dave.sees("you are in #garden").await;

    dave.enter("/nonsense").await;
    dave.sees("there is no command /nonsense; /help lists them")
        .await;
    dave.is_ready().await;
    dave.press("/joinR\t");
    dave.line_ends_with("› /joinRoom").await;
    dave.press("\u{15}/exit\r");
    assert_eq!(dave.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_asked_for_again() {
    let cluster = Cluster::start(&options());
    drop(Client::join(cluster.server(0), "erin").await);
    let url = gateway(&cluster);
    let mut erin = Terminal::start("erin", &["--gateway", &url, "--user", "erin"]);
    erin.sees("Password:").await;
    erin.press("not the password\r");
    erin.sees("once more:").await;
    erin.line_ends_with("Password:").await;
    erin.press(&format!("{PASSWORD}\r"));
    erin.sees("you are erin on ").await;
    erin.is_ready().await;
    erin.press("\u{3}");
    erin.sees("Ctrl+C once more to leave").await;
    erin.is_ready().await;
    erin.press("\u{3}");
    assert_eq!(erin.exit_code().await, 130);
}

/// Pitfall 108: what ends badly does not exit with 0.
#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let nobody = Terminal::start(
        "nobody",
        &["--gateway", "http://127.0.0.1:1", "--user", "x1"],
    );
    let mut nobody = nobody;
    nobody.sees("Password:").await;
    nobody.press("\r");
    assert_eq!(nobody.exit_code().await, 4);

    let output = std::process::Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .arg("client")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--password-stdin"), "{said}");
}

//! `antiphon client` at a pseudo-terminal, against a real cluster.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::screen::Screen;
use crate::harness::{Client, Cluster, DEADLINE, Options, PASSWORD, wait_until};

fn url(cluster: &Cluster) -> String {
    format!("http://{}", cluster.gateway())
}

#[tokio::test]
async fn incoming_messages_never_disturb_the_line_that_is_typed() {
    let cluster = Cluster::start(&Options::default());
    let mut bob = Client::join(cluster.server(0), "bob").await;
    bob.ok("createRoom", json!({"roomName": "garden"})).await;
    drop(Client::join(cluster.server(1), "alice").await);

    let url = url(&cluster);
    let mut screen = Screen::start(&["--gateway", &url, "--user", "alice"]);
    screen.shows("Password:").await;
    screen.keys(&format!("{PASSWORD}\r"));
    screen.ends_with("antiphon ›").await;
    screen.keys("/join garden\r");
    screen.shows("you are in #garden, 2 members").await;
    screen.ends_with("#garden ›").await;

    screen.keys("half a li");
    screen.ends_with("#garden › half a li").await;
    for number in 1..=3 {
        bob.say("garden", &format!("note {number}"), &format!("b-{number}"))
            .await;
    }
    screen.shows("bob: note 3").await;
    screen.ends_with("#garden › half a li").await;
    screen.keys("ne\r");
    bob.delivery("half a line").await;

    // A hostile text is shown as text and changes nothing.
    bob.say(
        "garden",
        "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2Jsafe\u{202e}",
        "b-4",
    )
    .await;
    screen.shows("bob: safe").await;
    assert!(
        screen.contents().contains("bob: note 1"),
        "{}",
        screen.contents()
    );
    let bytes = String::from_utf8_lossy(&screen.bytes()).into_owned();
    assert!(!bytes.contains("owned") && !bytes.contains('\u{202e}') && !bytes.contains('\u{9b}'));

    // A paste of several lines is one message.
    screen.keys("\u{1b}[200~one\ntwo\u{1b}[201~");
    screen.keys("\r");
    bob.delivery("one\ntwo").await;
    screen.keys("/quit\r");
    assert_eq!(screen.exit().await, 0);
    assert!(
        !screen.contents().contains(PASSWORD),
        "the password is hidden"
    );
}

#[tokio::test]
async fn what_comes_while_a_question_is_open_waits_for_its_answer() {
    let cluster = Cluster::start(&Options::default());
    let mut bob = Client::join(cluster.server(0), "bob").await;
    bob.ok("createRoom", json!({"roomName": "garden"})).await;
    bob.ok("createRoom", json!({"roomName": "lobby"})).await;
    drop(Client::join(cluster.server(1), "alice").await);

    let url = url(&cluster);
    let mut screen = Screen::start(&["--gateway", &url, "--user", "alice"]);
    screen.shows("Password:").await;
    screen.keys(&format!("{PASSWORD}\r"));
    screen.ends_with("antiphon ›").await;
    screen.keys("/join\r");
    screen.shows("Which room?").await;
    let ack = bob
        .ok(
            "chat",
            json!({"to": "alice", "message": "are you there?", "clientId": "b-1"}),
        )
        .await;
    assert_eq!(ack["seq"], 1);
    screen.keys("gard");
    screen.shows("Which room? gard").await;
    assert!(
        !screen.contents().contains("are you there?"),
        "{}",
        screen.contents()
    );
    screen.keys("\r");
    screen.shows("you are in #garden").await;
    screen.shows("@bob bob: are you there?").await;
    screen.ends_with("#garden (1) ›").await;

    screen.keys("/leave\r");
    screen.shows("Leave #garden for good?").await;
    screen.keys("y\r");
    screen.shows("you left #garden").await;
    screen.keys("/stats bob\r");
    screen.shows("bob is online since").await;
    screen.keys("/msg bob\r");
    screen.ends_with("@bob ›").await;
    screen.keys("yes\r");
    bob.delivery("yes").await;
    screen.keys("/fly\r");
    screen
        .shows("unknown command /fly; /help lists the commands")
        .await;
    screen.keys("\u{4}");
    assert_eq!(screen.exit().await, 0);
}

#[tokio::test]
async fn a_lost_server_is_told_and_mended_and_nothing_is_lost() {
    let cluster = Cluster::start(&Options::default());
    let mut bob = Client::join(cluster.server(0), "bob").await;
    drop(Client::join(cluster.server(1), "alice").await);
    let url = url(&cluster);
    let mut screen = Screen::start(&["--gateway", &url, "--user", "alice"]);
    screen.shows("Password:").await;
    screen.keys(&format!("{PASSWORD}\r"));
    screen.ends_with("antiphon ›").await;
    screen.keys("/msg bob\r");
    screen.ends_with("@bob ›").await;

    let node = bob.ok("userInfo", json!({"username": "alice"})).await["nodeId"].clone();
    let named = |server: &&crate::harness::cluster::Server| {
        node.as_str().unwrap().starts_with(&server.name)
    };
    let server = cluster
        .servers()
        .iter()
        .find(named)
        .expect("alice is on a server")
        .clone();
    if server.client == cluster.server(0) {
        drop(bob);
        bob = Client::connect(cluster.server(1)).await;
        bob.login("bob").await;
    }
    cluster.stop_server(&server.name);
    screen.shows("reconnecting").await;
    screen.keys("still here\r");
    bob.delivery("still here").await;
    bob.ok(
        "chat",
        json!({"to": "alice", "message": "good", "clientId": "b-1"}),
    )
    .await;
    screen.shows("bob: good").await;
    screen.keys("\u{3}");
    screen.shows("Ctrl+C once more leaves").await;
    screen.keys("\u{3}");
    assert_eq!(screen.exit().await, 130);
}

#[tokio::test]
async fn a_new_user_registers_and_a_wrong_password_is_told() {
    let cluster = Cluster::start(&Options::default());
    let url = url(&cluster);
    let mut screen = Screen::start(&[]);
    screen.shows("Gateway:").await;
    screen.keys(&format!("{url}\r"));
    screen.shows("Welcome:").await;
    screen.keys("\u{1b}[B\r");
    screen.shows("Name:").await;
    screen.keys("carol\r");
    screen.shows("Password:").await;
    screen.keys("short\r");
    screen.shows("8 to 256 characters").await;
    screen.keys(&format!("\u{8}\u{8}\u{8}\u{8}\u{8}{PASSWORD}\r"));
    screen.shows("Confirmation:").await;
    screen.keys(&format!("{PASSWORD}\r"));
    screen.ends_with("antiphon ›").await;
    screen.keys("/whoami\r");
    screen.shows("you are carol, nowhere yet, connected").await;
    screen.keys("/exit\r");
    assert_eq!(screen.exit().await, 0);

    let mut screen = Screen::start(&["--gateway", &url, "--user", "carol", "--open"]);
    assert_eq!(screen.exit().await, 3, "{}", screen.contents());
}

#[tokio::test]
async fn exit_codes_tell_what_is_wrong() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let mut screen = Screen::start(&["--gateway", &url, "--user", "alice", "--open"]);
    assert_eq!(screen.exit().await, 4, "{}", screen.contents());
    screen.shows("the gateway cannot be reached").await;
    let mut screen = Screen::start(&["--gateway", "https://x", "--user", "alice", "--open"]);
    assert_eq!(screen.exit().await, 2, "{}", screen.contents());
    let mut screen = Screen::start(&["--gateway", &url]);
    screen.shows("Welcome:").await;
    screen.keys("\u{3}");
    assert_eq!(screen.exit().await, 130, "{}", screen.contents());

    let mut piped = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    let piped = piped
        .args(["client", "--gateway", &url])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(piped.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&piped.stderr).contains("--password-stdin"));
    assert!(piped.stdout.is_empty());
}

#[tokio::test]
async fn an_open_server_asks_for_no_password() {
    let cluster = Cluster::start(&Options::open());
    let url = url(&cluster);
    let mut screen = Screen::start(&["--gateway", &url, "--user", "user1"]);
    screen.shows("Password:").await;
    screen.keys("\r");
    screen.shows("your rooms: #").await;
    screen.keys("/popular 3\r");
    let seen = wait_until("an answer", DEADLINE, || async {
        let contents = screen.contents();
        let answered = contents.contains("  1. ") || contents.contains("no words yet");
        if answered {
            Ok(contents)
        } else {
            Err(contents)
        }
    });
    seen.await;
    screen.keys("/quit\r");
    assert_eq!(screen.exit().await, 0);
}

//! The first run, typed by somebody who knows nothing but what the screen says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{gateway, options};
use crate::harness::terminal::Terminal;
use crate::harness::{Client, Cluster, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_the_command_to_a_conversation() {
    let cluster = Cluster::start(&options());
    let mut host = Client::join(cluster.server(0), "host").await;
    host.ok("createRoom", json!({"roomName": "lobby"})).await;
    let home = tempfile::tempdir().unwrap();

    let mut screen = Terminal::start_in(home.path(), "newcomer", &[]);
    answer_the_questions(&mut screen, &cluster).await;
    find_a_room_and_talk(&mut screen, &mut host).await;
    later_starts(home.path()).await;
}

async fn answer_the_questions(screen: &mut Terminal, cluster: &Cluster) {
    screen.sees("Gateway:").await;
    screen
        .sees("where `antiphon up` says that its gateway is")
        .await;
    // What is not an address is said while it is typed, and a dead one when it is asked.
    screen.press("https://x");
    screen.sees("✗ only http gateways are spoken to").await;
    screen.press(&"\u{7f}".repeat("https://x".len()));
    screen.press("127.0.0.1:1\r");
    screen
        .sees("✗ http://127.0.0.1:1: the gateway cannot be reached")
        .await;
    screen.sees("is `antiphon up` running there?").await;
    screen.line_ends_with("Gateway: 127.0.0.1:1").await;
    screen.press(&"\u{7f}".repeat("127.0.0.1:1".len()));
    screen.line_ends_with("Gateway:").await;
    screen.press(&format!("{}\r", gateway(cluster)));

    screen.sees("Do you have an account?").await;
    screen.sees("Register").await;
    screen.press("\u{1b}[B\r");
    screen.sees("Name:").await;
    screen.press("new comer");
    screen
        .sees("✗ a name has letters, digits and _ - . only")
        .await;
    screen.press(&"\u{7f}".repeat("new comer".len()));
    screen.line_ends_with("Name:").await;
    screen.press("newcomer\r");
    screen.sees("Password:").await;
    screen.sees("at least 8 characters").await;
    screen.press(&format!("{PASSWORD}\r"));
    screen.sees("Once more:").await;
    screen.press(&format!("{PASSWORD}\r"));
    screen.sees("Remember me on this computer?").await;
    screen.press("\r");
    screen.sees("you are newcomer on ").await;
}

async fn find_a_room_and_talk(screen: &mut Terminal, host: &mut Client) {
    // "you are in no room yet: /join shows them".
    screen.sees("/join").await;
    screen.enter("/join").await;
    screen.sees("lobby").await;
    screen.press("\r");
    screen.sees("you are in #lobby").await;
    host.say("lobby", "welcome!", "1").await;
    screen.sees("host  welcome!").await;
    screen.enter("thank you").await;
    host.delivery("thank you").await;
    screen.sees("newcomer  thank you").await;
    let shown = screen.lines().join("\n");
    assert!(!shown.contains(PASSWORD), "{shown}");
    screen.enter("/quit").await;
    assert_eq!(screen.exit_code().await, 0);
}

async fn later_starts(home: &Path) {
    let login = home.join("state/antiphon/logins/default.toml");
    let mode = std::fs::metadata(&login).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = std::fs::read_to_string(&login).unwrap();
    assert!(!kept.contains(PASSWORD), "the password is kept nowhere");

    // The second start asks nothing.
    let mut again = Terminal::start_in(home, "newcomer again", &[]);
    again.sees("you are newcomer on ").await;
    again.sees("your rooms: #lobby").await;
    let shown = again.lines().join("\n");
    for question in ["Gateway:", "Name:", "Password:", "Remember"] {
        assert!(!shown.contains(question), "{question} was asked:\n{shown}");
    }
    again.enter("/quit").await;
    assert_eq!(again.exit_code().await, 0);

    // A login that is of no use any more leads to one question, not to an error.
    let broken = kept.lines().filter(|line| !line.starts_with("token"));
    let broken: String = broken.map(|line| format!("{line}\n")).collect();
    std::fs::write(&login, broken + "token = \"of-no-use\"\n").unwrap();
    let mut third = Terminal::start_in(home, "newcomer at last", &[]);
    third.sees("the remembered login of profile default").await;
    third.line_ends_with("Password:").await;
    third.press(&format!("{PASSWORD}\r"));
    third.sees("you are newcomer on ").await;
    third.enter("/quit").await;
    assert_eq!(third.exit_code().await, 0);
    let fourth = Terminal::start_in(home, "newcomer, known", &[]);
    fourth.sees("you are newcomer on ").await;
    let shown = fourth.lines().join("\n");
    assert!(
        !shown.contains("Password:"),
        "it is remembered again:\n{shown}"
    );
}

//! Faults of the network and of other people: what the terminal makes of them. Whatever
//! happens here, no byte reaches a terminal that the client did not write by itself.

mod faults;
mod hostile;
mod own;
mod typing;

use std::time::Duration;

use crate::harness::link::Link;
use crate::harness::pty_bytes::assert_ours;
use crate::harness::screens::masked;
use crate::harness::terminal::{Look, Terminal};
use crate::harness::{Client, Cluster, PASSWORD, wait_until};

/// Longer than the longest wait between two attempts to connect.
const BACK_OFF_DEADLINE: Duration = Duration::from_secs(75);

/// Plays a scene at 80 and at 120 columns, without and with colors; colors change no screen.
async fn at_every_look(play: impl AsyncFn(&Look) -> Vec<String>) {
    for columns in [80, 120] {
        let looks = [false, true].map(|color| Look {
            columns,
            color,
            ..Look::default()
        });
        let (plain, painted) = futures_util::join!(play(&looks[0]), play(&looks[1]));
        assert!(!plain.is_empty());
        assert_eq!(plain, painted, "with and without colors, {columns} columns");
    }
}

/// What stands on the screen, without times, what is being typed, and the question that colors
/// draw otherwise.
fn screen(terminal: &Terminal) -> Vec<String> {
    let changes = |line: &String| line.contains('›') || line.contains("Password:");
    let lines = terminal.lines().into_iter().filter(|line| !changes(line));
    lines.map(|line| without_duration(&masked(&line))).collect()
}

/// "back on s1 after 3 s, …" without the time, which the back-off draws.
fn without_duration(line: &str) -> String {
    let (Some((head, rest)), true) = (line.split_once(" after "), line.contains("back on")) else {
        return line.to_owned();
    };
    let behind = rest.split_once(" s").map_or("", |(_, behind)| behind);
    format!("{head}{behind}")
}

/// What was said, whenever it came.
fn said_on_screen(terminal: &Terminal) -> Vec<String> {
    let mut lines = screen(terminal);
    lines.retain(|line| line.starts_with("HH:MM"));
    lines.sort();
    lines
}

/// A terminal in the room `garden`, on a line to the cluster's first server that can be cut.
async fn on_a_line(cluster: &Cluster, name: &str, look: &Look) -> (Link, Terminal, Client) {
    let server = &cluster.servers()[0];
    let link = Link::to(&server.name, &server.client).await;
    let gardener = gardener(cluster, name).await;
    let terminal = in_garden(link.gateway(), name, look).await;
    (link, terminal, gardener)
}

/// Somebody on another server who made the room; and an account for `name`.
async fn gardener(cluster: &Cluster, name: &str) -> Client {
    drop(Client::join(cluster.server(0), name).await);
    let mut gardener = Client::join(cluster.server(1), "gardener").await;
    gardener
        .ok("createRoom", serde_json::json!({"roomName": "garden"}))
        .await;
    gardener
}

async fn in_garden(gateway: &str, name: &str, look: &Look) -> Terminal {
    let arguments = ["--gateway", gateway, "--user", name];
    let mut terminal = Terminal::start_with(name, &arguments, look);
    terminal.sees("Password:").await;
    terminal.press(&format!("{PASSWORD}\r"));
    terminal.is_ready().await;
    terminal.enter("/join garden").await;
    terminal.sees("you are in").await;
    terminal.is_ready().await;
    terminal
}

/// The texts of the room that `name` said, in the order of the log.
async fn said_by(name: &str, reader: &mut Client) -> Vec<String> {
    let (messages, _) = reader.history("room:garden").await;
    let own = messages.iter().filter(|message| message["from"] == name);
    own.map(|message| message["message"].as_str().unwrap().to_owned())
        .collect()
}

/// How many rows of the screen hold these words.
fn count(terminal: &Terminal, words: &str) -> usize {
    let lines = terminal.lines();
    lines.iter().filter(|line| line.contains(words)).count()
}

/// As [`Terminal::sees`], with patience for a client that waits between its attempts.
async fn sees_in_the_end(terminal: &Terminal, words: &str) {
    wait_until(words, BACK_OFF_DEADLINE, || async {
        if count(terminal, words) > 0 {
            Ok(())
        } else {
            Err(format!("\n{}", terminal.lines().join("\n")))
        }
    })
    .await;
}

fn bytes_are_ours(terminal: &Terminal) {
    assert_ours(&format!("{terminal:?}"), &terminal.bytes());
}

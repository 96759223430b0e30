//! Servers that die, lines that break, servers that go on purpose.

use serde_json::json;

use super::super::options;
use super::{
    at_every_look, bytes_are_ours, count, gardener, in_garden, on_a_line, said_by, said_on_screen,
    screen, sees_in_the_end,
};
use crate::harness::terminal::Look;
use crate::harness::{Client, Cluster};

const TYPED: &str = "半行 text 👩\u{200d}👧 that";
/// As it is shown while it is typed.
const SHOWN: &str = "半行 text 👩👧 that";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_survives_the_kill_of_its_server_and_is_delivered_once() {
    at_every_look(async |look: &Look| {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let mut cluster = Cluster::start_in(&data_dir, &options());
        let (link, mut erin, _) = on_a_line(&cluster, "erin", look).await;
        erin.press(TYPED);
        erin.line_ends_with(&format!("#garden › {SHOWN}")).await;
        cluster.kill9();
        erin.sees("connection lost").await;
        erin.line_ends_with(&format!("#garden › {SHOWN}")).await;
        erin.press(" lives\r");
        erin.sees("lives\" waits to be stored (no connection)")
            .await;
        erin.press("and the next");
        erin.line_ends_with("#garden (offline) › and the next")
            .await;

        let cluster = Cluster::start_in(&data_dir, &options());
        let server = &cluster.servers()[0];
        link.lead_to(&server.name, &server.client);
        sees_in_the_end(&erin, &format!("back on {}", server.name)).await;
        erin.sees("#garden erin  半行 text").await;
        erin.line_ends_with("#garden (on line) › and the next")
            .await;
        erin.press("\r");
        erin.sees("#garden erin  and the next").await;

        let mut reader = Client::connect(cluster.server(1)).await;
        reader.login("gardener").await;
        let said = said_by("erin", &mut reader).await;
        assert_eq!(said, [format!("{TYPED} lives"), "and the next".to_owned()]);
        assert_eq!(count(&erin, "connection lost"), 1, "{:#?}", erin.lines());
        bytes_are_ours(&erin);
        screen(&erin)
    })
    .await;
}

/// The line breaks again and again under a conversation: nothing is lost, nothing is doubled,
/// and little is said about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_again_and_again_loses_and_doubles_nothing() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        let server = &cluster.servers()[0];
        let mut expected = Vec::new();
        for round in 0..6 {
            for part in ["before", "behind"] {
                let text = format!("{part} break {round}");
                erin.enter(&text).await;
                expected.push(text);
                if part == "before" {
                    link.cut();
                    let missed = format!("missed {round}");
                    gardener
                        .say("garden", &missed, &format!("id-{round}"))
                        .await;
                    link.lead_to(&server.name, &server.client);
                }
            }
        }
        for text in &expected {
            sees_in_the_end(&erin, &format!("erin  {text}")).await;
        }
        for round in 0..6 {
            erin.sees(&format!("gardener  missed {round}")).await;
            assert_eq!(count(&erin, &format!("missed {round}")), 1);
        }
        assert_eq!(said_by("erin", &mut gardener).await, expected);
        for text in &expected {
            assert_eq!(count(&erin, &format!("erin  {text}")), 1, "{text}");
        }
        bytes_are_ours(&erin);
        said_on_screen(&erin)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_an_absence_are_caught_up_and_counted() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (link, erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        gardener.say("garden", "seen", "seen").await;
        erin.sees("gardener  seen").await;
        link.cut();
        erin.sees("connection lost").await;
        for text in ["missed one", "missed two"] {
            gardener.say("garden", text, &text.replace(' ', "-")).await;
        }
        let server = &cluster.servers()[0];
        link.lead_to(&server.name, &server.client);
        sees_in_the_end(&erin, ", 2 messages caught up").await;
        let lines = erin.lines();
        let row = |words: &str| lines.iter().position(|line| line.contains(words));
        assert!(row("connection lost") < row("missed one"), "{lines:#?}");
        assert!(row("missed one") < row("missed two"), "{lines:#?}");
        assert!(row("missed two") < row("caught up"), "{lines:#?}");
        bytes_are_ours(&erin);
        screen(&erin)
    })
    .await;
}

/// The client is told before its server goes, and says in one line that it moved.
#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_hands_its_clients_over() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let mut gardener = gardener(&cluster, "erin").await;
        // Through the real gateway, which knows who is leaving.
        let gateway = format!("http://{}", cluster.gateway());
        let mut erin = in_garden(&gateway, "erin", look).await;
        let server = super::super::server_of(&erin);
        erin.press("half a line");
        erin.line_ends_with("› half a line").await;
        let leader = cluster.leader().name.clone();
        if server == leader {
            // The gardener's own server stays; the room's moves with its leader.
            gardener.ok("joinRoom", json!({"roomName": "garden"})).await;
        }
        cluster.stop_server(&server);
        erin.sees(&format!("moved from {server} to ")).await;
        erin.line_ends_with("› half a line").await;
        assert_eq!(count(&erin, "connection lost"), 0, "{:#?}", erin.lines());
        erin.press("\r");
        erin.sees("erin  half a line").await;
        assert_eq!(count(&erin, "erin  half a line"), 1);
        bytes_are_ours(&erin);
        screen(&erin)
    })
    .await;
}

//! The user's own messages: pending, stored, failed.

use std::time::Duration;

use antiphon_core::clock;
use serde_json::json;

use super::super::options;
use super::{
    at_every_look, bytes_are_ours, count, on_a_line, said_by, said_on_screen, screen,
    sees_in_the_end,
};
use crate::harness::Cluster;
use crate::harness::terminal::Look;

/// Longer than any patience of the first attempts.
const ABSENCE: Duration = Duration::from_secs(11);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_without_a_connection_waits_and_is_stored_in_order_and_once() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        link.cut();
        erin.sees("connection lost").await;
        for text in ["one", "two", "three"] {
            erin.enter(text).await;
            erin.sees(&format!("\"{text}\" waits to be stored (no connection)"))
                .await;
        }
        // The prompt is drawn again with the next line.
        erin.enter("/whoami").await;
        erin.sees("not connected at the moment").await;
        erin.line_ends_with("(3 waiting) #garden (offline) ›").await;
        clock::sleep(ABSENCE).await;
        assert_eq!(count(&erin, "connection lost"), 1, "{:#?}", erin.lines());

        let server = &cluster.servers()[0];
        link.lead_to(&server.name, &server.client);
        sees_in_the_end(&erin, &format!("back on {}", server.name)).await;
        for text in ["one", "two", "three"] {
            erin.sees(&format!("#garden erin  {text}")).await;
        }
        // What is true by now stands in the prompt that was drawn before.
        erin.line_ends_with("(stored)    #garden (on line) ›").await;
        let said = said_by("erin", &mut gardener).await;
        assert_eq!(said, ["one", "two", "three"]);
        for text in ["one", "two", "three"] {
            assert_eq!(count(&erin, &format!("erin  {text}")), 1, "{text}");
        }
        bytes_are_ours(&erin);
        erin.enter("/quit").await;
        assert_eq!(erin.exit_code().await, 0);
        screen(&erin)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_messages_behind_is_asked_and_told() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        link.cut();
        erin.sees("connection lost").await;
        erin.enter("lost words").await;
        erin.sees("\"lost words\" waits").await;
        erin.enter("/quit").await;
        erin.sees("these are not stored yet; /quit once more").await;
        erin.enter("/quit").await;
        assert_eq!(erin.exit_code().await, 1);
        erin.sees("! not stored:").await;
        bytes_are_ours(&erin);
        assert!(said_by("erin", &mut gardener).await.is_empty());
        screen(&erin)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_ahead_is_not_lost_and_stored_before_leaving() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        // A paste where the terminal marks none: lines that are entered at once, the last of
        // which leaves. What is stored meanwhile is on its way to the screen.
        let said: Vec<String> = (1..=8).map(|number| format!("words {number}")).collect();
        erin.press(&format!("{}\r/quit\r", said.join("\r")));
        assert_eq!(erin.exit_code().await, 0);
        assert_eq!(said_by("erin", &mut gardener).await, said);
        let mut shown = said_on_screen(&erin);
        shown.retain(|line| line.contains("erin"));
        let expected: Vec<String> = said
            .iter()
            .map(|words| format!("HH:MM #garden erin  {words}"))
            .collect();
        assert_eq!(shown, expected);
        screen(&erin)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_is_tried_again_or_given_up() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        gardener
            .ok("createRoom", json!({"roomName": "cellar"}))
            .await;
        erin.enter("/chat room:cellar let me in").await;
        erin.sees("! not stored: #cellar \"let me in\"").await;
        erin.enter("/pending").await;
        erin.sees("  #cellar \"let me in\": ").await;
        erin.line_ends_with("(1 not stored) #garden ›").await;
        erin.enter("/join cellar").await;
        erin.sees("you are in #cellar").await;
        erin.enter("/retry").await;
        erin.sees("1 message on the way again").await;
        erin.sees("#cellar erin  let me in").await;
        erin.enter("/pending").await;
        erin.sees("everything you said is stored").await;

        erin.enter("/chat room:attic and here").await;
        erin.sees("! not stored: #attic \"and here\"").await;
        erin.enter("/drop").await;
        erin.sees("1 message given up").await;
        erin.enter("/retry").await;
        erin.sees("nothing to send again").await;
        let (messages, _) = gardener.history("room:cellar").await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        bytes_are_ours(&erin);
        erin.enter("/quit").await;
        assert_eq!(erin.exit_code().await, 0);
        screen(&erin)
    })
    .await;
}

/// The server stores the message and its answer is lost on the way: nobody can tell, and the
/// message is not stored twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_is_lost_is_stored_once() {
    at_every_look(async |look: &Look| {
        let cluster = Cluster::start(&options());
        let (link, mut erin, mut gardener) = on_a_line(&cluster, "erin", look).await;
        link.deafen();
        erin.press("do you hear me\r");
        gardener.delivery("do you hear me").await;
        erin.sees("\"do you hear me\" waits to be stored (no answer yet)")
            .await;
        let server = &cluster.servers()[0];
        link.lead_to(&server.name, &server.client);
        sees_in_the_end(&erin, "erin  do you hear me").await;
        assert_eq!(said_by("erin", &mut gardener).await, ["do you hear me"]);
        assert_eq!(count(&erin, "erin  do you hear me"), 1);
        bytes_are_ours(&erin);
        // Leaving waits for the second answer; had it not come, the exit code would be another.
        erin.enter("/quit").await;
        assert_eq!(erin.exit_code().await, 0);
        screen(&erin)
    })
    .await;
}

//! The examples of the client library, against a real cluster.

use std::time::Duration;

use antiphon_client::gateway::fetch_server;
use antiphon_client::protocol::client::{Ping, Secret, Target};
use antiphon_client::protocol::message::RoomEventKind;
use antiphon_client::protocol::{RoomName, UserName};
use antiphon_client::{
    Client, Connection, Credentials, Event, Events, GatewayUrl, Shutdown, register,
};
use antiphon_core::clock;

use crate::harness::{Cluster, DEADLINE, Options, PASSWORD};

/// A silence that a connection without pings would not survive.
const QUIET: Duration = Duration::from_secs(1);

#[expect(dead_code, reason = "its main is not run")]
#[path = "../client/examples/echo_bot.rs"]
mod echo_bot;
#[expect(dead_code, reason = "its main is not run")]
#[path = "../client/examples/hello.rs"]
mod hello;

async fn start(cluster: &Cluster, name: &str, scope: &Shutdown) -> (Client, Events) {
    let gateway = GatewayUrl::parse(cluster.gateway()).unwrap();
    let (name, password) = (UserName::parse(name).unwrap(), Secret(PASSWORD.into()));
    register(&gateway, name.clone(), password.clone())
        .await
        .unwrap();
    let credentials = Credentials::Password(name, password);
    Client::builder(gateway, credentials).start(scope)
}

async fn next_text(events: &mut Events) -> (String, String) {
    let next = async {
        loop {
            if let Event::Message(message) = events.recv().await.expect("it goes on") {
                return (message.conversation, message.message);
            }
        }
    };
    clock::timeout(DEADLINE, next).await.expect("in time")
}

/// Waits until somebody has joined a room.
async fn comes(events: &mut Events, name: &str) {
    let joined = async {
        loop {
            if let Event::RoomEvent(event) = events.recv().await.expect("it goes on")
                && event.kind == RoomEventKind::Joined
                && event.username.is_some_and(|user| user.as_str() == name)
            {
                return;
            }
        }
    };
    clock::timeout(DEADLINE, joined).await.expect("in time");
}

#[tokio::test]
async fn the_hello_example_says_hello_and_again() {
    let cluster = Cluster::start(&Options::default());
    for expected in [1, 2] {
        let gateway = GatewayUrl::parse(cluster.gateway()).unwrap();
        let receipt = hello::run(gateway, "ada", PASSWORD, "garden").await;
        let receipt = receipt.unwrap();
        assert_eq!(receipt.conversation, "room:garden");
        assert_eq!(receipt.seq, expected);
    }
}

/// The server answers the client's own pings, before its own are due.
#[tokio::test]
async fn a_quiet_connection_lives_by_the_client_s_pings() {
    let cluster = Cluster::start(&Options::default());
    let (gateway, scope) = (
        GatewayUrl::parse(cluster.gateway()).unwrap(),
        Shutdown::new(),
    );
    let server = fetch_server(&gateway, None).await.unwrap();
    let (connection, _events) = Connection::open(&server, &scope).await.unwrap();
    connection.set_dead_peer(QUIET);
    connection.request(Ping {}).await.unwrap();
    let closed = clock::timeout(QUIET * 4, connection.closed()).await;
    assert!(closed.is_err(), "{closed:?}");
    connection.request(Ping {}).await.unwrap();
}

#[tokio::test]
async fn the_echo_bot_answers_in_rooms_and_in_private() {
    let cluster = Cluster::start(&Options::default());
    let scope = Shutdown::new();
    let gateway = GatewayUrl::parse(cluster.gateway()).unwrap();
    hello::run(gateway.clone(), "owner", PASSWORD, "garden")
        .await
        .unwrap();
    let (alice, mut events) = start(&cluster, "alice", &scope).await;
    let room = RoomName::parse("garden").unwrap();
    alice.join_room(room.clone()).await.unwrap();
    let bot_scope = scope.child();
    let bot = echo_bot::run(gateway, "echo", PASSWORD, "garden", &bot_scope);
    let talk = async {
        comes(&mut events, "echo").await;
        let echo = Target::User(UserName::parse("echo").unwrap());
        alice.send(echo, "!echo psst").await.unwrap();
        while next_text(&mut events).await != ("user:echo".into(), "psst".into()) {}
        alice.send(Target::Room(room), "!echo 你好").await.unwrap();
        while next_text(&mut events).await != ("room:garden".into(), "你好".into()) {}
        bot_scope.stop();
    };
    let (ended, ()) = tokio::join!(bot, talk);
    ended.unwrap();
}

//! A bot that says again what it is told to: `!echo TEXT`, in a room that it is in or in private.
//!
//! `cargo run -p antiphon-client --example echo_bot -- http://127.0.0.1:8888 echo 'a long password' garden`

#![expect(clippy::print_stderr, reason = "an example talks to people")]

use std::error::Error;

use antiphon_client::protocol::client::Secret;
use antiphon_client::protocol::{RoomName, UserName};
use antiphon_client::{Client, Credentials, Event, GatewayUrl, Shutdown, StopReason, register};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// Runs until `scope` stops, or until the client can't go on.
pub(crate) async fn run(
    gateway: GatewayUrl,
    name: &str,
    password: &str,
    room: &str,
    scope: &Shutdown,
) -> Result<(), Box<dyn Error>> {
    let (name, room) = (UserName::parse(name)?, RoomName::parse(room)?);
    let password = Secret(password.to_owned());
    match register(&gateway, name.clone(), password.clone()).await {
        Err(error) if !error.is_taken() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let credentials = Credentials::Password(name.clone(), password);
    let (client, mut events) = Client::builder(gateway, credentials)
        .name("echo-bot/1.0")
        .start(scope);
    client.join_room(room).await?;

    // Answers are on their way while the next messages are read.
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Message(message)) if message.from != name => {
                    if let Some(text) = message.message.strip_prefix("!echo ") {
                        let (client, text) = (client.clone(), text.to_owned());
                        answers.push(async move { client.reply(&message, text).await });
                    }
                }
                Some(Event::Stopped { reason: StopReason::Asked }) | None => return Ok(()),
                Some(Event::Stopped { reason }) => return Err(reason.to_string().into()),
                Some(_) => {}
            },
            Some(answer) = answers.next(), if !answers.is_empty() => {
                if let Err(error) = answer {
                    eprintln!("not answered: {error}");
                }
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [gateway, name, password, room] = arguments.as_slice() else {
        return Err("usage: echo_bot GATEWAY NAME PASSWORD ROOM".into());
    };
    let (gateway, scope) = (GatewayUrl::parse(gateway)?, Shutdown::new());
    let asked = scope.clone();
    tokio::select! {
        ended = run(gateway, name, password, room, &scope) => ended,
        _ = tokio::signal::ctrl_c() => {
            asked.stop();
            Ok(())
        }
    }
}

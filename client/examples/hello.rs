//! Says hello in a room, making the account and the room if need be.
//!
//! `cargo run -p antiphon-client --example hello -- http://127.0.0.1:8888 ada 'a long password' garden`

#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::error::Error;

use antiphon_client::protocol::client::{Ack, CreateRoom, RoomKind, Secret, Target, Visibility};
use antiphon_client::protocol::{RoomName, UserName};
use antiphon_client::{Client, Credentials, GatewayUrl, Shutdown, register};

pub(crate) async fn run(
    gateway: GatewayUrl,
    name: &str,
    password: &str,
    room: &str,
) -> Result<Ack, Box<dyn Error>> {
    let (name, room) = (UserName::parse(name)?, RoomName::parse(room)?);
    let password = Secret(password.to_owned());
    match register(&gateway, name.clone(), password.clone()).await {
        Err(error) if !error.is_taken() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }

    let scope = Shutdown::new();
    let credentials = Credentials::Password(name, password);
    let (client, _events) = Client::builder(gateway, credentials)
        .name("hello-example/1.0")
        .start(&scope);
    let create = CreateRoom {
        room_name: room.clone(),
        kind: RoomKind::Group,
        visibility: Visibility::Public,
        topic: String::new(),
    };
    if client.request(create).await.is_err() {
        client.join_room(room.clone()).await?;
    }
    let receipt = client.send(Target::Room(room), "hello").await?;
    client.stop();
    Ok(receipt)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [gateway, name, password, room] = arguments.as_slice() else {
        return Err("usage: hello GATEWAY NAME PASSWORD ROOM".into());
    };
    let receipt = run(GatewayUrl::parse(gateway)?, name, password, room).await?;
    println!(
        "stored as number {} of {}",
        receipt.seq, receipt.conversation
    );
    Ok(())
}

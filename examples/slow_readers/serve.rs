//! The server's side: the embedded cluster on a store with one big room, and how it is started
//! as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use antiphon::config::Config;
use antiphon::up::Up;
use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::contract::{MemberRecord, RoomRecord, Standing, UserRecord};
use antiphon_core::{clock, task};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{RoomName, UserName};
use serde::{Deserialize, Serialize};

use crate::{Args, tell};

/// The room.
pub(crate) const ROOM: &str = "square";
/// Members who send.
pub(crate) const SENDERS: usize = 5;
/// Of a time before every leader.
const EPOCH: u64 = 1;

/// Where the server's process can be found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) clients: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
}

/// The server's process; ended when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) ready: Ready,
}

impl Process {
    /// Starts this executable again, to serve.
    pub(crate) fn start(args: &Args, folder: &Path) -> Self {
        let executable = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(executable);
        command.arg("--serve").arg(folder);
        command.args(["--members", &args.members.to_string()]);
        command.args(["--servers", &args.servers.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the server tells");
        let ready = serde_json::from_str(&line).expect("the server is ready");
        Self { child, ready }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input is the order to stop.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves until the standard input ends.
pub(crate) async fn run(args: &Args, folder: &Path) {
    populate(args, folder).await;
    let servers = args.servers.to_string();
    let settings = [
        ("server.servers", servers.as_str()),
        ("gateway.addr", "127.0.0.1:0"),
        ("auth.mode", "open"),
        ("limits.connections_per_address", "10000"),
        ("limits.handshakes_per_second", "1000000"),
        ("limits.messages_per_second", "1000000"),
        ("limits.message_burst", "1000000"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = Config::load(None, std::iter::empty(), &settings).expect("good settings");
    let up = Up::start(&config, folder, false).await;
    let up = up.expect("the cluster starts");
    let ready = Ready {
        clients: up.state().iter().map(|server| server.client).collect(),
        admin: up.admin_addr().expect("it is on by default"),
    };
    tell(&serde_json::to_string(&ready).expect("addresses are JSON"));
    let stopped = async {
        task::blocking(|| std::io::stdin().lines().for_each(drop)).await;
    };
    up.run(stopped).await;
}

/// The users and their room, without passwords: a thousand hashes would take minutes.
async fn populate(args: &Args, folder: &Path) {
    let store = EmbeddedStore::open(folder).await.expect("the store opens");
    let created_at_ms = clock::unix_ms();
    let readers = (0..args.members).map(reader);
    let names: Vec<UserName> = readers.chain((0..SENDERS).map(sender)).collect();
    let users = names.iter().map(|name| UserRecord {
        name: name.clone(),
        password_hash: None,
        created_at_ms,
    });
    let made = store.users().create_many(users.collect()).await;
    assert_eq!(made.expect("the users are stored"), names.len() as u64);
    let room = RoomRecord {
        name: RoomName::parse(ROOM).expect("a name"),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms,
    };
    let members = names.iter().map(|user| MemberRecord {
        room: room.name.clone(),
        user: user.clone(),
        standing: Standing::Member,
        since_ms: created_at_ms,
    });
    let rooms = store.rooms();
    let created = rooms.create(room.clone(), members.collect(), EPOCH);
    created.await.expect("the room is stored");
    store.close().await;
}

/// The name of a member who reads.
pub(crate) fn reader(number: usize) -> UserName {
    UserName::parse(&format!("reader{number}")).expect("a name")
}

/// The name of a member who sends.
pub(crate) fn sender(number: usize) -> UserName {
    UserName::parse(&format!("sender{number}")).expect("a name")
}

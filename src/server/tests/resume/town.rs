//! The cluster, a line of its own to each member, and a gateway that leads everybody to the
//! near end of the own line.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use antiphon_client::GatewayUrl;
use antiphon_core::net::{TcpListener, TcpStream};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, UserName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::support::cluster::{Plan, TestCluster};
use super::super::support::{room, user};
use super::book::{Book, GHOST, whispered};
use super::{MEMBERS, ROOMS, ROOMS_EACH, SERVERS};
use crate::server::session::lock;
use crate::torture::load::Dice;
use crate::torture::proxy::Proxy;

/// In a new log, a conversation has up to so many records before anybody talks.
const BEFORE_MAX: u64 = 300;

/// See the head of the file.
pub(super) struct Town {
    pub(super) scope: Shutdown,
    pub(super) lines: Vec<Proxy>,
    pub(super) gateway: GatewayUrl,
    /// Of the log that there is now.
    pub(super) book: Arc<Mutex<Arc<Book>>>,
    cluster: TestCluster,
    generation: usize,
    seed: u64,
}

pub(super) fn name(member: usize) -> String {
    format!("m{member}")
}

pub(super) fn rooms_of(member: usize) -> Vec<String> {
    (0..ROOMS_EACH)
        .map(|step| format!("room{}", (member + step) % ROOMS))
        .collect()
}

/// Who talks with a member in private.
pub(super) fn partner(member: usize) -> UserName {
    user(&name(member ^ 1))
}

/// Everything that the servers write.
fn talked() -> Vec<ConversationId> {
    let rooms = (0..ROOMS).map(|at| ConversationId::Room(room(&format!("room{at}"))));
    let pairs = (0..MEMBERS).step_by(2);
    let pairs = pairs.map(|first| ConversationId::direct(user(&name(first)), partner(first)));
    rooms.chain(pairs).collect()
}

/// Everything that a member is to be told.
pub(super) fn followed(member: usize) -> Vec<ConversationId> {
    let me = user(&name(member));
    let rooms = rooms_of(member).into_iter();
    let rooms = rooms.map(|name| ConversationId::Room(room(&name)));
    let pair = ConversationId::direct(me.clone(), partner(member));
    rooms.chain([pair, whispered(&me)]).collect()
}

/// A cluster on a log of its own.
async fn settle(generation: usize, seed: u64) -> (TestCluster, Book) {
    let plan = Plan {
        servers: SERVERS,
        ..Plan::default()
    };
    let cluster = TestCluster::start(plan).await;
    let stores = &cluster.stores;
    let names: Vec<String> = (0..MEMBERS).map(name).collect();
    let users: Vec<&str> = names.iter().map(String::as_str).chain([GHOST]).collect();
    stores.add_users(&users).await;
    for at in 0..ROOMS {
        let called = format!("room{at}");
        let members = (0..MEMBERS).filter(|member| rooms_of(*member).contains(&called));
        let members: Vec<&str> = members.map(|member| names[member].as_str()).collect();
        let members: Vec<&str> = members.into_iter().chain([GHOST]).collect();
        stores.add_room(&called, Visibility::Public, &members).await;
    }
    let book = Book::new(generation, seed, &stores.backends.archive);
    let mut dice = Dice::new(seed, generation as u64);
    let whispers = (0..MEMBERS).map(|member| whispered(&user(&name(member))));
    let rooms = talked().into_iter().take(ROOMS);
    for conversation in rooms.chain(whispers) {
        book.write(&conversation, 0, dice.below(BEFORE_MAX)).await;
    }
    (cluster, book)
}

impl Town {
    pub(super) async fn found(seed: u64) -> Self {
        let scope = Shutdown::new();
        let (cluster, book) = settle(0, seed).await;
        let mut lines = Vec::new();
        for member in 0..MEMBERS {
            let target = cluster.client_addr("n1").to_string();
            lines.push(Proxy::to(&target, member as u64).await.unwrap());
        }
        let ports = lines.iter().map(|line| line.addr().port()).collect();
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gateway.local_addr().unwrap());
        task::spawn(&scope, TaskKind::HttpConnection, lead(gateway, ports));
        Self {
            scope,
            lines,
            gateway: GatewayUrl::parse(&url).unwrap(),
            book: Arc::new(Mutex::new(Arc::new(book))),
            cluster,
            generation: 0,
            seed,
        }
    }

    pub(super) fn book(&self) -> Arc<Book> {
        Arc::clone(&lock(&self.book))
    }

    /// The address of a server.
    pub(super) fn server(&self, number: usize) -> SocketAddr {
        self.cluster.client_addr(&format!("n{}", number + 1))
    }

    /// The history of the log that there is now.
    pub(super) async fn close_book(&self) -> crate::torture::history::History {
        self.book().close(&self.cluster.stores, &talked()).await
    }

    /// Everybody's line is cut, and leads to another cluster, with the same users and rooms on
    /// another log.
    pub(super) async fn replace(&mut self) {
        for line in &self.lines {
            line.cut();
        }
        self.generation += 1;
        let (cluster, book) = settle(self.generation, self.seed).await;
        std::mem::replace(&mut self.cluster, cluster).stop().await;
        *lock(&self.book) = Arc::new(book);
        for (member, line) in self.lines.iter().enumerate() {
            line.lead_to(&self.server(member % SERVERS).to_string());
            line.mend();
        }
    }

    pub(super) async fn end(self) {
        self.scope.stop();
        self.cluster.stop().await;
    }
}

/// Answers who asks for a server, until the scope stops.
async fn lead(gateway: TcpListener, ports: Vec<u16>) {
    let scope = Shutdown::new();
    let _stop = scope.token().clone().drop_guard();
    let ports = Arc::new(ports);
    while let Ok((stream, _)) = gateway.accept().await {
        let answer = answer(stream, Arc::clone(&ports));
        task::spawn(&scope, TaskKind::HttpConnection, answer);
    }
}

/// `GET /server?user=m7`.
async fn answer(mut stream: TcpStream, ports: Arc<Vec<u16>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let member = head.split_once("user=m")?.1.split(' ').next()?;
    let port = ports.get(member.parse::<usize>().ok()?)?;
    let body = format!("{{\"name\":\"line\",\"host\":\"127.0.0.1\",\"port\":{port}}}");
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).await.ok()
}

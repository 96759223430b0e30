//! The way between the driver and the ensemble: a listener on loopback that the driver takes
//! for its only server, and one connection behind it to whichever server answers.
//!
//! The driver alone dials without a time limit, sits on a server that has fallen silent until
//! its session is over, hides the negotiated timeout, and follows an ended session with a new
//! one of which it tells nobody. Here each dial is bounded and goes to the next host, a silent
//! server is left when asked, the answer to each handshake is read, and a driver has one
//! session: what is not this session is not let through, so that the listener is of no use to
//! another process either.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::{clock, random};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Connections of the driver at once: it has one, and for a moment the one before.
const CONNECTIONS_MAX: usize = 8;
/// A handshake frame has about 50 bytes.
const HANDSHAKE_BYTES_MAX: usize = 1_024;
/// What the driver may send before a server is found.
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// How long the driver may take to begin.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two rounds over the hosts.
const ROUND_PAUSE: Duration = Duration::from_millis(150);
/// How long a server may take to close a connection whose driver has closed it.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is known of a driver's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionState {
    /// There is no server behind it now.
    Connecting,
    /// There is.
    Connected(Connection),
    /// The ensemble has ended it.
    Ended,
}

/// One connection of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connection {
    /// Rises with each.
    pub(super) number: u64,
    /// The session timeout that the server granted.
    pub(super) timeout: Duration,
}

/// Session id and password, as the server gave them.
#[derive(Clone, PartialEq, Eq)]
struct Ticket {
    id: i64,
    password: Vec<u8>,
}

/// A driver's way to the ensemble.
pub(super) struct Relay {
    hosts: Vec<String>,
    next_host: AtomicUsize,
    connections: AtomicU64,
    dial_timeout: Duration,
    ticket: Mutex<Option<Ticket>>,
    state: watch::Sender<SessionState>,
    /// Connections up to this number are to be left.
    cut: watch::Sender<u64>,
    open: watch::Sender<usize>,
}

impl Relay {
    /// A way to these hosts, beginning at any of them.
    pub(super) fn new(hosts: Vec<String>, dial_timeout: Duration) -> Self {
        let first = random::below(hosts.len() as u64);
        Self {
            hosts,
            next_host: AtomicUsize::new(usize::try_from(first).unwrap_or_default()),
            connections: AtomicU64::new(0),
            dial_timeout,
            ticket: Mutex::default(),
            state: watch::Sender::new(SessionState::Connecting),
            cut: watch::Sender::new(0),
            open: watch::Sender::new(0),
        }
    }

    /// What is known of the session.
    pub(super) fn state(&self) -> watch::Receiver<SessionState> {
        self.state.subscribe()
    }

    /// Resolves when the session is over. Cancel-safe.
    pub(super) async fn ended(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`.
        let _ = state.wait_for(|state| *state == SessionState::Ended).await;
    }

    /// Leaves the server behind this connection: it does not answer.
    pub(super) fn leave(&self, connection: Connection) {
        self.cut.send_if_modified(|cut| {
            let newer = *cut < connection.number;
            *cut = (*cut).max(connection.number);
            newer
        });
    }

    /// Resolves when no connection is left. Cancel-safe.
    pub(super) async fn closed(&self) {
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Serves the driver, until dropped.
    pub(super) async fn run(&self, listener: &TcpListener) {
        let mut serving = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if serving.len() < CONNECTIONS_MAX => match accepted {
                    Ok((driver, _)) => serving.push(self.serve(driver)),
                    Err(_) => clock::sleep(ACCEPT_PAUSE).await,
                },
                Some(()) = serving.next() => {}
            }
        }
    }

    /// One connection of the driver, until it ends.
    async fn serve(&self, mut driver: TcpStream) {
        self.open.send_modify(|open| *open += 1);
        let connected = self.connect(&mut driver).await;
        if let Some((server, connection)) = connected {
            self.pump(driver, server, connection).await;
            self.state.send_if_modified(|state| {
                let own = *state == SessionState::Connected(connection);
                if own {
                    *state = SessionState::Connecting;
                }
                own
            });
        }
        self.open.send_modify(|open| *open -= 1);
    }

    /// Brings the driver's handshake to a server and the answer back.
    async fn connect(&self, driver: &mut TcpStream) -> Option<(TcpStream, Connection)> {
        driver.set_nodelay(true).ok()?;
        let request = clock::timeout(REQUEST_TIMEOUT, read_frame(driver)).await;
        let request = request.ok()?.ok()?;
        let asking = asked_ticket(&request)?;
        if !self.admits(&asking) {
            return None;
        }
        let mut early = Vec::new();
        let search = self.search(&request);
        tokio::pin!(search);
        let (mut server, response) = loop {
            tokio::select! {
                found = &mut search => break found,
                // The driver gives up and comes again.
                read = driver.read_buf(&mut early), if early.len() < EARLY_BYTES_MAX => {
                    if read.ok()? == 0 {
                        return None;
                    }
                }
            }
        };
        let (granted, ticket) = given_ticket(&response)?;
        if granted.is_zero() {
            if asking.id != 0 {
                self.state.send_replace(SessionState::Ended);
            }
            return None;
        }
        let number = self.take(&asking, ticket)?;
        let connection = Connection {
            number,
            timeout: granted,
        };
        driver.write_all(&response).await.ok()?;
        self.state.send_if_modified(|state| {
            let goes_on = *state != SessionState::Ended;
            if goes_on {
                *state = SessionState::Connected(connection);
            }
            goes_on
        });
        server.write_all(&early).await.ok()?;
        Some((server, connection))
    }

    fn ticket(&self) -> std::sync::MutexGuard<'_, Option<Ticket>> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that is this driver's session, or its first.
    fn admits(&self, asking: &Ticket) -> bool {
        match &*self.ticket() {
            Some(own) => own == asking,
            None => asking.id == 0,
        }
    }

    /// Remembers the session that a server gave; its connection's number, unless another
    /// handshake of the same driver was first.
    fn take(&self, asking: &Ticket, given: Ticket) -> Option<u64> {
        let mut own = self.ticket();
        match &*own {
            Some(own) if own == asking => {}
            None if asking.id == 0 => *own = Some(given),
            Some(_) | None => return None,
        }
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Some(number)
    }

    /// Asks one host after the other, for ever, until one answers the handshake.
    async fn search(&self, request: &[u8]) -> (TcpStream, Vec<u8>) {
        let mut asked = 0;
        loop {
            let index = self.next_host.load(Ordering::Relaxed) % self.hosts.len();
            let shaken = shake(&self.hosts[index], request);
            if let Ok(Ok(found)) = clock::timeout(self.dial_timeout, shaken).await {
                return found;
            }
            self.skip_host(index);
            asked += 1;
            if asked % self.hosts.len() == 0 {
                clock::sleep(ROUND_PAUSE).await;
            }
        }
    }

    fn skip_host(&self, index: usize) {
        self.next_host
            .store((index + 1) % self.hosts.len(), Ordering::Relaxed);
    }

    /// Moves bytes both ways until either side ends, or the server is to be left.
    async fn pump(&self, mut driver: TcpStream, mut server: TcpStream, connection: Connection) {
        let mut cut = self.cut.subscribe();
        let (mut from_driver, mut to_driver) = driver.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            // Either way there is no more to bring.
            let _ = copy(&mut from_driver, &mut to_server).await;
            let _ = to_server.shutdown().await;
            clock::sleep(CLOSE_GRACE).await;
        };
        tokio::select! {
            _ = cut.wait_for(|cut| *cut >= connection.number) => {}
            _ = copy(&mut from_server, &mut to_driver) => {}
            () = up => return,
        }
        self.skip_host(self.next_host.load(Ordering::Relaxed));
    }
}

/// Dials a host and brings it the handshake.
async fn shake(host: &str, request: &[u8]) -> std::io::Result<(TcpStream, Vec<u8>)> {
    let mut server = TcpStream::connect(host).await?;
    server.set_nodelay(true)?;
    server.write_all(request).await?;
    let response = read_frame(&mut server).await?;
    Ok((server, response))
}

/// One frame with its length before it.
async fn read_frame<R: AsyncRead + Unpin>(reader: &mut R) -> std::io::Result<Vec<u8>> {
    let length = reader.read_u32().await?;
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size > HANDSHAKE_BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(frame.len() + size, 0);
    reader.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}

/// Takes apart what ZooKeeper's serialization puts behind each other.
struct Fields<'f>(&'f [u8]);

impl Fields<'_> {
    fn int(&mut self) -> Option<i32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*first))
    }

    fn long(&mut self) -> Option<i64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*first))
    }

    fn buffer(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.int()?).ok()?;
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first.to_vec())
    }
}

/// The session that a handshake asks for: id 0 for a new one.
fn asked_ticket(frame: &[u8]) -> Option<Ticket> {
    let mut fields = Fields(frame.get(4..)?);
    let (_version, _zxid, _timeout) = (fields.int()?, fields.long()?, fields.int()?);
    Some(Ticket {
        id: fields.long()?,
        password: fields.buffer()?,
    })
}

/// The session that a server grants, and its timeout: zero if it is over.
fn given_ticket(frame: &[u8]) -> Option<(Duration, Ticket)> {
    let mut fields = Fields(frame.get(4..)?);
    let (_version, timeout) = (fields.int()?, fields.int()?);
    let ticket = Ticket {
        id: fields.long()?,
        password: fields.buffer()?,
    };
    let timeout = u64::try_from(timeout).unwrap_or(0);
    Some((Duration::from_millis(timeout), ticket))
}

#[cfg(test)]
mod tests;

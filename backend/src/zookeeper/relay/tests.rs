use std::sync::Arc;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};

use super::*;

const PASSWORD: [u8; 16] = [7; 16];
const DIAL: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(10);

fn framed(body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

fn request(session: i64, password: [u8; 16]) -> Vec<u8> {
    framed(&[
        &0_i32.to_be_bytes(),
        &0_i64.to_be_bytes(),
        &3_000_i32.to_be_bytes(),
        &session.to_be_bytes(),
        &16_i32.to_be_bytes(),
        &password,
        &[0],
    ])
}

fn response(timeout: i32, session: i64) -> Vec<u8> {
    framed(&[
        &0_i32.to_be_bytes(),
        &timeout.to_be_bytes(),
        &session.to_be_bytes(),
        &16_i32.to_be_bytes(),
        &PASSWORD,
        &[0],
    ])
}

/// A relay, the address that it listens on, and the server behind it.
struct Bench {
    relay: Arc<Relay>,
    address: String,
    server: TcpListener,
    scope: Shutdown,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

impl Bench {
    async fn start() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = vec![server.local_addr().unwrap().to_string()];
        let relay = Arc::new(Relay::new(hosts, DIAL));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (scope, running) = (Shutdown::new(), Arc::clone(&relay));
        task::spawn(&scope, TaskKind::Timer, async move {
            running.run(&listener).await;
        });
        Self {
            relay,
            address,
            server,
            scope,
        }
    }

    async fn dial(&self, request: &[u8]) -> TcpStream {
        let mut driver = TcpStream::connect(&self.address).await.unwrap();
        driver.write_all(request).await.unwrap();
        driver
    }

    /// The server's end of the next connection, answered like this.
    async fn answer(&self, response: &[u8]) -> TcpStream {
        let accepted = clock::timeout(PATIENCE, self.server.accept()).await;
        let (mut server, _) = accepted.unwrap().unwrap();
        read_frame(&mut server).await.unwrap();
        server.write_all(response).await.unwrap();
        server
    }

    async fn until(&self, wanted: impl FnMut(&SessionState) -> bool) -> SessionState {
        let mut state = self.relay.state();
        let seen = clock::timeout(PATIENCE, state.wait_for(wanted)).await;
        *seen.unwrap().unwrap()
    }
}

/// Whether the connection is closed without a word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = clock::timeout(PATIENCE, stream.read(&mut [0; 64])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn only_its_own_session_passes_once_it_has_one() {
    let bench = Bench::start().await;
    let mut driver = bench.dial(&request(0, [0; 16])).await;
    let mut server = bench.answer(&response(4_000, 42)).await;
    assert_eq!(read_frame(&mut driver).await.unwrap(), response(4_000, 42));
    let state = bench
        .until(|state| *state != SessionState::Connecting)
        .await;
    let first = Connection {
        number: 1,
        timeout: Duration::from_secs(4),
    };
    assert_eq!(state, SessionState::Connected(first));
    // Both directions.
    driver.write_all(b"there").await.unwrap();
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes).await.unwrap();
    server.write_all(b"again").await.unwrap();
    driver.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"again");
    // A new session, another one, and the right one with a wrong password.
    for wrong in [
        request(0, [0; 16]),
        request(41, PASSWORD),
        request(42, [8; 16]),
    ] {
        assert!(is_closed(&mut bench.dial(&wrong).await).await);
    }
    // Its own comes through, after it was made to leave the server.
    bench.relay.leave(first);
    assert!(is_closed(&mut server).await && is_closed(&mut driver).await);
    let mut driver = bench.dial(&request(42, PASSWORD)).await;
    let server = bench.answer(&response(4_000, 42)).await;
    assert_eq!(read_frame(&mut driver).await.unwrap(), response(4_000, 42));
    let second =
        |state: &SessionState| matches!(state, SessionState::Connected(c) if c.number == 2);
    bench.until(second).await;
    // What concerned the first does not touch the second.
    bench.relay.leave(first);
    drop(server);
    assert!(is_closed(&mut driver).await);
    bench
        .until(|state| *state == SessionState::Connecting)
        .await;
    clock::timeout(PATIENCE, bench.relay.closed())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_session_that_is_over_is_told_and_the_driver_is_not_answered() {
    let bench = Bench::start().await;
    let driver = bench.dial(&request(0, [0; 16])).await;
    let server = bench.answer(&response(4_000, 42)).await;
    bench
        .until(|state| *state != SessionState::Connecting)
        .await;
    drop((driver, server));
    let mut driver = bench.dial(&request(42, PASSWORD)).await;
    let _server = bench.answer(&response(0, 0)).await;
    bench.until(|state| *state == SessionState::Ended).await;
    assert!(is_closed(&mut driver).await);
    clock::timeout(PATIENCE, bench.relay.ended()).await.unwrap();
}

/// A server that says nothing is left, and what the driver has sent meanwhile comes along.
#[tokio::test]
async fn a_silent_server_is_left_before_the_handshake() {
    let bench = Bench::start().await;
    let mut driver = bench.dial(&request(0, [0; 16])).await;
    driver.write_all(b"early").await.unwrap();
    let (_silent, _) = bench.server.accept().await.unwrap();
    let mut server = bench.answer(&response(4_000, 42)).await;
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"early");
    // A driver that gives up takes its search with it.
    drop(driver);
    assert!(is_closed(&mut server).await);
}

#[tokio::test]
async fn what_is_no_handshake_is_dropped() {
    let bench = Bench::start().await;
    for wrong in [
        u32::MAX.to_be_bytes().to_vec(),
        framed(&[b"GET / HTTP/1.1"]),
        framed(&[]),
    ] {
        assert!(is_closed(&mut bench.dial(&wrong).await).await);
    }
    let driver = bench.dial(&request(0, [0; 16])).await;
    let mut server = bench.answer(&framed(&[b"nonsense"])).await;
    assert!(is_closed(&mut server).await);
    drop(driver);
    bench
        .until(|state| *state == SessionState::Connecting)
        .await;
}

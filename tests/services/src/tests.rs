use std::net::TcpStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::Duration;

use antiphon_core::clock;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::*;
use crate::probe::Probe;

const DEADLINE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Where the child of `a_server_is_gone_when_its_test_is_killed` writes its server's port.
const PORT_FILE: &str = "ANTIPHON_TEST_PORT_FILE";

async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let end = clock::now() + DEADLINE;
    while !look().await {
        assert!(clock::now() < end, "not in time: {what}");
        clock::sleep(BETWEEN_LOOKS).await;
    }
}

/// One inline command and the first line of its answer.
async fn redis(server: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

#[tokio::test]
async fn redis_keeps_its_port_and_data_over_a_kill() {
    let server = RedisServer::start().await;
    let url = server.url();
    assert_eq!(redis(&server, "SET key value").await, "+OK");
    server.kill();
    assert_eq!(server.process_id(), None);
    assert!(Probe::Redis.ask(server.port()).await.is_err());
    server.restart().await;
    assert_eq!(server.url(), url);
    assert_eq!(redis(&server, "EXISTS key").await, ":1");
    server.stop().await;
    server.restart().await;
    assert_eq!(redis(&server, "EXISTS key").await, ":1");
}

#[tokio::test]
async fn a_paused_server_answers_nothing_until_it_is_resumed() {
    let server = RedisServer::start().await;
    server.pause();
    assert_eq!(
        Probe::Redis.ask(server.port()).await,
        Err("no answer".to_owned())
    );
    server.check_alive();
    server.resume();
    assert_eq!(redis(&server, "PING").await, "+PONG");
}

#[tokio::test]
async fn zookeeper_serves_alone_and_again() {
    let server = ZooKeeper::start().await;
    assert_eq!(server.mode().await, Some(Mode::Standalone));
    server.kill();
    assert_eq!(server.mode().await, None);
    server.restart().await;
    assert_eq!(server.mode().await, Some(Mode::Standalone));
}

#[tokio::test]
async fn three_zookeepers_elect_another_leader() {
    let ensemble = ZooKeeperEnsemble::start().await;
    let killed = ensemble.leader().await;
    killed.kill();
    let next = ensemble.leader().await;
    assert_ne!(killed.port(), next.port());
    killed.restart().await;
    assert_eq!(killed.mode().await, Some(Mode::Follower));
    ensemble.kill();
    ensemble.restart().await;
    ensemble.leader().await;
}

#[tokio::test]
async fn the_mongodb_wire_server_serves_again_after_a_kill() {
    let server = MongoServer::start().await;
    let url = server.url("test");
    server.kill();
    server.restart().await;
    assert_eq!(server.url("test"), url);
}

#[tokio::test]
async fn a_server_that_ends_by_itself_fails_the_test_by_name() {
    let server = RedisServer::start().await;
    let kill = format!("kill -KILL {}", server.process_id().unwrap());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    let message = |outcome: std::thread::Result<()>| {
        let panic = outcome.expect_err("a panic");
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let mut said = String::new();
    eventually("the server has ended", async || {
        let checked = catch_unwind(AssertUnwindSafe(|| server.check_alive()));
        let ended = checked.is_err();
        if ended {
            said = message(checked);
        }
        ended
    })
    .await;
    assert!(
        said.starts_with(&format!("Redis at {} ended during", server.address())),
        "{said}"
    );
    let dropped = message(catch_unwind(AssertUnwindSafe(|| drop(server))));
    assert!(dropped.contains("Redis") && dropped.contains("signal: 9"));
}

#[test]
fn what_is_not_installed_is_named_with_what_to_run() {
    let looked = catch_unwind(|| installed::file("ZooKeeper", "/nowhere/zookeeper.jar"));
    let panic = looked.expect_err("a panic");
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(
        message,
        "ZooKeeper is not installed (/nowhere/zookeeper.jar is not there): run tests/services/install"
    );
}

#[tokio::test]
#[ignore = "the child process of a_server_is_gone_when_its_test_is_killed"]
async fn a_test_that_is_killed() {
    let server = RedisServer::start().await;
    server.pause();
    let file = std::env::var_os(PORT_FILE).unwrap();
    let part = std::path::Path::new(&file).with_extension("part");
    std::fs::write(&part, server.port().to_string()).unwrap();
    std::fs::rename(part, file).unwrap();
    std::future::pending::<()>().await;
}

/// Also a server that is paused, which would ignore everything but SIGKILL.
#[tokio::test]
async fn a_server_is_gone_when_its_test_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tests::a_test_that_is_killed"])
        .env(PORT_FILE, &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = 0;
    eventually("the child has a server", async || {
        assert_eq!(child.try_wait().unwrap(), None, "the child has ended");
        let read = std::fs::read_to_string(&file).ok();
        port = read.map_or(0, |read| read.parse().unwrap());
        port != 0
    })
    .await;
    assert!(StdStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the server is gone", async || {
        StdStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
}

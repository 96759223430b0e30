//! The bad-input matrix, on the wire: for each hostile handshake, frame and command what comes
//! back and what becomes of the connection; and after each the server serves others as before.

mod rows;

use serde_json::json;

use self::rows::{commands, frames, handshakes};
use crate::harness::raw::{frame, headers_with, http_get};
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, PASSWORD, RawSocket};

/// The server is as healthy as before.
async fn still_serves(cluster: &mut Cluster, after: &str) {
    assert!(
        cluster.is_running(),
        "{after} ended the process:\n{}",
        cluster.log_tail()
    );
    for index in 0..cluster.servers().len() {
        Client::connect(cluster.server(index))
            .await
            .ok("ping", json!({}))
            .await;
    }
    assert!(
        !cluster.log_tail().contains("panicked"),
        "{after}:\n{}",
        cluster.log_tail()
    );
}

#[tokio::test]
async fn handshakes_that_are_none() {
    let options = Options::set(FAST).and(&[("auth.allowed_origins", "https://chat.example")]);
    let mut cluster = Cluster::start(&options);
    for row in handshakes() {
        let mut socket = RawSocket::connect(cluster.server(0)).await;
        let answer = socket.handshake(&row.request_line, &row.headers).await;
        assert_eq!(answer.status, row.status, "{}: {answer:?}", row.what);
        if let Some((name, value)) = row.header {
            let found = answer.header(name).map(str::to_lowercase);
            assert_eq!(found.as_deref(), Some(value), "{}", row.what);
        }
        still_serves(&mut cluster, row.what).await;
    }
    // Neither of these is HTTP; both just end.
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut socket = RawSocket::connect(cluster.server(0)).await;
        socket.write(bytes).await;
        socket.write(b"\r\n\r\n").await;
        socket.read_to_end().await;
    }
    still_serves(&mut cluster, "garbage").await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut socket = RawSocket::connect(cluster.server(0)).await;
    socket.write(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    socket.read_to_end().await;
    still_serves(&mut cluster, "a slow handshake").await;
}

#[tokio::test]
async fn connections_over_the_cap_are_told_to_come_later() {
    let settings = [
        ("limits.connections_max", "3"),
        ("limits.connections_per_address", "3"),
    ];
    let cluster = Cluster::start(&Options::set(&settings));
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(cluster.server(0)).await;
        client.ok("ping", json!({})).await;
        held.push(client);
    }
    let mut socket = RawSocket::connect(cluster.server(0)).await;
    let answer = socket
        .handshake("GET / HTTP/1.1", &headers_with("X-None", ""))
        .await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    for client in &mut held {
        client.ok("ping", json!({})).await;
    }
}

#[tokio::test]
async fn row_6_and_17_frames_that_break_the_protocol_close_only_their_own_socket() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut bystander = Client::join(cluster.server(0), "bystander").await;
    for (what, bytes, code) in frames() {
        let mut socket = RawSocket::upgraded(cluster.server(0)).await;
        socket.write(&bytes).await;
        let closed = socket.closed().await;
        assert_eq!(closed.code, Some(code), "{what}: {closed:?}");
        if code == 1003 || code == 1009 {
            assert!(!closed.reason.is_empty(), "{what} is told why");
        }
        bystander.ok("ping", json!({})).await;
    }
    still_serves(&mut cluster, "broken frames").await;
}

#[tokio::test]
async fn whole_and_fragmented_messages_and_pings_are_served() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut socket = RawSocket::upgraded(cluster.server(0)).await;
    let text = br#"{"id":1,"action":"ping"}"#;
    socket.write(&frame(0x01, &text[..5])).await;
    socket.write(&frame(0x89, b"between")).await;
    socket.write(&frame(0x00, &text[5..9])).await;
    socket.write(&frame(0x80, &text[9..])).await;
    let (opcode, payload) = socket.read_frame().await.unwrap();
    assert_eq!(
        (opcode, payload.as_slice()),
        (10, &b"between"[..]),
        "a ping is answered at once"
    );
    assert_eq!(socket.read_json().await["action"], "pong");
    socket.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(socket.closed().await.code, Some(1000));
}

#[tokio::test]
async fn rows_1_to_12_bad_commands_cost_one_error_and_not_the_connection() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut bystander = Client::join(cluster.server(0), "bystander").await;
    drop(Client::join(cluster.server(0), "mallory").await);
    for (text, ext) in commands() {
        let mut client = Client::connect(cluster.server(0)).await;
        client.login("mallory").await;
        client.send_raw(&text).await;
        let is_error = |frame: &antiphon_protocol::ServerFrame| frame.action == "error";
        let what = format!("the error of {:.80}", text);
        let error = client.next_matching(&what, DEADLINE, is_error).await;
        assert_eq!(error.data["ext"], ext, "{text:.200}");
        assert_eq!(error.data["retryable"], false, "{text:.200}");
        let message = error.data["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains("$ne") && !message.contains('\u{202e}'));
        if ext != "version_unsupported" {
            client.ok("ping", json!({})).await;
        }
        bystander.ok("ping", json!({})).await;
    }
    still_serves(&mut cluster, "bad commands").await;
    assert!(
        bystander.deliveries().is_empty(),
        "nothing of it was taken for a message"
    );
}

#[tokio::test]
async fn the_fourth_malformed_frame_closes_the_connection() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut client = Client::connect(cluster.server(0)).await;
    for _ in 0..4 {
        client.send_raw("not json").await;
    }
    let closed = client.closed(DEADLINE).await;
    assert_eq!(closed.code, Some(4400), "{closed:?}");
    let errors = client
        .pushes()
        .into_iter()
        .filter(|frame| frame.action == "error")
        .count();
    assert!(errors >= 3, "{errors}");
    still_serves(&mut cluster, "many errors").await;
}

#[tokio::test]
async fn row_15_and_29_cluster_frames_on_the_client_port_are_unknown() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut bystander = Client::join(cluster.server(1), "bystander").await;
    bystander
        .ok("createRoom", json!({"roomName": "garden"}))
        .await;
    for action in [
        "leaderConnect",
        "syncServers",
        "submit",
        "sessionUp",
        "deliver",
        "staleEpoch",
    ] {
        let mut client = Client::connect(cluster.server(0)).await;
        let data = json!({"servers": null, "epoch": 999, "user": "bystander"});
        assert_eq!(
            client.refused(action, data).await,
            "unknown_action",
            "{action}"
        );
    }
    bystander.say("garden", "as before", "b-1").await;
    bystander.delivery("as before").await;
    still_serves(&mut cluster, "cluster frames").await;
}

#[tokio::test]
async fn row_83_the_cluster_port_takes_no_strangers() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let addr = cluster.leader().cluster.clone();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"{\"action\":\"leaderConnect\"}\n",
        &[0, 0, 0, 2, b'{', b'}'],
        &[255; 64],
    ] {
        let mut socket = RawSocket::connect(&addr).await;
        socket.write(bytes).await;
        let said = socket.read_to_end().await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            !said.contains("sessions") && !said.contains("room"),
            "{said}"
        );
    }
    still_serves(&mut cluster, "strangers on the cluster port").await;
}

#[tokio::test]
async fn row_21_logs_hold_no_text_and_no_secret() {
    let cluster = Cluster::start(&Options::set(&[("log.level", "trace")]));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    alice.say("garden", "xyzzy-plugh-text", "a-1").await;
    let log = std::fs::read_to_string(cluster.log_path()).unwrap();
    assert!(!log.is_empty(), "something is logged at trace");
    for secret in ["xyzzy-plugh-text", PASSWORD] {
        assert!(!log.contains(secret), "the log holds {secret:?}");
    }
}

#[tokio::test]
async fn random_bytes_end_no_server() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    // A small generator with a fixed seed: the same bytes in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..60_u32 {
        let length = usize::try_from(random() % 300).unwrap();
        let bytes: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
        let mut socket = RawSocket::upgraded(cluster.server(round as usize)).await;
        let sent = if round % 2 == 0 {
            bytes
        } else {
            frame(0x81, &bytes)
        };
        socket.write(&sent).await;
        socket.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
    }
    still_serves(&mut cluster, "random bytes").await;
    assert_eq!(
        http_get(cluster.gateway(), "GET", "/server").await.status,
        200
    );
}

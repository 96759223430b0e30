use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers one request with `response` and gives back the request's head.
async fn ask(response: String) -> (Result<ServerEntry, GatewayError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = GatewayUrl::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        // A client that has seen enough hangs up.
        let _written = stream.write_all(response.as_bytes()).await;
        String::from_utf8(head).unwrap()
    };
    tokio::join!(fetch_server(&gateway, Some("zoë &co")), serve)
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_server_is_read_and_the_user_is_named_safely() {
    let (server, head) = ask(ok(
        r#"{"name":"s1","host":"127.0.0.1","port":9000,"extra":true}"#,
    ))
    .await;
    let server = server.unwrap();
    assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 9000));
    assert!(
        head.starts_with("GET /server?user=zo%C3%AB%20%26co HTTP/1.1\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn no_live_server_says_when_to_ask_again() {
    let response = "HTTP/1.1 503 Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n";
    let (server, _) = ask(response.to_owned()).await;
    let GatewayError::NoServer { retry_after } = server.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn other_answers_are_told_apart() {
    let (server, _) = ask(ok("<html>")).await;
    assert!(matches!(server, Err(GatewayError::NotAGateway(_))));
    let (server, _) = ask("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    assert!(matches!(server, Err(GatewayError::Status(404))));
    let (server, _) = ask("SSH-2.0-OpenSSH\r\n".to_owned()).await;
    assert!(matches!(server, Err(GatewayError::Http(_))));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let (server, _) = ask(ok(&" ".repeat(GATEWAY_BODY_BYTES_MAX + 1))).await;
    assert!(matches!(server, Err(GatewayError::Body)));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = GatewayUrl::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    drop(listener);
    assert!(matches!(
        fetch_server(&gateway, None).await,
        Err(GatewayError::Unreachable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_silent_gateway_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = GatewayUrl::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    assert!(matches!(
        fetch_server(&gateway, None).await,
        Err(GatewayError::Timeout)
    ));
}

#[test]
fn addresses_are_checked() {
    let shown = |raw: &str| GatewayUrl::parse(raw).map(|url| url.to_string()).ok();
    assert_eq!(
        shown("http://127.0.0.1:8888"),
        Some("http://127.0.0.1:8888".to_owned())
    );
    assert_eq!(
        shown(" chat.example/ "),
        Some("http://chat.example:80".to_owned())
    );
    assert_eq!(
        shown("http://[::1]:8888/a/"),
        Some("http://[::1]:8888/a".to_owned())
    );
    for bad in [
        "",
        "https://x",
        "ftp://x",
        "http://",
        "http://a@b",
        "http://a?b=c",
        "a b",
        "http://:80",
    ] {
        assert_eq!(shown(bad), None, "{bad}");
    }
}

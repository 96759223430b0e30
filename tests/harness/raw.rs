//! A socket on which anything can be written: broken handshakes, hand-made frames.

use std::time::Duration;

use antiphon_core::clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Closed;

const READ_DEADLINE: Duration = Duration::from_secs(15);
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl HttpAnswer {
    fn parse(head: &str, body: String) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap_or_default();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(k, v)| (k.to_lowercase(), v.trim().to_owned()))
            .collect();
        Self {
            status: status.parse().unwrap_or(0),
            headers,
            body,
        }
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// One request on its own connection.
pub(crate) async fn http_get(addr: &str, method: &str, path: &str) -> HttpAnswer {
    let mut socket = RawSocket::connect(addr).await;
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    socket.write(request.as_bytes()).await;
    let bytes = socket.read_to_end().await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let answer = HttpAnswer::parse(head, body.to_owned());
    assert_eq!(
        answer.header("transfer-encoding"),
        None,
        "answers have a Content-Length"
    );
    answer
}

/// The headers of a good WebSocket handshake.
pub(crate) const GOOD_HEADERS: &[(&str, &str)] = &[
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The good headers with `name` replaced; an empty value leaves it out.
pub(crate) fn headers_with(name: &str, value: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = GOOD_HEADERS
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    if !value.is_empty() {
        headers.push((name.to_owned(), value.to_owned()));
    }
    headers
}

/// A masked frame with these first two header bits and bytes.
pub(crate) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(
        payload
            .iter()
            .enumerate()
            .map(|(i, byte)| byte ^ MASK[i % 4]),
    );
    bytes
}

/// A TCP connection with deadlines.
#[derive(Debug)]
pub(crate) struct RawSocket {
    stream: TcpStream,
}

impl RawSocket {
    pub(crate) async fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr)
            .await
            .unwrap_or_else(|e| panic!("{addr}: {e}"));
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// A WebSocket connection on which frames are made by hand.
    pub(crate) async fn upgraded(addr: &str) -> Self {
        let mut socket = Self::connect(addr).await;
        let answer = socket
            .handshake("GET / HTTP/1.1", &headers_with("X-None", ""))
            .await;
        assert_eq!(answer.status, 101, "{answer:?}");
        socket
    }

    pub(crate) async fn handshake(
        &mut self,
        request_line: &str,
        headers: &[(String, String)],
    ) -> HttpAnswer {
        let mut request = format!("{request_line}\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        self.write(request.as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.read_byte().await {
                Some(byte) => head.push(byte),
                None => break,
            }
        }
        HttpAnswer::parse(&String::from_utf8_lossy(&head), String::new())
    }

    /// Writes; a peer that has closed already is not a failure of the test.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = clock::timeout(READ_DEADLINE, self.stream.write_all(bytes)).await;
    }

    async fn read_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        let read = clock::timeout(READ_DEADLINE, self.stream.read_exact(&mut byte)).await;
        read.expect("something within the deadline")
            .ok()
            .map(|_| byte[0])
    }

    async fn read_exact(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = clock::timeout(READ_DEADLINE, self.stream.read_exact(&mut bytes)).await;
        read.expect("something within the deadline")
            .ok()
            .map(|_| bytes)
    }

    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = clock::timeout(READ_DEADLINE, self.stream.read_to_end(&mut bytes)).await;
        let _ = read.expect("the end within the deadline");
        bytes
    }

    /// The next frame of the server: (opcode, payload); `None` at the end.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.read_exact(2).await?;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(
                self.read_exact(2).await?.try_into().ok()?,
            )),
            127 => u64::from_be_bytes(self.read_exact(8).await?.try_into().ok()?),
            short => u64::from(short),
        };
        assert_eq!(head[1] & 0x80, 0, "servers don't mask");
        let payload = self.read_exact(usize::try_from(length).ok()?).await?;
        Some((head[0] & 0x0f, payload))
    }

    /// Sends a text frame.
    pub(crate) async fn text(&mut self, text: &str) {
        self.write(&frame(0x81, text.as_bytes())).await;
    }

    /// The next text frame, as JSON.
    pub(crate) async fn read_json(&mut self) -> Value {
        loop {
            let (opcode, payload) = self.read_frame().await.expect("a frame");
            assert_ne!(opcode, 8, "closed: {:?}", String::from_utf8_lossy(&payload));
            if opcode == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// Reads until the connection ends, and tells how.
    pub(crate) async fn closed(&mut self) -> Closed {
        while let Some((opcode, payload)) = self.read_frame().await {
            if opcode == 8 {
                let code = payload
                    .get(..2)
                    .map(|code| u16::from_be_bytes([code[0], code[1]]));
                let reason = payload.get(2..).unwrap_or_default();
                return Closed {
                    code,
                    reason: String::from_utf8_lossy(reason).into_owned(),
                };
            }
        }
        Closed {
            code: None,
            reason: "end of stream".to_owned(),
        }
    }
}

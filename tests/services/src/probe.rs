//! Whether a server answers in its own protocol.

use std::net::Ipv4Addr;
use std::time::Duration;

use antiphon_core::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a server is asked whether it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Redis,
    ZooKeeper,
    MongoDb,
}

impl Probe {
    /// `Ok` when it serves.
    pub(crate) async fn ask(self, port: u16) -> Result<(), String> {
        match self {
            Self::Redis => {
                let answer = exchange(port, b"PING\r\n", |answer| answer.contains(&b'\n')).await?;
                expect(&answer, |answer| answer.starts_with(b"+PONG"))
            }
            Self::ZooKeeper => {
                let answer = four_letters(port, "srvr").await?;
                expect(answer.as_bytes(), |_| answer.contains("\nMode: "))
            }
            Self::MongoDb => {
                let answer = exchange(port, &hello(), |answer| {
                    answer
                        .first_chunk()
                        .is_some_and(|length| answer.len() >= u32::from_le_bytes(*length) as usize)
                })
                .await?;
                expect(&answer, |answer| {
                    let key = b"isWritablePrimary";
                    answer.windows(key.len()).any(|window| window == key)
                })
            }
        }
    }
}

fn expect(answer: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    let said = || format!("it said {:?}", String::from_utf8_lossy(answer));
    wanted(answer).then_some(()).ok_or_else(said)
}

/// ZooKeeper's four-letter commands; the server closes after its answer.
pub(crate) async fn four_letters(port: u16, command: &str) -> Result<String, String> {
    let answer = exchange(port, command.as_bytes(), |_| false).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends `request` and reads until `whole` or the end.
pub(crate) async fn exchange(
    port: u16,
    request: &[u8],
    whole: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, String> {
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        while !whole(&answer) && answer.len() < ANSWER_BYTES_MAX {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        Ok(answer)
    };
    match clock::timeout(ANSWER_DEADLINE, exchange).await {
        Ok(result) => result.map_err(|error: std::io::Error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

/// `{ hello: 1, $db: "admin" }` as an OP_MSG.
fn hello() -> Vec<u8> {
    const OP_MSG: u32 = 2_013;
    let mut fields: Vec<u8> = Vec::new();
    fields.extend(b"\x10hello\0\x01\0\0\0");
    fields.extend(b"\x02$db\0\x06\0\0\0admin\0\0");
    let document = (fields.len() as u32 + 4).to_le_bytes();
    let mut body: Vec<u8> = Vec::new();
    // No flags, one section of kind 0.
    body.extend([0; 5]);
    body.extend(document);
    body.extend(fields);
    let length = body.len() as u32 + 16;
    let mut message: Vec<u8> = Vec::new();
    for number in [length, 1, 0, OP_MSG] {
        message.extend(number.to_le_bytes());
    }
    message.extend(body);
    message
}

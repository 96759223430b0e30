//! What a server says of itself at `/metrics`.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A process that is stopped does not answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// One server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// It leads.
    pub leads: bool,
    /// It leads, or is linked to who does.
    pub is_linked: bool,
    /// The newest term that it knows of.
    pub epoch: u64,
}

/// Asks a server at `HOST:PORT`; `None` if it does not answer in time.
pub(super) async fn look(addr: &str) -> Option<Seen> {
    let text = clock::timeout(ANSWER_DEADLINE, read(addr)).await.ok()?;
    parse(&text.ok()?)
}

async fn read(addr: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    let mut bounded = stream.take(ANSWER_BYTES_MAX);
    bounded.read_to_string(&mut text).await?;
    Ok(text)
}

fn parse(text: &str) -> Option<Seen> {
    let value = |name: &str| {
        let mut samples = text.lines().filter_map(|line| line.strip_prefix(name));
        let sample = samples.find(|rest| rest.starts_with('{'))?;
        sample.rsplit_once(' ')?.1.parse::<u64>().ok()
    };
    Some(Seen {
        leads: value("antiphon_is_leader")? == 1,
        is_linked: value("antiphon_is_linked")? == 1,
        epoch: value("antiphon_epoch")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_gauges_are_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE antiphon_is_leader gauge\n\
                    antiphon_is_leader{server=\"s1\"} 1\nantiphon_is_linked{server=\"s1\"} 1\n\
                    antiphon_epoch{server=\"s1\"} 8589934597\n";
        let seen = Seen {
            leads: true,
            is_linked: true,
            epoch: 8_589_934_597,
        };
        assert_eq!(parse(text), Some(seen));
        assert_eq!(parse("HTTP/1.1 500\r\n"), None);
    }
}

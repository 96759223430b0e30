//! Talking to a running `antiphon up` from another process of the same user: a loopback port
//! and a random token, both in a file of mode 0600 in the data directory. One JSON line each
//! way.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

const CONTROL_FILE: &str = "control.json";
const LINE_BYTES_MAX: u64 = 4 * 1024;
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Stopping a server takes its grace; the answer comes after it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the running process could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is none.
    #[error("no antiphon is running on {}", dir.display())]
    NotRunning {
        /// The data directory.
        dir: PathBuf,
    },
    /// The file or the socket.
    #[error("the control connection failed")]
    Io(#[from] io::Error),
    /// The file or the answer is not ours.
    #[error("the control file or answer can't be read")]
    Malformed(#[from] serde_json::Error),
    /// The process said no.
    #[error("{0}")]
    Refused(String),
}

/// What another process asks for: to stop one server.
#[derive(Debug)]
pub(super) struct ControlRequest {
    /// Which.
    pub(super) server: String,
    /// Told how it went.
    pub(super) answer: oneshot::Sender<Result<(), String>>,
}

#[derive(Serialize, Deserialize)]
struct Door {
    addr: SocketAddr,
    token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ask {
    token: String,
    stop_server: String,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The door of a running process; its file goes with it.
#[derive(Debug)]
pub(super) struct Control {
    file: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

impl Control {
    /// Opens the door.
    pub(super) async fn open(
        data_dir: &Path,
        requests: mpsc::Sender<ControlRequest>,
        scope: &Shutdown,
    ) -> Result<Self, ControlError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let door = Door {
            addr: listener.local_addr()?,
            token: random::hex::<32>(),
        };
        let file = data_dir.join(CONTROL_FILE);
        let _ = fs::remove_file(&file);
        let mut handle = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?;
        handle.write_all(&serde_json::to_vec(&door)?)?;
        let serve = serve(listener, door.token, requests);
        task::spawn(scope, TaskKind::Timer, serve);
        Ok(Self { file })
    }
}

/// One request at a time: they are rare.
async fn serve(listener: TcpListener, token: String, requests: mpsc::Sender<ControlRequest>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = answer(stream, &token, &requests).await {
                    warn!(%error, "a control request failed");
                }
            }
            Err(error) => {
                warn!(%error, "could not accept a control connection");
                clock::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(
    mut stream: TcpStream,
    token: &str,
    requests: &mpsc::Sender<ControlRequest>,
) -> Result<(), ControlError> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_BYTES_MAX));
    let read = clock::timeout(ASK_TIMEOUT, reader.read_line(&mut line));
    read.await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let ask: Ask = serde_json::from_str(&line)?;
    let same = bool::from(ask.token.as_bytes().ct_eq(token.as_bytes()));
    let error = if same {
        let (answer_tx, answer_rx) = oneshot::channel();
        let request = ControlRequest {
            server: ask.stop_server,
            answer: answer_tx,
        };
        match requests.send(request).await {
            Ok(()) => answer_rx
                .await
                .unwrap_or_else(|_| Err("the process is stopping".into()))
                .err(),
            Err(_) => Some("the process is stopping".into()),
        }
    } else {
        Some("wrong token".into())
    };
    let mut reply = serde_json::to_vec(&Answer { error })?;
    reply.push(b'\n');
    writer.write_all(&reply).await?;
    Ok(())
}

/// Asks the `antiphon up` on this data directory to stop one of its servers, and waits until
/// it has.
pub async fn stop_server(data_dir: &Path, server: &str) -> Result<(), ControlError> {
    let not_running = || ControlError::NotRunning {
        dir: data_dir.to_path_buf(),
    };
    let door = match fs::read(data_dir.join(CONTROL_FILE)) {
        Ok(door) => door,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_running()),
        Err(error) => return Err(error.into()),
    };
    let door: Door = serde_json::from_slice(&door)?;
    let mut stream = TcpStream::connect(door.addr)
        .await
        .map_err(|_| not_running())?;
    let mut ask = serde_json::to_vec(&Ask {
        token: door.token,
        stop_server: server.to_owned(),
    })?;
    ask.push(b'\n');
    stream.write_all(&ask).await?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(LINE_BYTES_MAX));
    let read = clock::timeout(ANSWER_TIMEOUT, reader.read_line(&mut line));
    read.await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let answer: Answer = serde_json::from_str(&line)?;
    answer
        .error
        .map_or(Ok(()), |error| Err(ControlError::Refused(error)))
}

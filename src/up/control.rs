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

use crate::status::ClusterStatus;

const CONTROL_FILE: &str = "control.json";
const LINE_BYTES_MAX: u64 = 4 * 1024;
/// A status grows with the number of servers.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
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

/// What another process asks for.
#[derive(Debug)]
pub(super) enum ControlRequest {
    /// To stop one server.
    StopServer {
        /// Which.
        name: String,
        /// Told how it went.
        answer_tx: oneshot::Sender<Result<(), String>>,
    },
    /// What the cluster is at.
    Status {
        /// Told it.
        answer_tx: oneshot::Sender<ClusterStatus>,
    },
}

#[derive(Serialize, Deserialize)]
struct Door {
    addr: SocketAddr,
    token: String,
}

#[derive(Serialize, Deserialize)]
struct Ask {
    token: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    StopServer(String),
    Status {},
}

#[derive(Default, Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<ClusterStatus>,
}

impl Answer {
    fn error(words: impl Into<String>) -> Self {
        Self {
            error: Some(words.into()),
            status: None,
        }
    }
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
    let answer = if same {
        carry_out(ask.what, requests).await
    } else {
        Answer::error("wrong token")
    };
    let mut reply = serde_json::to_vec(&answer)?;
    reply.push(b'\n');
    writer.write_all(&reply).await?;
    Ok(())
}

async fn carry_out(what: What, requests: &mpsc::Sender<ControlRequest>) -> Answer {
    let stopping = || Answer::error("the process is stopping");
    match what {
        What::StopServer(name) => {
            let (answer_tx, answer_rx) = oneshot::channel();
            let request = ControlRequest::StopServer { name, answer_tx };
            if requests.send(request).await.is_err() {
                return stopping();
            }
            match answer_rx.await {
                Ok(Ok(())) => Answer::default(),
                Ok(Err(why)) => Answer::error(why),
                Err(_) => stopping(),
            }
        }
        What::Status {} => {
            let (answer_tx, answer_rx) = oneshot::channel();
            if requests
                .send(ControlRequest::Status { answer_tx })
                .await
                .is_err()
            {
                return stopping();
            }
            answer_rx.await.map_or_else(
                |_| stopping(),
                |status| Answer {
                    error: None,
                    status: Some(status),
                },
            )
        }
    }
}

/// Asks the `antiphon up` on this data directory to stop one of its servers, and waits until
/// it has.
pub async fn stop_server(data_dir: &Path, server: &str) -> Result<(), ControlError> {
    ask(data_dir, What::StopServer(server.to_owned()))
        .await
        .map(|_| ())
}

/// Asks the `antiphon up` on this data directory what its cluster is at.
pub async fn status(data_dir: &Path) -> Result<ClusterStatus, ControlError> {
    let answer = ask(data_dir, What::Status {}).await?;
    answer
        .status
        .ok_or_else(|| ControlError::Refused("the answer holds no status".into()))
}

async fn ask(data_dir: &Path, what: What) -> Result<Answer, ControlError> {
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
    let token = door.token;
    let mut line = serde_json::to_vec(&Ask { token, what })?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(ANSWER_BYTES_MAX));
    let read = clock::timeout(ANSWER_TIMEOUT, reader.read_line(&mut line));
    read.await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let answer: Answer = serde_json::from_str(&line)?;
    match answer.error {
        Some(error) => Err(ControlError::Refused(error)),
        None => Ok(answer),
    }
}

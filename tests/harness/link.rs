//! A line between a client and its server that can be cut, silenced, and led elsewhere: a
//! gateway that names a relay, and the relay.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const READ_BYTES: usize = 4096;

/// See the head of the file. Everything ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    gateway: String,
    name: Arc<Mutex<String>>,
    /// Where it leads; nowhere if it is cut.
    way_tx: watch::Sender<Option<String>>,
    deaf: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// A line to the server at `target`, whom the gateway calls `name`.
    pub(crate) async fn to(name: &str, target: &str) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gateway.local_addr().unwrap());
        let port = relay.local_addr().unwrap().port();
        let name = Arc::new(Mutex::new(name.to_owned()));
        let (way_tx, way_rx) = watch::channel(Some(target.to_owned()));
        let deaf = Arc::new(AtomicBool::new(false));
        let (told, is_deaf) = (Arc::clone(&name), Arc::clone(&deaf));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = gateway.accept().await {
                let name = told.lock().unwrap().clone();
                let entry = serde_json::json!({"name": name, "host": "127.0.0.1", "port": port});
                answers.spawn(answer_http(stream, entry.to_string()));
            }
        });
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((stream, _)) = relay.accept().await {
                carried.spawn(carry(stream, way_rx.clone(), Arc::clone(&is_deaf)));
            }
        });
        Self {
            gateway: url,
            name,
            way_tx,
            deaf,
            _tasks: tasks,
        }
    }

    /// Where a client asks for its server.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        self.way_tx.send_replace(None);
    }

    /// From now on the server hears the client, and the client nothing.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Leads new connections there; older ones end.
    pub(crate) fn lead_to(&self, name: &str, target: &str) {
        name.clone_into(&mut self.name.lock().unwrap());
        self.deaf.store(false, Ordering::SeqCst);
        self.way_tx.send_replace(Some(target.to_owned()));
    }
}

/// Reads a request's head and answers with this body.
pub(crate) async fn answer_http(mut stream: TcpStream, body: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

async fn carry(
    mut near: TcpStream,
    mut way_rx: watch::Receiver<Option<String>>,
    deaf: Arc<AtomicBool>,
) {
    let Some(target) = way_rx.borrow_and_update().clone() else {
        return;
    };
    let Ok(mut far) = TcpStream::connect(&target).await else {
        return;
    };
    let (mut near_read, mut near_write) = near.split();
    let (mut far_read, mut far_write) = far.split();
    let back = async {
        let mut buffer = [0; READ_BYTES];
        while let Ok(length @ 1..) = far_read.read(&mut buffer).await {
            let heard = !deaf.load(Ordering::SeqCst);
            if heard && near_write.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ended = copy(&mut near_read, &mut far_write) => {}
        () = back => {}
        _changed = way_rx.changed() => {}
    }
}

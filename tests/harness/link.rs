//! A line between a client and its server that can be cut, silenced, and led elsewhere: a
//! gateway that names a relay, and the relay.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the relay does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// It leads to this address.
    Open(String),
    /// Connections end at once.
    Cut,
}

/// See the head of the file. Everything ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    gateway: String,
    name: Arc<Mutex<String>>,
    way_tx: watch::Sender<Way>,
    tasks: Vec<JoinHandle<()>>,
}

impl Link {
    /// A line to the server at `target`, whom the gateway calls `name`.
    pub(crate) async fn to(name: &str, target: &str) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gateway.local_addr().unwrap());
        let port = relay.local_addr().unwrap().port();
        let name = Arc::new(Mutex::new(name.to_owned()));
        let (way_tx, way_rx) = watch::channel(Way::Open(target.to_owned()));
        let told = Arc::clone(&name);
        let tasks = vec![
            tokio::spawn(async move {
                while let Ok((stream, _)) = gateway.accept().await {
                    let name = told.lock().unwrap().clone();
                    let entry = serde_json::json!({"name": name, "host": "127.0.0.1", "port": port});
                    tokio::spawn(answer_http(stream, entry.to_string()));
                }
            }),
            tokio::spawn(async move {
                while let Ok((stream, _)) = relay.accept().await {
                    tokio::spawn(carry(stream, way_rx.clone()));
                }
            }),
        ];
        Self {
            gateway: url,
            name,
            way_tx,
            tasks,
        }
    }

    /// Where a client asks for its server.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        self.way_tx.send_replace(Way::Cut);
    }

    /// Leads new connections there; older ones end.
    pub(crate) fn lead_to(&self, name: &str, target: &str) {
        name.clone_into(&mut self.name.lock().unwrap());
        self.way_tx.send_replace(Way::Open(target.to_owned()));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
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

async fn carry(mut near: TcpStream, mut way_rx: watch::Receiver<Way>) {
    let way = way_rx.borrow_and_update().clone();
    let Way::Open(target) = way else { return };
    let Ok(mut far) = TcpStream::connect(&target).await else {
        return;
    };
    tokio::select! {
        _ended = copy_bidirectional(&mut near, &mut far) => {}
        _changed = way_rx.changed() => {}
    }
}

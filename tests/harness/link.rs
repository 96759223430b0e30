//! A line between a client and its server that can be cut, silenced, and led elsewhere: a
//! gateway that names a proxy, and the proxy.

use std::sync::{Arc, Mutex};

use antiphon::torture::proxy::{Flow, Lane, Proxy, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// See the head of the file. Everything ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    gateway: String,
    name: Arc<Mutex<String>>,
    proxy: Proxy,
    _tasks: JoinSet<()>,
}

impl Link {
    /// A line to the server at `target`, whom the gateway calls `name`.
    pub(crate) async fn to(name: &str, target: &str) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gateway.local_addr().unwrap());
        let proxy = Proxy::to(target, 0).await.unwrap();
        let port = proxy.addr().port();
        let name = Arc::new(Mutex::new(name.to_owned()));
        let told = Arc::clone(&name);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((stream, _)) = gateway.accept().await {
                let name = told.lock().unwrap().clone();
                let entry = serde_json::json!({"name": name, "host": "127.0.0.1", "port": port});
                answers.spawn(answer_http(stream, entry.to_string()));
            }
        });
        Self {
            gateway: url,
            name,
            proxy,
            _tasks: tasks,
        }
    }

    /// Where a client asks for its server.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        self.proxy.cut();
    }

    /// From now on the server hears the client, and the client nothing.
    pub(crate) fn deafen(&self) {
        let back = Lane {
            flow: Flow::Lost,
            ..Lane::default()
        };
        self.proxy.set(Way {
            back,
            ..Way::default()
        });
    }

    /// Leads new connections there; older ones end.
    pub(crate) fn lead_to(&self, name: &str, target: &str) {
        name.clone_into(&mut self.name.lock().unwrap());
        self.proxy.lead_to(target);
        self.proxy.mend();
        self.proxy.reset();
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

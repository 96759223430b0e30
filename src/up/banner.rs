//! What `antiphon up` says once it serves.

use owo_colors::{OwoColorize, Stream};
use serde::Serialize;

use super::{ServerState, Up};

/// Where the client looks if nobody tells it.
const DEFAULT_GATEWAY: &str = "http://127.0.0.1:8888";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    event: &'static str,
    gateway: String,
    servers: Vec<ReadyServer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    data_dir: String,
}

#[derive(Serialize)]
struct ReadyServer {
    name: String,
    client: String,
    cluster: String,
    leader: bool,
}

/// The one line of `--json`.
pub fn ready_line(up: &Up) -> String {
    let server = |server: ServerState| ReadyServer {
        name: server.name,
        client: server.client.to_string(),
        cluster: server.cluster.to_string(),
        leader: server.leads,
    };
    let ready = Ready {
        event: "ready",
        gateway: up.gateway_url(),
        servers: up.state().into_iter().map(server).collect(),
        admin: up.admin_addr().map(|addr| format!("http://{addr}")),
        data_dir: up.data_dir().to_string_lossy().into_owned(),
    };
    serde_json::to_string(&ready).expect("strings and booleans serialize")
}

/// The words for people.
pub fn welcome(up: &Up, open_login: bool) -> String {
    let dim = |text: String| {
        text.if_supports_color(Stream::Stdout, |t| t.dimmed())
            .to_string()
    };
    let bold = |text: String| {
        text.if_supports_color(Stream::Stdout, |t| t.bold())
            .to_string()
    };
    let mut lines = vec![
        String::new(),
        format!("  {}", bold("Antiphon is up.".into())),
        String::new(),
    ];
    lines.push(format!("  gateway   {}", bold(up.gateway_url())));
    for server in up.state() {
        let role = if server.leads { "leader" } else { "follower" };
        lines.push(format!(
            "  server    {}  ws://{}  {}",
            server.name,
            server.client,
            dim(role.into())
        ));
    }
    if let Some(addr) = up.admin_addr() {
        lines.push(format!("  admin     http://{addr}/metrics"));
    }
    lines.push(format!("  data      {}", up.data_dir().display()));
    lines.push(String::new());
    let flags = if up.gateway_url() == DEFAULT_GATEWAY {
        String::new()
    } else {
        format!(" --gateway {}", up.gateway_url())
    };
    let client = bold(format!("antiphon client{flags}"));
    lines.push(format!("  To chat, in another terminal:  {client}"));
    let checkout = format!("(from a checkout: cargo run --release -- client{flags})");
    lines.push(format!("  {}", dim(checkout)));
    lines.push(format!(
        "  {}",
        how_to_log_in(open_login, up.demo_password())
    ));
    lines.push(format!(
        "  {}",
        dim("Ctrl-C stops everything; the data stay.".into())
    ));
    lines.push(String::new());
    lines.join("\n")
}

fn how_to_log_in(open_login: bool, demo_password: Option<&str>) -> String {
    match (open_login, demo_password) {
        (true, Some(_)) => {
            "Log in as user1, user2, … without a password (open login: for local trials only)."
                .into()
        }
        (true, None) => {
            "Any existing name logs in without a password (open login: for local trials only)."
                .into()
        }
        (false, Some(password)) => {
            format!("Log in as user1, user2, … with the password {password}, or register a name.")
        }
        (false, None) => "Register a name there, and talk.".into(),
    }
}

//! What the gateway answers over HTTP.

use serde::{Deserialize, Serialize};

/// One live server, as the gateway hands it out. `host` and `port` are where clients connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerEntry {
    /// The server's opaque name.
    pub name: String,
    /// Host name or address for clients, IPv6 without brackets.
    pub host: String,
    /// The client port.
    pub port: u16,
}

/// One server in `GET /servers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedServer {
    /// Where it is.
    #[serde(flatten)]
    pub server: ServerEntry,
    /// Open connections when the list was made.
    pub connections: u64,
    /// Its share of new clients compared with the others; 0 takes none.
    pub weight: u32,
}

/// The answer to `GET /servers`: least loaded first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerList {
    /// Least loaded first.
    pub servers: Vec<RankedServer>,
    /// When the leader made the list, in milliseconds since 1970.
    pub generated_at: u64,
    /// Age of the list in seconds.
    pub age_seconds: u64,
    /// After so many milliseconds the list should be asked for again.
    pub expires_in_ms: u64,
}

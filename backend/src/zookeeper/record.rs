//! What a member's node holds: a [`NodeRecord`] as JSON with a version, and a tag by which its
//! maker knows it again. Whatever else stands there is an error, never a guess.

use antiphon_core::contract::NodeRecord;
use serde_json::{Value, json};

/// Raised when servers of the version before could not read it.
const VERSION: u64 = 1;
/// Far above any record.
const BYTES_MAX: usize = 16 * 1024;

/// Why a node's data are no record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum RecordError {
    #[error("it has {0} bytes")]
    Length(usize),
    #[error("it is not JSON")]
    Json,
    #[error("it is of version {0}; this server reads version {VERSION}")]
    Version(u64),
    #[error("{0:?} is missing or of another type")]
    Field(&'static str),
}

/// A record and its maker's tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    pub(super) tag: String,
    pub(super) record: NodeRecord,
}

impl Tagged {
    pub(super) fn encode(&self) -> Vec<u8> {
        let record = &self.record;
        let value = json!({
            "version": VERSION,
            "tag": self.tag,
            "name": record.name,
            "clusterAddr": record.cluster_addr,
            "clientHost": record.client_host,
            "clientPort": record.client_port,
        });
        value.to_string().into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > BYTES_MAX {
            return Err(RecordError::Length(bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| RecordError::Json)?;
        let field = |name: &'static str| value.get(name).ok_or(RecordError::Field(name));
        let number = |name| field(name)?.as_u64().ok_or(RecordError::Field(name));
        let text = |name| {
            let text = field(name)?.as_str().ok_or(RecordError::Field(name));
            text.map(str::to_owned)
        };
        let version = number("version")?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let port = number("clientPort")?;
        Ok(Self {
            tag: text("tag")?,
            record: NodeRecord {
                name: text("name")?,
                cluster_addr: text("clusterAddr")?,
                client_host: text("clientHost")?,
                client_port: u16::try_from(port).map_err(|_| RecordError::Field("clientPort"))?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged() -> Tagged {
        Tagged {
            tag: "0123abcd".to_owned(),
            record: NodeRecord {
                name: "s1".to_owned(),
                cluster_addr: "[::1]:7001".to_owned(),
                client_host: "2001:db8::1".to_owned(),
                client_port: 9_000,
            },
        }
    }

    #[test]
    fn a_record_comes_back_also_with_fields_of_a_newer_server() {
        assert_eq!(Tagged::decode(&tagged().encode()), Ok(tagged()));
        let mut value: Value = serde_json::from_slice(&tagged().encode()).unwrap();
        value["zone"] = json!("north");
        assert_eq!(Tagged::decode(value.to_string().as_bytes()), Ok(tagged()));
    }

    #[test]
    fn anything_else_is_an_error() {
        assert_eq!(Tagged::decode(b""), Err(RecordError::Json));
        assert_eq!(Tagged::decode(b"\xff\x00"), Err(RecordError::Json));
        assert_eq!(Tagged::decode(b"[]"), Err(RecordError::Field("version")));
        assert_eq!(
            Tagged::decode(br#"{"version":2}"#),
            Err(RecordError::Version(2))
        );
        let long = vec![b' '; BYTES_MAX + 1];
        assert_eq!(Tagged::decode(&long), Err(RecordError::Length(long.len())));
        for (name, wrong) in [
            ("tag", json!(1)),
            ("name", json!(null)),
            ("clientPort", json!(70_000)),
            ("clientPort", json!("9000")),
        ] {
            let mut value: Value = serde_json::from_slice(&tagged().encode()).unwrap();
            value[name] = wrong;
            let decoded = Tagged::decode(value.to_string().as_bytes());
            assert_eq!(decoded, Err(RecordError::Field(name)));
        }
    }
}

//! Scripts, and calls of them.

use redis::{Cmd, ToRedisArgs};

/// A script and its hash.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    hash: String,
}

impl Script {
    /// A script from its parts, in order.
    pub(super) fn new(parts: &[&str]) -> Self {
        let code = parts.concat();
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    /// By hash, which is short; Redis says if it doesn't know it.
    pub(super) fn by_hash(&self, call: &Call) -> Cmd {
        call.command("EVALSHA", &self.hash)
    }

    /// By text, which also makes it known. Unlike `SCRIPT LOAD`, this reaches the right server
    /// of a cluster.
    pub(super) fn by_text(&self, call: &Call) -> Cmd {
        call.command("EVAL", &self.code)
    }
}

/// The keys and arguments of one call.
#[derive(Debug, Default)]
pub(super) struct Call {
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn on(keys: &[String]) -> Self {
        Self {
            keys: keys.to_vec(),
            args: Vec::new(),
        }
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.args);
        command
    }
}

/// A duration as scripts take it.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! The key that the servers of a cluster share: from a file, or made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use antiphon_core::net::{ClusterKey, KEY_BYTES_MIN};
use antiphon_core::random;

use super::UpError;
use crate::config::Config;

const KEY_FILE: &str = "cluster.key";

/// Reads the configured key, or the data directory's own, which is made if absent.
pub(super) fn load(config: &Config, data_dir: &Path) -> Result<ClusterKey, UpError> {
    let configured = &config.cluster.key_file;
    let path = if configured.is_empty() {
        data_dir.join(KEY_FILE)
    } else {
        PathBuf::from(configured)
    };
    let read = if configured.is_empty() && !path.exists() {
        make(&path)
    } else {
        read(&path)
    };
    read.map_err(|source| UpError::ClusterKey { path, source })
}

fn read(path: &Path) -> io::Result<ClusterKey> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = "others may read it; set its mode to 0600";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let text = fs::read(path)?;
    let too_short = || {
        let message = format!("it has fewer than {KEY_BYTES_MIN} bytes");
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    ClusterKey::new(text.trim_ascii().to_vec()).ok_or_else(too_short)
}

fn make(path: &Path) -> io::Result<ClusterKey> {
    let text = random::hex::<KEY_BYTES_MIN>();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    read(path)
}

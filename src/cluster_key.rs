//! The key that the servers of a cluster share: from a file, or made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use antiphon_core::net::{ClusterKey, KEY_BYTES_MIN};
use antiphon_core::random;

/// Its name in a data directory.
pub(crate) const KEY_FILE: &str = "cluster.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[error("the cluster key {} can't be used", path.display())]
pub struct ClusterKeyError {
    /// Its file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Reads the configured key, or the data directory's own, which is made if absent.
pub fn load_or_make(configured: &str, data_dir: &Path) -> Result<ClusterKey, ClusterKeyError> {
    if !configured.is_empty() {
        return load(Path::new(configured));
    }
    let path = data_dir.join(KEY_FILE);
    let key = if path.exists() {
        read(&path)
    } else {
        make(&path)
    };
    key.map_err(|source| ClusterKeyError { path, source })
}

/// Reads a key that somebody has put there.
pub fn load(path: &Path) -> Result<ClusterKey, ClusterKeyError> {
    read(path).map_err(|source| ClusterKeyError {
        path: path.to_path_buf(),
        source,
    })
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

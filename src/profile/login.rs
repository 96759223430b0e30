//! A profile's resume token on disk, and the lock around its use.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::client::Secret;
use toml_edit::{DocumentMut, value};

use super::{EXTENSION, Profile, ProfileError, ProfileName, file};

/// How long another process may hold the lock: longer than any login takes.
const LOCK_DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at a lock that is held.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Where a profile's login is kept.
#[derive(Debug, Clone)]
pub struct LoginFile {
    path: PathBuf,
    lock: PathBuf,
}

impl LoginFile {
    pub(super) fn new(folder: PathBuf, name: &ProfileName) -> Self {
        Self {
            path: folder.join(format!("{name}.{EXTENSION}")),
            lock: folder.join(format!("{name}.lock")),
        }
    }

    /// Whether there is one; it may be too old to be of use.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Its place.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Removes the token. False if it was not there.
    pub fn remove(&self) -> Result<bool, ProfileError> {
        file::remove(&self.path)
    }

    /// Waits, at most so long, until no other process is using the token. The lock ends with
    /// the value, and with the process however that ends.
    pub async fn lock(&self, patience: Duration) -> Result<LoginLock, ProfileError> {
        let held = file::lock_file(&self.lock)?;
        let end = clock::now() + patience.min(LOCK_DEADLINE);
        loop {
            match held.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if clock::now() < end => {
                    clock::sleep(LOCK_RETRY).await;
                }
                Err(TryLockError::WouldBlock) => return Err(ProfileError::Locked),
                Err(TryLockError::Error(source)) => {
                    let path = self.lock.clone();
                    return Err(ProfileError::Io { path, source });
                }
            }
        }
        Ok(LoginLock {
            file: self.clone(),
            _held: held,
        })
    }
}

/// The right to use and replace the token.
#[derive(Debug)]
pub struct LoginLock {
    file: LoginFile,
    _held: File,
}

impl LoginLock {
    /// The token, if there is one for exactly this gateway and user.
    pub fn token(&self, profile: &Profile) -> Result<Option<Secret>, ProfileError> {
        let path = &self.file.path;
        let Some(text) = file::read(path)? else {
            return Ok(None);
        };
        if file::is_exposed(path)? {
            let path = path.clone();
            return Err(ProfileError::Exposed { path });
        }
        let wrong = |why: String| ProfileError::Content {
            path: path.clone(),
            why,
        };
        let kept_for = Profile::from_toml(&text).map_err(wrong)?;
        let table: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| wrong(error.message().to_owned()))?;
        let token = table.get("token").and_then(|item| item.as_str());
        let token = token.ok_or_else(|| wrong("`token` is missing".to_owned()))?;
        Ok((kept_for == *profile).then(|| Secret(token.to_owned())))
    }

    /// Keeps the token to be used next.
    pub fn keep(&self, profile: &Profile, token: &Secret) -> Result<(), ProfileError> {
        let mut table = profile.to_toml();
        table["token"] = value(token.0.as_str());
        let head = "# Who has this file is logged in as you: keep it to yourself.\n";
        file::write(&self.file.path, &format!("{head}{table}"))
    }

    /// Drops a token that is of no use any more.
    pub fn drop_token(&self) -> Result<(), ProfileError> {
        self.file.remove().map(drop)
    }
}

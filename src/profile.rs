//! Profiles: who one is and where, kept between runs.
//!
//! `profiles/NAME.toml` in the configuration folder holds the gateway and the user name.
//! `logins/NAME.toml` in the state folder holds the resume token, for this user's eyes only
//! (mode 0600 in a folder of mode 0700); it names the gateway and the user that the token is
//! for, so that no token is ever sent anywhere else. Every file is written beside its place
//! and renamed.
//!
//! Several processes share a profile. A resume token works once, so who uses it holds the
//! profile's lock from reading it until its successor is on disk; see `account` for the rest.

mod file;
mod login;

use std::fmt;
use std::io;
use std::path::PathBuf;

use antiphon_client::GatewayUrl;
use antiphon_protocol::UserName;
use toml_edit::{DocumentMut, value};

pub use login::{LoginFile, LoginLock};

/// The profile that is used if none is named.
pub const DEFAULT_PROFILE: &str = "default";
/// Longest name of a profile.
const NAME_BYTES_MAX: usize = 32;
const EXTENSION: &str = "toml";

/// Why a profile can't be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A name that can't be a file's.
    #[error(
        "a profile's name has 1 to {NAME_BYTES_MAX} letters, digits, _ or - (and dots behind \
         the first)"
    )]
    Name,
    /// The file system.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what this program has written.
    #[error("{} can't be read: {why}; `antiphon profile forget` removes it", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Somebody else may read the token.
    #[error("{} can be read by others; its mode must be 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Another process has held the lock all the time.
    #[error("another process is logging in under this profile and does not end")]
    Locked,
}

/// The folders of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// `antiphon` in the XDG configuration folder.
    pub config: PathBuf,
    /// `antiphon` in the XDG state folder.
    pub state: PathBuf,
}

/// A profile's name: safe as a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileName(String);

impl ProfileName {
    /// Checks a name.
    pub fn parse(raw: &str) -> Result<Self, ProfileError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits = (1..=NAME_BYTES_MAX).contains(&raw.len()) && raw.bytes().all(plain);
        if fits && !raw.starts_with(['.', '-']) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(ProfileError::Name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who one is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The gateway.
    pub gateway: GatewayUrl,
    /// The user.
    pub user: UserName,
}

impl Profile {
    fn from_toml(text: &str) -> Result<Self, String> {
        let table: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
        let text_of = |key: &str| {
            let text = table.get(key).and_then(|item| item.as_str());
            text.ok_or_else(|| format!("`{key}` is missing"))
        };
        let gateway = GatewayUrl::parse(text_of("gateway")?).map_err(|error| error.to_string())?;
        let user = UserName::parse(text_of("user")?).map_err(|error| error.to_string())?;
        Ok(Self { gateway, user })
    }

    fn to_toml(&self) -> DocumentMut {
        let mut table = DocumentMut::new();
        table["gateway"] = value(self.gateway.to_string());
        table["user"] = value(self.user.as_str());
        table
    }
}

/// Every profile of this user.
#[derive(Debug, Clone)]
pub struct Profiles {
    folders: Folders,
}

impl Profiles {
    /// Those in these folders.
    pub fn new(folders: Folders) -> Self {
        Self { folders }
    }

    fn path(&self, name: &ProfileName) -> PathBuf {
        let folder = self.folders.config.join("profiles");
        folder.join(format!("{name}.{EXTENSION}"))
    }

    /// Their names, sorted.
    pub fn names(&self) -> Result<Vec<ProfileName>, ProfileError> {
        let folder = self.folders.config.join("profiles");
        let failed = |source| ProfileError::Io {
            path: folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|found| found == EXTENSION)
                && let Some(Ok(name)) = stem.map(ProfileName::parse)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// A profile, if it is there.
    pub fn load(&self, name: &ProfileName) -> Result<Option<Profile>, ProfileError> {
        let path = self.path(name);
        let Some(text) = file::read(&path)? else {
            return Ok(None);
        };
        match Profile::from_toml(&text) {
            Ok(profile) => Ok(Some(profile)),
            Err(why) => Err(ProfileError::Content { path, why }),
        }
    }

    /// Keeps a profile.
    pub fn save(&self, name: &ProfileName, profile: &Profile) -> Result<(), ProfileError> {
        file::write(&self.path(name), &profile.to_toml().to_string())
    }

    /// The profile's login.
    pub fn login(&self, name: &ProfileName) -> LoginFile {
        LoginFile::new(self.folders.state.join("logins"), name)
    }

    /// Removes a profile and its login. False if neither was there.
    pub fn forget(&self, name: &ProfileName) -> Result<bool, ProfileError> {
        let login = self.login(name).remove()?;
        Ok(file::remove(&self.path(name))? || login)
    }
}

#[cfg(test)]
mod tests;

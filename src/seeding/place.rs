//! Where test data go: the embedded store of a folder, or a shared database.

use std::path::{Path, PathBuf};

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_seed::Stores;

use super::SeedingError;
use crate::role::SharedStore;

/// See the head of the file. The folder keeps the demo users' password in either case.
#[derive(Debug, Clone)]
pub enum Place {
    /// The embedded store of this folder.
    Folder(PathBuf),
    /// The database at this URL.
    Database {
        /// Its URL.
        url: String,
        /// Where the password is kept.
        folder: PathBuf,
    },
}

/// An open store.
pub(super) enum Open {
    Embedded(EmbeddedStore),
    Shared(SharedStore),
}

impl Place {
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) | Self::Database { folder, .. } => folder,
        }
    }

    /// What people call it; without a password.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Folder(folder) => EmbeddedStore::database_file(folder).display().to_string(),
            Self::Database { url, .. } => without_secret(url),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "the embedded store",
            Self::Database { .. } => "a MongoDB database",
        }
    }

    pub(super) async fn open(&self) -> Result<Open, SeedingError> {
        match self {
            Self::Folder(folder) => Ok(Open::Embedded(EmbeddedStore::open(folder).await?)),
            Self::Database { url, .. } => Ok(Open::Shared(SharedStore::connect(url).await?)),
        }
    }

    /// The store to look at; `None` if there is none yet. A folder stays as it is; a database
    /// gets its empty collections and their indexes.
    pub(super) async fn open_to_read(&self) -> Result<Option<Open>, SeedingError> {
        match self {
            Self::Folder(folder) => {
                let store = EmbeddedStore::open_to_read(folder).await?;
                Ok(store.map(Open::Embedded))
            }
            Self::Database { .. } => self.open().await.map(Some),
        }
    }
}

impl Open {
    pub(super) fn stores(&self) -> Stores {
        match self {
            Self::Embedded(store) => super::stores(store),
            Self::Shared(store) => Stores {
                users: store.users(),
                rooms: store.rooms(),
                archive: store.archive(),
            },
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Shared(store) => store.close().await,
        }
    }
}

/// A URL as it may be shown.
fn without_secret(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "the database".to_owned();
    };
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    // Options may hold secrets, too.
    let end = rest.find('?').unwrap_or(rest.len());
    format!("{scheme}://{}", &rest[host..end.max(host)])
}

#[cfg(test)]
mod tests {
    use super::without_secret;

    #[test]
    fn a_shown_url_holds_no_secret() {
        for (url, shown) in [
            ("mongodb://h:1/chat", "mongodb://h:1/chat"),
            (
                "mongodb://u:p%40@h:1,i:2/chat?x=y",
                "mongodb://h:1,i:2/chat",
            ),
            ("mongodb://u:p@h?authSource=s", "mongodb://h"),
            ("nothing", "the database"),
        ] {
            assert_eq!(without_secret(url), shown);
        }
    }
}

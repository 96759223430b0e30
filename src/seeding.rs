//! `antiphon seed`, and the `--seed` of `antiphon up`: test data in the embedded store.

pub mod command;
mod place;
pub(crate) mod show;

pub use place::Place;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use antiphon_backend::embedded::{EmbeddedStore, OpenError};
use antiphon_core::{random, task};
use antiphon_seed::{Progress, SeedError, SeedOptions, Stores, Summary};

use crate::role::ConnectError;
use crate::server::hash_password;

/// Keeps the demo users' password, so that a second run tells the same.
const PASSWORD_FILE: &str = "demo-password";

/// Why test data could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SeedingError {
    /// The data directory.
    #[error("the data directory can't be opened")]
    Store(#[from] OpenError),
    /// The database.
    #[error("the database can't be used")]
    Database(#[from] ConnectError),
    /// The password's file.
    #[error("the demo password {} can't be kept", path.display())]
    Password {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The seed itself.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

/// What was made, and how to log in.
#[derive(Debug)]
pub struct Seeded {
    /// The counts.
    pub summary: Summary,
    /// The password of the users that a seed made in this directory.
    pub password: String,
}

/// Fills the store of a place, which no process has open if it is a folder; `None` if `stop`
/// came before it was full. What is stored then stays, and the next run goes on from there.
pub async fn seed_place(
    place: &Place,
    options: SeedOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
    stop: impl Future<Output = ()>,
) -> Result<Option<Seeded>, SeedingError> {
    let store = place.open().await?;
    let stores = store.stores();
    let seeded = tokio::select! {
        seeded = fill(&stores, place.folder(), options, progress) => seeded.map(Some),
        () = stop => Ok(None),
    };
    store.close().await;
    seeded
}

/// Fills an open store.
pub(crate) async fn seed_store(
    store: &EmbeddedStore,
    data_dir: &Path,
    options: SeedOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Seeded, SeedingError> {
    fill(&stores(store), data_dir, options, progress).await
}

async fn fill(
    stores: &Stores,
    data_dir: &Path,
    options: SeedOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Seeded, SeedingError> {
    let path = data_dir.join(PASSWORD_FILE);
    let password =
        demo_password(&path).map_err(|source| SeedingError::Password { path, source })?;
    let to_hash = password.clone();
    let hash = task::blocking(move || hash_password(&to_hash)).await;
    let options = SeedOptions {
        password: Some(password.clone()),
        password_hash: hash,
        ..options
    };
    let summary = antiphon_seed::run(stores, &options, progress).await?;
    Ok(Seeded { summary, password })
}

fn stores(store: &EmbeddedStore) -> Stores {
    Stores {
        users: store.users(),
        rooms: store.rooms(),
        archive: store.archive(),
    }
}

/// Removes the demo users' password with them.
fn forget_password(data_dir: &Path) -> Result<(), SeedingError> {
    let path = data_dir.join(PASSWORD_FILE);
    match fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(SeedingError::Password { path, source }),
    }
}

fn demo_password(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(password) => Ok(password.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let password = format!("demo-{}", random::hex::<4>());
            // There is no folder yet if the data go elsewhere.
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(password.as_bytes())?;
            Ok(password)
        }
        Err(error) => Err(error),
    }
}

//! Small files for one user: read whole, written beside their place and renamed, mode 0600
//! from their first moment on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use antiphon_core::random;

use super::ProfileError;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// More than a profile or a login ever has.
const BYTES_MAX: u64 = 16 * 1024;

fn failed(path: &Path) -> impl Fn(io::Error) -> ProfileError {
    move |source| ProfileError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// The text of a file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, ProfileError> {
    let mut file = match File::open(path) {
        Ok(file) => file.take(BYTES_MAX),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed(path))?;
    Ok(Some(text))
}

/// Whether others than the owner may do something with a file.
pub(super) fn is_exposed(path: &Path) -> Result<bool, ProfileError> {
    let mode = fs::metadata(path)
        .map_err(failed(path))?
        .permissions()
        .mode();
    Ok(mode & 0o077 != 0)
}

/// The folder, for its owner alone.
pub(super) fn private_folder(folder: &Path) -> Result<(), ProfileError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE);
    builder.create(folder).map_err(failed(folder))?;
    // One that was there may be open.
    if is_exposed(folder)? {
        fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))
            .map_err(failed(folder))?;
    }
    Ok(())
}

/// Puts a whole file into its place.
pub(super) fn write(path: &Path, text: &str) -> Result<(), ProfileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    private_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", random::hex::<8>()));
    let written = write_new(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it holds nothing that anybody needs.
        let _removed = fs::remove_file(&beside);
    }
    written.map_err(failed(path))?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed(folder))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A file to lock; it holds nothing and stays.
pub(super) fn lock_file(path: &Path) -> Result<File, ProfileError> {
    private_folder(path.parent().unwrap_or(Path::new(".")))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.mode(FILE_MODE).open(path).map_err(failed(path))
}

/// Removes a file. False if it was not there.
pub(super) fn remove(path: &Path) -> Result<bool, ProfileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path)(error)),
    }
}

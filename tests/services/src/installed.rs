//! Where the installed servers are, and what to run when one is not there.

use std::env::var_os;
use std::path::{Path, PathBuf};

/// The cache folder, as `tests/services/install` finds it.
pub(crate) fn cache() -> PathBuf {
    let given = var_os("ANTIPHON_TEST_CACHE").filter(|given| !given.is_empty());
    if let Some(given) = given {
        return PathBuf::from(given);
    }
    let user = var_os("XDG_CACHE_HOME").filter(|given| !given.is_empty());
    let user = user.map(PathBuf::from).or_else(|| {
        let home = var_os("HOME")?;
        Some(Path::new(&home).join(".cache"))
    });
    user.unwrap_or_else(std::env::temp_dir)
        .join("antiphon-tests")
}

/// A program on the search path.
pub(crate) fn program(service: &str, name: &str) -> PathBuf {
    let path = var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| missing(service, name))
}

/// A file at a known place.
pub(crate) fn file(service: &str, path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    if path.is_file() {
        path
    } else {
        missing(service, &path.display().to_string())
    }
}

fn missing(service: &str, what: &str) -> ! {
    panic!("{service} is not installed ({what} is not there): run tests/services/install")
}

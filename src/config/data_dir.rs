//! Where data are kept if nobody says otherwise.

use std::path::{Path, PathBuf};

/// The data folder: `configured`, or `antiphon` under `$XDG_DATA_HOME`, or under
/// `~/.local/share`. `None` if all three are empty. A relative `$XDG_DATA_HOME` doesn't count,
/// as its specification wants.
pub fn resolve_data_dir(
    configured: &str,
    xdg_data_home: Option<&str>,
    home: Option<&str>,
) -> Option<PathBuf> {
    if !configured.is_empty() {
        return Some(PathBuf::from(configured));
    }
    let absolute = |path: &&Path| path.is_absolute();
    let xdg = xdg_data_home
        .map(Path::new)
        .filter(absolute)
        .map(Path::to_path_buf);
    let share = || {
        home.map(Path::new)
            .filter(absolute)
            .map(|home| home.join(".local/share"))
    };
    xdg.or_else(share).map(|base| base.join("antiphon"))
}

//! Opening, closing, opening again.

use std::error::Error;
use std::fs;

use antiphon_core::contract::Extent;
use rusqlite::Connection;

use super::super::opening::DATABASE_FILE;
use super::super::{EmbeddedStore, OpenError};
use super::{fill, fresh, open, room};

#[tokio::test]
async fn data_survive_a_close_and_the_generation_rises() {
    let (dir, store) = fresh().await;
    let data = dir.path().join("data");
    let log_id = store.archive().log_id();
    assert_eq!(store.generation(), 1);
    fill(&*store.archive(), &room("hall"), 250).await;
    store.close().await;
    assert!(
        !data.join("antiphon.db-wal").exists(),
        "the database and its seal are left"
    );
    for generation in 2..4 {
        let store = open(&data).await;
        assert_eq!(store.generation(), generation);
        assert_eq!(store.archive().log_id(), log_id);
        let extent = store.archive().extent(&room("hall")).await.unwrap();
        assert_eq!(
            extent,
            Extent {
                first: 1,
                last: 250
            }
        );
        store.close().await;
    }
    let (_other_dir, other) = fresh().await;
    assert_ne!(other.archive().log_id(), log_id);
}

#[tokio::test]
async fn a_second_open_of_the_directory_is_refused_until_the_first_closes() {
    let (dir, store) = fresh().await;
    let data = dir.path().join("data");
    let refused = EmbeddedStore::open(&data).await.unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(
        text.contains(&*data.to_string_lossy()) && text.contains("another process"),
        "{text}"
    );
    store.close().await;
    open(&data).await.close().await;
}

#[tokio::test]
async fn a_directory_that_cant_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let refused = EmbeddedStore::open(&file.join("data")).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Directory { .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("file/data"), "{refused}");
    assert!(refused.source().is_some(), "the system's own answer");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = fresh().await;
    let mode = fs::metadata(dir.path().join("data"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    store.close().await;
}

/// Changes a closed store's file with `sql`, as one who means it, and opens it again.
async fn reopen_after(sql: &str) -> Result<EmbeddedStore, OpenError> {
    let (dir, store) = fresh().await;
    let data = dir.path().join("data");
    store.close().await;
    let connection = Connection::open(data.join(DATABASE_FILE)).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
    fs::remove_file(data.join("antiphon.db-seal")).unwrap();
    EmbeddedStore::open(&data).await
}

/// Pitfall 86: the indexes are made at the start, and checked at every other one.
#[tokio::test]
async fn a_missing_or_changed_index_refuses_the_open() {
    for sql in [
        "DROP INDEX messages_by_client_id",
        "DROP INDEX messages_by_client_id; CREATE INDEX messages_by_client_id \
         ON messages (conversation, sender, client_id)",
        "DROP TABLE read_cursors",
        "ALTER TABLE users ADD COLUMN more TEXT",
        "CREATE TRIGGER sly AFTER INSERT ON users BEGIN DELETE FROM tokens; END",
    ] {
        let refused = reopen_after(sql).await.unwrap_err();
        assert!(
            matches!(refused, OpenError::Schema { .. }),
            "{sql}: {refused:?}"
        );
    }
    reopen_after("ANALYZE").await.unwrap().close().await;
}

#[tokio::test]
async fn another_version_and_another_programs_file_are_refused_untouched() {
    for sql in ["PRAGMA user_version = 2", "PRAGMA application_id = 5"] {
        let refused = reopen_after(sql).await.unwrap_err();
        assert!(
            matches!(refused, OpenError::Version { .. }),
            "{sql}: {refused:?}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(DATABASE_FILE);
    fs::write(
        &file,
        "not a database, but long enough to be looked at as one ".repeat(100),
    )
    .unwrap();
    let before = fs::read(&file).unwrap();
    let refused = EmbeddedStore::open(dir.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_stored_is_for_its_owner_alone_also_in_a_folder_that_others_see() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(dir.path()).await;
    fill(&*store.archive(), &room("hall"), 1).await;
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 3, "the lock, the database and its log");
    store.close().await;
}

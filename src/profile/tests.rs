//! Tests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::client::Secret;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn profiles(folder: &Path) -> Profiles {
    Profiles::new(Folders {
        config: folder.join("config/antiphon"),
        state: folder.join("state/antiphon"),
    })
}

fn profile(gateway: &str, user: &str) -> Profile {
    Profile {
        gateway: GatewayUrl::parse(gateway).unwrap(),
        user: UserName::parse(user).unwrap(),
    }
}

fn name(raw: &str) -> ProfileName {
    ProfileName::parse(raw).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn names_can_not_leave_their_folder() {
    for good in ["default", "work", "a.b", "x_1-2"] {
        assert_eq!(ProfileName::parse(good).unwrap().as_str(), good);
    }
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for bad in [
        "", ".", "..", "../x", "a/b", "-x", ".hidden", "ü", "a b", &long,
    ] {
        assert!(ProfileName::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_profile_is_kept_found_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = profiles(folder.path());
    assert_eq!(profiles.names().unwrap(), []);
    assert_eq!(profiles.load(&name("work")).unwrap(), None);
    let kept = profile("http://127.0.0.1:9000/chat", "zoë");
    profiles.save(&name("work"), &kept).unwrap();
    profiles.save(&name("default"), &kept).unwrap();
    assert_eq!(profiles.load(&name("work")).unwrap(), Some(kept));
    assert_eq!(profiles.names().unwrap(), [name("default"), name("work")]);
    assert!(profiles.forget(&name("work")).unwrap());
    assert!(!profiles.forget(&name("work")).unwrap());
    assert_eq!(profiles.names().unwrap(), [name("default")]);
}

#[test]
fn a_broken_profile_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = profiles(folder.path());
    for (text, why) in [
        ("gateway = ", "can't be read"),
        ("gateway = \"http://x:1\"", "`user` is missing"),
        ("gateway = \"ftp://x\"\nuser = \"a\"", "only http"),
        (
            "gateway = \"http://x:1\"\nuser = \"a b\"",
            "a name has letters",
        ),
    ] {
        file::write(&profiles.path(&name("x")), text).unwrap();
        let said = profiles.load(&name("x")).unwrap_err().to_string();
        assert!(said.contains("x.toml") && said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn a_token_is_for_its_owner_its_gateway_and_its_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = profiles(folder.path()).login(&name("default"));
    let mine = profile("http://127.0.0.1:8888", "alice");
    // A folder that was open is shut.
    let logins = file.path().parent().unwrap();
    std::fs::create_dir_all(logins).unwrap();
    std::fs::set_permissions(logins, std::fs::Permissions::from_mode(0o755)).unwrap();

    let lock = file.lock(PATIENCE).await.unwrap();
    assert_eq!(lock.token(&mine).unwrap(), None);
    lock.keep(&mine, &Secret("one \"two\"".to_owned())).unwrap();
    assert_eq!(mode(file.path()), 0o600);
    assert_eq!(mode(logins), 0o700);
    let token = lock.token(&mine).unwrap().unwrap();
    assert_eq!(token.0, "one \"two\"");
    for other in [
        profile("http://127.0.0.1:8889", "alice"),
        profile("http://127.0.0.1:8888", "bob"),
    ] {
        assert_eq!(lock.token(&other).unwrap(), None, "{other:?}");
    }
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        lock.token(&mine),
        Err(ProfileError::Exposed { .. })
    ));
    lock.keep(&mine, &Secret("two".to_owned())).unwrap();
    assert_eq!(mode(file.path()), 0o600, "a new file each time");
    let left: Vec<_> = std::fs::read_dir(logins).unwrap().collect();
    assert_eq!(left.len(), 2, "the token and the lock: {left:?}");
}

#[tokio::test]
async fn a_lock_keeps_others_waiting_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = profiles(folder.path()).login(&name("default"));
    let first = file.lock(PATIENCE).await.unwrap();
    let second = file.lock(PATIENCE);
    tokio::pin!(second);
    let early = clock::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "two holders");
    let gave_up = file.lock(Duration::from_millis(50)).await;
    assert!(matches!(gave_up, Err(ProfileError::Locked)), "{gave_up:?}");
    drop(first);
    second.await.unwrap();
}

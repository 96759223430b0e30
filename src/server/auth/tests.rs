use antiphon_core::contract::{BackendResult, UserRecord};
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::server::tests::support::{Stores, stores, user};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn secret(text: &str) -> Secret {
    Secret(text.into())
}

async fn fixture() -> (Stores, Auth) {
    let stores = stores().await;
    let record = UserRecord {
        name: user("alice"),
        password_hash: Some(hash_password("correct horse")),
        created_at_ms: 1,
    };
    stores.backends.users.create(record).await.unwrap();
    let auth = Auth::new(Arc::clone(&stores.backends.users), DAY, 30 * DAY);
    (stores, auth)
}

/// A short word for each way in which a login can fail.
fn word<T>(result: Result<T, AuthError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(AuthError::Failed) => "failed",
        Err(AuthError::TokenExpired) => "expired",
        Err(AuthError::Throttled(_)) => "throttled",
        Err(AuthError::Overloaded) => "overloaded",
        Err(AuthError::Backend(_)) => "backend",
    }
}

/// Pitfalls 22 and 23.
#[test]
fn passwords_are_stored_as_argon2id_with_a_salt_of_their_own() {
    let (one, two) = (hash_password("secret"), hash_password("secret"));
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    assert_ne!(one, two);
    assert!(verify_password(&one, "secret"));
    assert!(!verify_password(&one, "Secret"));
    assert!(!verify_password(&one, ""));
    for broken in ["", "secret", "$argon2id$", "$2b$10$abcdefghijklmnopqrstuv"] {
        assert!(!verify_password(broken, "secret"), "{broken:?}");
    }
}

/// Pitfall 38: one answer, after the same work: also for an unknown name a hash is checked.
#[tokio::test]
async fn an_unknown_name_costs_a_hash_like_a_wrong_password() {
    let (stores, auth) = fixture().await;
    let check = async |name: &str, password: &str| {
        word(
            auth.check_password(&user(name), secret(password), HERE)
                .await,
        )
    };
    assert_eq!(check("alice", "correct horse").await, "ok");
    assert!(auth.decoy.get().is_none());
    assert_eq!(check("alice", "wrong").await, "failed");
    assert_eq!(check("nobody", "wrong").await, "failed");
    let decoy = auth.decoy.get().expect("a hash to check against").clone();
    assert!(decoy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    // An account without a password is as closed as none.
    stores.add_users(&["open"]).await;
    assert_eq!(check("open", "").await, "failed");
    // With no hasher free both wait: neither takes a shortcut.
    let permits = auth.hashers.acquire_many(HASHERS as u32).await.unwrap();
    for name in ["alice", "nobody"] {
        let waits = clock::timeout(Duration::from_millis(100), check(name, "wrong"));
        assert!(waits.await.is_err(), "{name} was answered without work");
    }
    drop(permits);
}

#[tokio::test]
async fn guesses_at_an_account_are_slowed_down_more_and_more() {
    let (_stores, auth) = fixture().await;
    let guess = async |name: &str, password: &str| {
        auth.check_password(&user(name), secret(password), HERE)
            .await
    };
    for _ in 0..=FREE_FAILURES {
        assert_eq!(word(guess("alice", "wrong").await), "failed");
    }
    let Err(AuthError::Throttled(first)) = guess("alice", "correct horse").await else {
        panic!("not throttled");
    };
    assert!(first <= Duration::from_secs(2));
    // Others from the same place are not.
    assert_eq!(word(guess("bob", "wrong").await), "failed");
    tokio::time::pause();
    tokio::time::advance(first).await;
    tokio::time::resume();
    assert_eq!(word(guess("alice", "wrong").await), "failed");
    let Err(AuthError::Throttled(second)) = guess("alice", "correct horse").await else {
        panic!("not throttled");
    };
    assert!(second > first, "{second:?} after {first:?}");
    tokio::time::pause();
    tokio::time::advance(second).await;
    tokio::time::resume();
    assert_eq!(word(guess("alice", "correct horse").await), "ok");
    // A right password begins anew.
    assert_eq!(word(guess("alice", "wrong").await), "failed");
    assert_eq!(word(guess("alice", "wrong").await), "failed");
}

#[tokio::test]
async fn guesses_that_come_together_are_throttled_together() {
    let (_stores, auth) = fixture().await;
    let guesses = (0..30).map(|n| {
        let auth = &auth;
        async move {
            let password = secret(&format!("guess {n}"));
            word(auth.check_password(&user("alice"), password, HERE).await)
        }
    });
    let words = futures_util::future::join_all(guesses).await;
    let checked = words.iter().filter(|word| **word == "failed").count();
    assert!(
        checked <= FREE_FAILURES as usize + HASHERS,
        "{checked} guesses were checked at once"
    );
}

#[test]
fn one_household_is_one_guesser() {
    let of = |address: &str| prefix(address.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[tokio::test]
async fn a_token_is_exchanged_and_stored_hashed() {
    let (stores, auth) = fixture().await;
    let first = auth.grant(&user("alice")).await.unwrap();
    assert!(first.token.0.len() >= 43, "256 bits");
    let (name, second) = auth.resume(&first.token).await.unwrap();
    assert_eq!(name, user("alice"));
    assert_eq!(second.family, first.family);
    assert_ne!(second.token.0, first.token.0);
    // The answer may have been lost: for a while the old one is good.
    assert_eq!(word(auth.resume(&first.token).await), "ok");
    assert_eq!(word(auth.resume(&second.token).await), "ok");
    assert_eq!(word(auth.resume(&secret("made up")).await), "failed");
    let raw: Option<&[u8; 32]> = first.token.0.as_bytes().first_chunk();
    let stored = stores.backends.users.token(raw.unwrap()).await.unwrap();
    assert_eq!(stored, None);
}

fn family() -> String {
    format!("{:x}-family", clock::unix_ms())
}

async fn put(stores: &Stores, token: &Secret, family: &str, lives_ms: i64, rotated: Option<u64>) {
    let now = clock::unix_ms();
    let record = TokenRecord {
        hash: token_hash(token),
        user: user("alice"),
        family: family.into(),
        expires_at_ms: now.saturating_add_signed(lives_ms),
        rotated_at_ms: None,
    };
    let users = &stores.backends.users;
    users.put_token(record, 0).await.unwrap();
    if let Some(at) = rotated {
        assert!(users.rotate_token(&token_hash(token), at).await.unwrap());
    }
}

#[tokio::test]
async fn an_old_token_that_comes_back_ends_its_whole_family() {
    let (stores, auth) = fixture().await;
    let (stolen, family) = (secret("stolen"), family());
    let now = clock::unix_ms();
    let long_ago = now - ROTATION_GRACE_MS - 1_000;
    put(&stores, &stolen, &family, 60_000, Some(long_ago)).await;
    let successor = auth.grant_in(&user("alice"), family.clone()).await.unwrap();
    let other = auth.grant(&user("alice")).await.unwrap();
    assert_eq!(word(auth.resume(&stolen).await), "failed");
    assert_eq!(word(auth.resume(&successor.token).await), "failed");
    assert_eq!(word(auth.resume(&other.token).await), "ok");
    // Just within the grace it would have been the client's own repetition.
    let retried = secret("retried");
    let just_now = now - ROTATION_GRACE_MS / 2;
    put(&stores, &retried, "1-other", 60_000, Some(just_now)).await;
    assert_ne!(word(auth.resume(&retried).await), "failed");
}

#[tokio::test]
async fn tokens_end_with_their_time_and_a_family_with_its_own() {
    let (stores, auth) = fixture().await;
    let late = secret("late");
    put(&stores, &late, &family(), -1, None).await;
    assert_eq!(word(auth.resume(&late).await), "expired");
    // However often it is renewed, a login ends 30 days after it began.
    let (old, began) = (
        secret("old"),
        clock::unix_ms() - 31 * DAY.as_millis() as u64,
    );
    put(&stores, &old, &format!("{began:x}-old"), 60_000, None).await;
    assert_eq!(word(auth.resume(&old).await), "expired");
    let nearly = clock::unix_ms() - 30 * DAY.as_millis() as u64 + 60_000;
    let grant = auth
        .grant_in(&user("alice"), format!("{nearly:x}-nearly"))
        .await
        .unwrap();
    let stored = stores.backends.users.token(&token_hash(&grant.token)).await;
    let left = stored.unwrap().unwrap().expires_at_ms - clock::unix_ms();
    assert!(left <= 60_000, "{left} ms are too many");
}

/// An account store that counts look-ups and is not there.
struct Away(AtomicU64);

#[async_trait]
impl UserStore for Away {
    async fn create(&self, _: UserRecord) -> BackendResult<()> {
        self.fail()
    }
    async fn create_many(&self, _: Vec<UserRecord>) -> BackendResult<u64> {
        self.fail()
    }
    async fn get(&self, _: &UserName) -> BackendResult<Option<UserRecord>> {
        self.fail()
    }
    async fn set_password(&self, _: &UserName, _: &str) -> BackendResult<()> {
        self.fail()
    }
    async fn count(&self) -> BackendResult<u64> {
        self.fail()
    }
    async fn put_token(&self, _: TokenRecord, _: u64) -> BackendResult<()> {
        self.fail()
    }
    async fn token(&self, _: &[u8; 32]) -> BackendResult<Option<TokenRecord>> {
        self.fail()
    }
    async fn rotate_token(&self, _: &[u8; 32], _: u64) -> BackendResult<bool> {
        self.fail()
    }
    async fn revoke_family(&self, _: &str) -> BackendResult<()> {
        self.fail()
    }
    async fn revoke_user(&self, _: &UserName, _: Option<&str>) -> BackendResult<()> {
        self.fail()
    }
}

impl Away {
    fn fail<T>(&self) -> BackendResult<T> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let kind = antiphon_core::contract::BackendErrorKind::Unavailable;
        Err(BackendError::new(kind, "test.users"))
    }
}

/// A store that is away is neither a wrong password nor a guess that counts.
#[tokio::test]
async fn a_store_that_is_away_is_told_as_such() {
    let users = Arc::new(Away(AtomicU64::new(0)));
    let auth = Auth::new(Arc::clone(&users) as Arc<dyn UserStore>, DAY, DAY);
    for _ in 0..FREE_FAILURES * 2 {
        let checked = auth.check_password(&user("alice"), secret("x"), HERE).await;
        assert_eq!(word(checked), "backend");
    }
    assert_eq!(word(auth.resume(&secret("x")).await), "backend");
    assert_eq!(word(auth.grant(&user("alice")).await), "backend");
    assert!(lock(&auth.failures).is_empty());
    assert_eq!(
        users.0.load(Ordering::Relaxed),
        u64::from(FREE_FAILURES) * 2 + 2
    );
}

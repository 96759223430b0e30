//! Passwords, resume tokens, and throttling of guesses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendError, TokenRecord, UserStore};
use antiphon_core::{random, task};
use antiphon_protocol::UserName;
use antiphon_protocol::client::Secret;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::session::lock;

/// OWASP's minimum for argon2id: 19 MiB, two passes, one lane.
const ARGON2_MEMORY_KIB: u32 = 19_456;
const ARGON2_PASSES: u32 = 2;
/// Hashings at once: each takes 19 MiB and a core.
const HASHERS: usize = 2;
/// Logins that may wait for a hasher; more are told to come back.
const HASH_QUEUE_MAX: usize = 64;
/// Wrong guesses that cost nothing, by account and by address.
const FREE_FAILURES: u32 = 5;
/// The longest pause after wrong guesses.
const THROTTLE_MAX: Duration = Duration::from_secs(15 * 60);
/// Accounts and addresses whose failures are remembered.
const THROTTLED_MAX: usize = 100_000;
/// A token that was exchanged is good for so long again: the answer may have been lost.
const ROTATION_GRACE_MS: u64 = 30_000;
/// Bytes of a resume token.
const TOKEN_BYTES: usize = 32;

/// Why a login failed.
#[derive(Debug)]
pub(crate) enum AuthError {
    /// Wrong name or password: one answer for both.
    Failed,
    /// The token is of no use any more.
    TokenExpired,
    /// Too many wrong guesses; come back later.
    Throttled(Duration),
    /// Too many logins at once.
    Overloaded,
    /// The store failed.
    Backend(BackendError),
}

impl From<BackendError> for AuthError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Guesser {
    Account(UserName),
    Address(IpAddr),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    until: Instant,
}

/// A login's token and the family it belongs to.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The token that the client keeps.
    pub(crate) token: Secret,
    /// All tokens that descend from one login.
    pub(crate) family: String,
}

/// Who may log in.
pub(crate) struct Auth {
    users: Arc<dyn UserStore>,
    hashers: Semaphore,
    failures: Mutex<HashMap<Guesser, Failures>>,
    token_idle: Duration,
    token_max: Duration,
    /// What a login under an unknown name is checked against, so that it takes as long.
    decoy: tokio::sync::OnceCell<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

impl Auth {
    /// Checks against these accounts.
    pub(crate) fn new(
        users: Arc<dyn UserStore>,
        token_idle: Duration,
        token_max: Duration,
    ) -> Self {
        Self {
            users,
            hashers: Semaphore::new(HASHERS),
            failures: Mutex::default(),
            token_idle,
            token_max,
            decoy: tokio::sync::OnceCell::new(),
        }
    }

    /// Hashes a password for storage.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, AuthError> {
        let _permit = self.hasher().await?;
        task::blocking(move || hash_password(&password.0))
            .await
            .ok_or(AuthError::Overloaded)
    }

    async fn hasher(&self) -> Result<tokio::sync::SemaphorePermit<'_>, AuthError> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static WAITING: AtomicUsize = AtomicUsize::new(0);
        struct Waiting;
        impl Drop for Waiting {
            fn drop(&mut self) {
                WAITING.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let ahead = WAITING.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting;
        if ahead >= HASH_QUEUE_MAX {
            return Err(AuthError::Overloaded);
        }
        self.hashers
            .acquire()
            .await
            .map_err(|_| AuthError::Overloaded)
    }

    /// Checks a password. Wrong name and wrong password give one answer in one time.
    pub(crate) async fn check_password(
        &self,
        user: &UserName,
        password: Secret,
        from: IpAddr,
    ) -> Result<(), AuthError> {
        let guessers = [
            Guesser::Account(user.clone()),
            Guesser::Address(prefix(from)),
        ];
        self.check_throttle(&guessers)?;
        let record = self.users.get(user).await?;
        let stored = record.and_then(|record| record.password_hash);
        let exists = stored.is_some();
        let hash = match stored {
            Some(hash) => hash,
            None => self.decoy.get_or_init(decoy_hash).await.clone(),
        };
        let _permit = self.hasher().await?;
        // Guesses that came together are throttled together.
        self.check_throttle(&guessers)?;
        let matches = task::blocking(move || verify_password(&hash, &password.0)).await;
        if exists && matches == Some(true) {
            lock(&self.failures).remove(&guessers[0]);
            return Ok(());
        }
        self.note_failure(guessers);
        Err(AuthError::Failed)
    }

    fn check_throttle(&self, guessers: &[Guesser]) -> Result<(), AuthError> {
        let failures = lock(&self.failures);
        let now = clock::now();
        let waits = guessers.iter().filter_map(|guesser| failures.get(guesser));
        let until = waits.map(|failure| failure.until).max();
        match until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
        {
            Some(wait) => Err(AuthError::Throttled(wait)),
            None => Ok(()),
        }
    }

    fn note_failure(&self, guessers: [Guesser; 2]) {
        let mut failures = lock(&self.failures);
        let now = clock::now();
        if failures.len() >= THROTTLED_MAX {
            failures.retain(|_, failure| failure.until > now);
        }
        for guesser in guessers {
            // Many people may share an address; one account has one owner.
            let free = match guesser {
                Guesser::Account(_) => FREE_FAILURES,
                Guesser::Address(_) => FREE_FAILURES * 20,
            };
            let failure = failures.entry(guesser).or_insert(Failures {
                count: 0,
                until: now,
            });
            if now.duration_since(failure.until) > THROTTLE_MAX {
                failure.count = 0;
            }
            failure.count = failure.count.saturating_add(1);
            let beyond = failure.count.saturating_sub(free);
            let pause = if beyond == 0 {
                0
            } else {
                1_u64 << beyond.min(10)
            };
            failure.until = now + Duration::from_secs(pause).min(THROTTLE_MAX);
        }
    }

    /// A new token, in a new family. A family's name tells when it began.
    pub(crate) async fn grant(&self, user: &UserName) -> Result<Grant, AuthError> {
        let family = format!("{:x}-{}", clock::unix_ms(), random::hex::<16>());
        self.grant_in(user, family).await
    }

    async fn grant_in(&self, user: &UserName, family: String) -> Result<Grant, AuthError> {
        let token = Secret(URL_SAFE_NO_PAD.encode(random::bytes::<TOKEN_BYTES>()));
        let now = clock::unix_ms();
        let began = family_began(&family).unwrap_or(0);
        let idle_end = now.saturating_add(self.token_idle.as_millis() as u64);
        let end = began
            .saturating_add(self.token_max.as_millis() as u64)
            .min(idle_end);
        if end <= now {
            return Err(AuthError::TokenExpired);
        }
        let record = TokenRecord {
            hash: token_hash(&token),
            user: user.clone(),
            family: family.clone(),
            expires_at_ms: end,
            rotated_at_ms: None,
        };
        self.users.put_token(record, now).await?;
        Ok(Grant { token, family })
    }

    /// Exchanges a token. One that was exchanged before ends its whole family: somebody has
    /// copied it.
    pub(crate) async fn resume(&self, token: &Secret) -> Result<(UserName, Grant), AuthError> {
        let hash = token_hash(token);
        let Some(record) = self.users.token(&hash).await? else {
            return Err(AuthError::Failed);
        };
        let now = clock::unix_ms();
        if record.expires_at_ms <= now {
            return Err(AuthError::TokenExpired);
        }
        let first = self.users.rotate_token(&hash, now).await?;
        let rotated_at = record.rotated_at_ms.unwrap_or(now);
        if !first && now.saturating_sub(rotated_at) > ROTATION_GRACE_MS {
            self.users.revoke_family(&record.family).await?;
            return Err(AuthError::Failed);
        }
        let grant = self.grant_in(&record.user, record.family).await?;
        Ok((record.user, grant))
    }
}

/// Hashes a password: argon2id, as a PHC string with a random salt.
pub fn hash_password(password: &str) -> String {
    let hash = hasher().hash_password(password.as_bytes());
    hash.expect("the parameters are valid and the system has a random source")
        .to_string()
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, 1, None);
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        params.expect("valid parameters"),
    )
}

fn verify_password(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok())
}

async fn decoy_hash() -> String {
    task::blocking(|| hash_password(&random::hex::<16>()))
        .await
        .unwrap_or_default()
}

fn token_hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.0.as_bytes()).into()
}

fn family_began(family: &str) -> Option<u64> {
    u64::from_str_radix(family.split_once('-')?.0, 16).ok()
}

/// An IPv4 address, or the first 64 bits of an IPv6 one: what one household has.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests;

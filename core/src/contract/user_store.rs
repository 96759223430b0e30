use antiphon_protocol::UserName;
use async_trait::async_trait;

use super::BackendResult;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The name.
    pub name: UserName,
    /// The password's PHC string (argon2id); `None` for an account without a password, which
    /// only open login accepts.
    pub password_hash: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// A resume token, stored hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Whose.
    pub user: UserName,
    /// The login that it descends from; all of a family are revoked together.
    pub family: String,
    /// No longer valid after this, in milliseconds since 1970.
    pub expires_at_ms: u64,
    /// When it was exchanged for its successor.
    pub rotated_at_ms: Option<u64>,
}

/// Accounts and resume tokens.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Makes an account. `Conflict` if the name, or one that looks alike, is taken.
    async fn create(&self, user: UserRecord) -> BackendResult<()>;

    /// Makes many accounts in one go; those whose names are taken are left as they are.
    /// Returns how many were made.
    async fn create_many(&self, users: Vec<UserRecord>) -> BackendResult<u64>;

    /// The account of that name.
    async fn get(&self, name: &UserName) -> BackendResult<Option<UserRecord>>;

    /// Sets the password. `NotFound` if there is no such account.
    async fn set_password(&self, name: &UserName, password_hash: &str) -> BackendResult<()>;

    /// How many accounts there are.
    async fn count(&self) -> BackendResult<u64>;

    /// Stores a token. Tokens that expired before `now_ms` may be dropped meanwhile.
    async fn put_token(&self, token: TokenRecord, now_ms: u64) -> BackendResult<()>;

    /// The token with that hash.
    async fn token(&self, hash: &[u8; 32]) -> BackendResult<Option<TokenRecord>>;

    /// Marks a token as exchanged, if it was not; returns whether this call did it.
    async fn rotate_token(&self, hash: &[u8; 32], now_ms: u64) -> BackendResult<bool>;

    /// Removes every token of a family.
    async fn revoke_family(&self, family: &str) -> BackendResult<()>;

    /// Removes every token of a user except one family's.
    async fn revoke_user(&self, user: &UserName, except_family: Option<&str>) -> BackendResult<()>;
}

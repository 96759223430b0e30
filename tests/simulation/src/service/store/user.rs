//! Accounts and resume tokens.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, TokenRecord, UserRecord, UserStore,
};
use antiphon_protocol::UserName;
use async_trait::async_trait;

use super::StoreLine;

/// Accounts and tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct UserTables {
    users: BTreeMap<UserName, UserRecord>,
    skeletons: BTreeSet<String>,
    tokens: BTreeMap<[u8; 32], TokenRecord>,
}

impl UserTables {
    /// False if the name, or one that looks alike, is taken.
    fn insert(&mut self, user: &UserRecord) -> bool {
        let is_free = self.skeletons.insert(user.name.skeleton());
        if is_free {
            self.users.insert(user.name.clone(), user.clone());
        }
        is_free
    }

    fn put_token(&mut self, token: &TokenRecord, now_ms: u64) -> Result<(), BackendErrorKind> {
        self.tokens.retain(|_, token| token.expires_at_ms >= now_ms);
        if self.tokens.contains_key(&token.hash) {
            return Err(BackendErrorKind::Conflict);
        }
        self.tokens.insert(token.hash, token.clone());
        Ok(())
    }

    fn rotate(&mut self, hash: &[u8; 32], now_ms: u64) -> bool {
        let token = self.tokens.get_mut(hash);
        let Some(token) = token.filter(|token| token.rotated_at_ms.is_none()) else {
            return false;
        };
        token.rotated_at_ms = Some(now_ms);
        true
    }
}

/// [`UserStore`] of a host.
#[derive(Debug)]
pub(in super::super) struct Users(pub(in super::super) StoreLine);

#[async_trait]
impl UserStore for Users {
    async fn create(&self, user: UserRecord) -> BackendResult<()> {
        let taken = BackendErrorKind::Conflict;
        self.0
            .write("user_store.create", move |tables| {
                tables.users.insert(&user).then_some(()).ok_or(taken)
            })
            .await
    }

    async fn create_many(&self, users: Vec<UserRecord>) -> BackendResult<u64> {
        self.0
            .write("user_store.create_many", move |tables| {
                let made = users.iter().filter(|user| tables.users.insert(user));
                Ok(made.count() as u64)
            })
            .await
    }

    async fn get(&self, name: &UserName) -> BackendResult<Option<UserRecord>> {
        let name = name.clone();
        self.0
            .read("user_store.get", move |tables| {
                tables.users.users.get(&name).cloned()
            })
            .await
    }

    async fn set_password(&self, name: &UserName, password_hash: &str) -> BackendResult<()> {
        let (name, password_hash) = (name.clone(), password_hash.to_owned());
        self.0
            .write("user_store.set_password", move |tables| {
                let user = tables.users.users.get_mut(&name);
                let user = user.ok_or(BackendErrorKind::NotFound)?;
                user.password_hash = Some(password_hash.clone());
                Ok(())
            })
            .await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.0
            .read("user_store.count", |tables| tables.users.users.len() as u64)
            .await
    }

    async fn put_token(&self, token: TokenRecord, now_ms: u64) -> BackendResult<()> {
        self.0
            .write("user_store.put_token", move |tables| {
                tables.users.put_token(&token, now_ms)
            })
            .await
    }

    async fn token(&self, hash: &[u8; 32]) -> BackendResult<Option<TokenRecord>> {
        let hash = *hash;
        self.0
            .read("user_store.token", move |tables| {
                tables.users.tokens.get(&hash).cloned()
            })
            .await
    }

    async fn rotate_token(&self, hash: &[u8; 32], now_ms: u64) -> BackendResult<bool> {
        let hash = *hash;
        self.0
            .write("user_store.rotate_token", move |tables| {
                Ok(tables.users.rotate(&hash, now_ms))
            })
            .await
    }

    async fn revoke_family(&self, family: &str) -> BackendResult<()> {
        let family = family.to_owned();
        self.0
            .write("user_store.revoke_family", move |tables| {
                let tokens = &mut tables.users.tokens;
                tokens.retain(|_, token| token.family != family);
                Ok(())
            })
            .await
    }

    async fn revoke_user(&self, user: &UserName, except_family: Option<&str>) -> BackendResult<()> {
        let (user, spared) = (user.clone(), except_family.map(str::to_owned));
        self.0
            .write("user_store.revoke_user", move |tables| {
                let is_spared = |token: &TokenRecord| spared.as_ref() == Some(&token.family);
                let tokens = &mut tables.users.tokens;
                tokens.retain(|_, token| token.user != user || is_spared(token));
                Ok(())
            })
            .await
    }
}

//! Accounts and resume tokens.

use std::sync::Arc;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, TokenRecord, UserRecord, UserStore,
};
use antiphon_protocol::UserName;
use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use serde::{Deserialize, Serialize};

use super::Store;
use super::failure::{Failure, is_duplicate, refusals};
use super::limits::{INSERT_DOCUMENTS_MAX, TOKENS_DROPPED_MAX};
use super::number::{bound, read, stored};

/// An account as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct User {
    #[serde(rename = "_id")]
    id: ObjectId,
    name: String,
    skeleton: String,
    password_hash: Option<String>,
    created_at_ms: i64,
}

/// A resume token as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Token {
    #[serde(rename = "_id")]
    id: ObjectId,
    hash: Binary,
    user: String,
    family: String,
    expires_at_ms: i64,
    rotated_at_ms: Option<i64>,
    /// Drawn for the call that rotated it.
    rotated_by: Option<ObjectId>,
}

/// A document's `_id` alone.
#[derive(Debug, Deserialize)]
struct Id {
    #[serde(rename = "_id")]
    id: ObjectId,
}

/// [`UserStore`] on MongoDB.
pub(super) struct MongoUserStore(pub(super) Arc<Store>);

#[async_trait]
impl UserStore for MongoUserStore {
    async fn create(&self, user: UserRecord) -> BackendResult<()> {
        let work = async {
            match insert(&self.0, &[user]).await? {
                0 => Err(Failure::Refused(BackendErrorKind::Conflict)),
                _ => Ok(()),
            }
        };
        self.0.write("user_store.create", work).await
    }

    async fn create_many(&self, users: Vec<UserRecord>) -> BackendResult<u64> {
        let mut made = 0;
        for chunk in users.chunks(INSERT_DOCUMENTS_MAX) {
            let work = insert(&self.0, chunk);
            made += self.0.write("user_store.create_many", work).await?;
        }
        Ok(made)
    }

    async fn get(&self, name: &UserName) -> BackendResult<Option<UserRecord>> {
        let work = async {
            let found = self
                .0
                .users
                .find_one(doc! { "name": name.as_str() })
                .await?;
            found.map(user_of).transpose()
        };
        self.0.read("user_store.get", work).await
    }

    async fn set_password(&self, name: &UserName, password_hash: &str) -> BackendResult<()> {
        let work = async {
            let change = doc! { "$set": { "password_hash": password_hash } };
            let filter = doc! { "name": name.as_str() };
            match self.0.users.update_one(filter, change).await?.matched_count {
                0 => Err(Failure::Refused(BackendErrorKind::NotFound)),
                _ => Ok(()),
            }
        };
        self.0.write("user_store.set_password", work).await
    }

    async fn count(&self) -> BackendResult<u64> {
        let work = async { Ok(self.0.users.count_documents(doc! {}).await?) };
        self.0.scan("user_store.count", work).await
    }

    async fn put_token(&self, token: TokenRecord, now_ms: u64) -> BackendResult<()> {
        let work = async {
            drop_expired(&self.0, now_ms).await?;
            put_token(&self.0, &token).await
        };
        self.0.write("user_store.put_token", work).await
    }

    async fn token(&self, hash: &[u8; 32]) -> BackendResult<Option<TokenRecord>> {
        let work = async {
            let found = self
                .0
                .tokens
                .find_one(doc! { "hash": binary(hash) })
                .await?;
            found.map(token_of).transpose()
        };
        self.0.read("user_store.token", work).await
    }

    async fn rotate_token(&self, hash: &[u8; 32], now_ms: u64) -> BackendResult<bool> {
        self.0
            .write("user_store.rotate_token", rotate(&self.0, hash, now_ms))
            .await
    }

    async fn revoke_family(&self, family: &str) -> BackendResult<()> {
        let work = async {
            self.0.tokens.delete_many(doc! { "family": family }).await?;
            Ok(())
        };
        self.0.write("user_store.revoke_family", work).await
    }

    async fn revoke_user(&self, user: &UserName, except_family: Option<&str>) -> BackendResult<()> {
        let mut filter = doc! { "user": user.as_str() };
        if let Some(family) = except_family {
            filter.insert("family", doc! { "$ne": family });
        }
        let work = async {
            self.0.tokens.delete_many(filter).await?;
            Ok(())
        };
        self.0.write("user_store.revoke_user", work).await
    }
}

/// Inserts those accounts whose names, and those that look alike, are free. Returns how many.
async fn insert(store: &Store, users: &[UserRecord]) -> Result<u64, Failure> {
    let documents: Vec<User> = users.iter().map(user_to).collect::<Result<_, _>>()?;
    if documents.is_empty() {
        return Ok(0);
    }
    let inserting = store.users.insert_many(&documents).ordered(false).await;
    let Err(error) = inserting else {
        return Ok(documents.len() as u64);
    };
    let Some(refused) = refusals(&error) else {
        return Err(error.into());
    };
    // The driver's second try meets what its first one made.
    let ids: Vec<ObjectId> = refused
        .duplicates
        .iter()
        .filter_map(|place| documents.get(*place))
        .map(|user| user.id)
        .collect();
    let (inserted, refused) = (documents.len() - ids.len(), doc! { "_id": { "$in": ids } });
    Ok(inserted as u64 + store.users.count_documents(refused).await?)
}

fn user_to(record: &UserRecord) -> Result<User, Failure> {
    Ok(User {
        id: ObjectId::new(),
        name: record.name.as_str().to_owned(),
        skeleton: record.name.skeleton(),
        password_hash: record.password_hash.clone(),
        created_at_ms: stored(record.created_at_ms)?,
    })
}

fn user_of(user: User) -> Result<UserRecord, Failure> {
    Ok(UserRecord {
        name: UserName::parse(&user.name).map_err(|_| Failure::Damaged("users"))?,
        password_hash: user.password_hash,
        created_at_ms: read(user.created_at_ms, "users")?,
    })
}

/// Drops some tokens that expired before `now_ms`.
async fn drop_expired(store: &Store, now_ms: u64) -> Result<(), Failure> {
    let expired = doc! { "expires_at_ms": { "$lt": bound(now_ms) } };
    let found = store
        .tokens
        .clone_with_type::<Id>()
        .find(expired)
        .projection(doc! { "_id": 1 })
        .limit(TOKENS_DROPPED_MAX)
        .await?;
    let found: Vec<Id> = found.try_collect().await?;
    if !found.is_empty() {
        let ids: Vec<ObjectId> = found.into_iter().map(|found| found.id).collect();
        let filter = doc! { "_id": { "$in": ids } };
        store.tokens.delete_many(filter).await?;
    }
    Ok(())
}

async fn put_token(store: &Store, record: &TokenRecord) -> Result<(), Failure> {
    let token = Token {
        id: ObjectId::new(),
        hash: binary(&record.hash),
        user: record.user.as_str().to_owned(),
        family: record.family.clone(),
        expires_at_ms: stored(record.expires_at_ms)?,
        rotated_at_ms: record.rotated_at_ms.map(stored).transpose()?,
        rotated_by: None,
    };
    match store.tokens.insert_one(&token).await {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => {
            let mine = store.tokens.find_one(doc! { "_id": token.id }).await?;
            mine.map(|_| ())
                .ok_or(Failure::Refused(BackendErrorKind::Conflict))
        }
        Err(error) => Err(error.into()),
    }
}

/// Marks a token as exchanged, if it was not. The mark says which call set it, so that the
/// driver's second try finds its first.
async fn rotate(store: &Store, hash: &[u8; 32], now_ms: u64) -> Result<bool, Failure> {
    let call = ObjectId::new();
    let change: Document =
        doc! { "$set": { "rotated_at_ms": stored(now_ms)?, "rotated_by": call } };
    let free = doc! { "hash": binary(hash), "rotated_at_ms": Bson::Null };
    if store.tokens.update_one(free, change).await?.matched_count == 1 {
        return Ok(true);
    }
    let mine = doc! { "hash": binary(hash), "rotated_by": call };
    Ok(store.tokens.find_one(mine).await?.is_some())
}

fn token_of(token: Token) -> Result<TokenRecord, Failure> {
    let damaged = || Failure::Damaged("tokens");
    Ok(TokenRecord {
        hash: token.hash.bytes.try_into().map_err(|_| damaged())?,
        user: UserName::parse(&token.user).map_err(|_| damaged())?,
        family: token.family,
        expires_at_ms: read(token.expires_at_ms, "tokens")?,
        rotated_at_ms: token
            .rotated_at_ms
            .map(|number| read(number, "tokens"))
            .transpose()?,
    })
}

/// Bytes as the database keeps them.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

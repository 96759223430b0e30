//! Accounts and resume tokens.

use std::sync::Arc;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, TokenRecord, UserRecord, UserStore,
};
use antiphon_protocol::UserName;
use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::checksum::RowSum;
use super::failure::{Failure, optional};
use super::limits::TOKENS_DROPPED_MAX;
use super::{Store, bound, stored};

/// [`UserStore`] on the embedded database.
pub(super) struct EmbeddedUserStore(pub(super) Arc<Store>);

#[async_trait]
impl UserStore for EmbeddedUserStore {
    async fn create(&self, user: UserRecord) -> BackendResult<()> {
        let work = move |connection: &Connection| match insert(connection, &user)? {
            true => Ok(()),
            false => Err(Failure::Refused(BackendErrorKind::Conflict)),
        };
        self.0
            .write("user_store.create", 1, move |w| work(w.connection))
            .await
    }

    async fn create_many(&self, users: Vec<UserRecord>) -> BackendResult<u64> {
        let rows = users.len();
        let work = move |connection: &Connection| {
            users.iter().try_fold(0, |made, user| {
                Ok(made + u64::from(insert(connection, user)?))
            })
        };
        self.0
            .write("user_store.create_many", rows, move |w| work(w.connection))
            .await
    }

    async fn get(&self, name: &UserName) -> BackendResult<Option<UserRecord>> {
        let name = name.clone();
        self.0
            .read("user_store.get", move |connection| user(connection, &name))
            .await
    }

    async fn set_password(&self, name: &UserName, password_hash: &str) -> BackendResult<()> {
        let (name, password_hash) = (name.clone(), password_hash.to_owned());
        let work = move |connection: &Connection| {
            let mut record =
                user(connection, &name)?.ok_or(Failure::Refused(BackendErrorKind::NotFound))?;
            record.password_hash = Some(password_hash);
            let sql = "UPDATE users SET password_hash = ?2, checksum = ?3 WHERE name = ?1";
            let sum = user_sum(&record);
            let row = (record.name.as_str(), &record.password_hash, sum);
            connection.prepare_cached(sql)?.execute(row)?;
            Ok(())
        };
        self.0
            .write("user_store.set_password", 1, move |w| work(w.connection))
            .await
    }

    async fn count(&self) -> BackendResult<u64> {
        let work = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT count(*) FROM users")?;
            Ok(statement
                .query_row([], |row| row.get::<_, i64>(0))?
                .cast_unsigned())
        };
        self.0.read("user_store.count", work).await
    }

    async fn put_token(&self, token: TokenRecord, now_ms: u64) -> BackendResult<()> {
        let work = move |connection: &Connection| {
            // A time above the largest signed number is kept as a negative one: never.
            let sql = "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens \
                       WHERE expires_at_ms >= 0 AND expires_at_ms < ?1 LIMIT ?2)";
            connection
                .prepare_cached(sql)?
                .execute((bound(now_ms), TOKENS_DROPPED_MAX))?;
            put_token(connection, &token)
        };
        self.0
            .write("user_store.put_token", 1, move |w| work(w.connection))
            .await
    }

    async fn token(&self, hash: &[u8; 32]) -> BackendResult<Option<TokenRecord>> {
        let hash = *hash;
        self.0
            .read("user_store.token", move |connection| {
                token(connection, &hash)
            })
            .await
    }

    async fn rotate_token(&self, hash: &[u8; 32], now_ms: u64) -> BackendResult<bool> {
        let hash = *hash;
        let work = move |connection: &Connection| {
            let found = token(connection, &hash)?;
            let Some(mut record) = found.filter(|token| token.rotated_at_ms.is_none()) else {
                return Ok(false);
            };
            record.rotated_at_ms = Some(now_ms);
            let sql = "UPDATE tokens SET rotated_at_ms = ?2, checksum = ?3 WHERE hash = ?1";
            let sum = token_sum(&record);
            connection
                .prepare_cached(sql)?
                .execute((&hash[..], stored(now_ms), sum))?;
            Ok(true)
        };
        self.0
            .write("user_store.rotate_token", 1, move |w| work(w.connection))
            .await
    }

    async fn revoke_family(&self, family: &str) -> BackendResult<()> {
        let family = family.to_owned();
        let work = move |connection: &Connection| {
            let sql = "DELETE FROM tokens WHERE family = ?1";
            connection.prepare_cached(sql)?.execute([family])?;
            Ok(())
        };
        self.0
            .write("user_store.revoke_family", 1, move |w| work(w.connection))
            .await
    }

    async fn revoke_user(&self, user: &UserName, except_family: Option<&str>) -> BackendResult<()> {
        let (user, family) = (user.clone(), except_family.map(str::to_owned));
        let work = move |connection: &Connection| {
            let sql = "DELETE FROM tokens WHERE user = ?1 AND family IS NOT ?2";
            connection
                .prepare_cached(sql)?
                .execute((user.as_str(), family))?;
            Ok(())
        };
        self.0
            .write("user_store.revoke_user", 1, move |w| work(w.connection))
            .await
    }
}

/// False if the name, or one that looks alike, is taken.
fn insert(connection: &Connection, user: &UserRecord) -> Result<bool, Failure> {
    let sql = "INSERT INTO users (name, skeleton, password_hash, created_at_ms, checksum) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let created_at_ms = stored(user.created_at_ms);
    let skeleton = user.name.skeleton();
    let row = (
        user.name.as_str(),
        skeleton,
        &user.password_hash,
        created_at_ms,
        user_sum(user),
    );
    Ok(connection.prepare_cached(sql)?.execute(row)? == 1)
}

fn user(connection: &Connection, name: &UserName) -> Result<Option<UserRecord>, Failure> {
    let sql = "SELECT password_hash, created_at_ms, checksum FROM users WHERE name = ?1";
    let read = |row: &Row<'_>| {
        let record = UserRecord {
            name: name.clone(),
            password_hash: row.get(0)?,
            created_at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        };
        Ok((record, row.get::<_, i64>(2)?))
    };
    let found = optional(
        connection
            .prepare_cached(sql)?
            .query_row([name.as_str()], read),
    )?;
    let Some((record, sum)) = found else {
        return Ok(None);
    };
    if user_sum(&record) == sum {
        Ok(Some(record))
    } else {
        Err(Failure::Damaged("users"))
    }
}

fn user_sum(user: &UserRecord) -> i64 {
    let sum = RowSum::new("users").text(user.name.as_str());
    sum.text_opt(user.password_hash.as_deref())
        .number(user.created_at_ms)
        .finish()
}

fn put_token(connection: &Connection, token: &TokenRecord) -> Result<(), Failure> {
    let sql = "INSERT INTO tokens (hash, user, family, expires_at_ms, rotated_at_ms, checksum) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let row = (
        &token.hash[..],
        token.user.as_str(),
        &token.family,
        stored(token.expires_at_ms),
        token.rotated_at_ms.map(stored),
        token_sum(token),
    );
    match connection.prepare_cached(sql)?.execute(row)? {
        0 => Err(Failure::Refused(BackendErrorKind::Conflict)),
        _ => Ok(()),
    }
}

fn token(connection: &Connection, hash: &[u8; 32]) -> Result<Option<TokenRecord>, Failure> {
    let sql = "SELECT user, family, expires_at_ms, rotated_at_ms, checksum FROM tokens \
               WHERE hash = ?1";
    let read = |row: &Row<'_>| {
        let numbers: (i64, Option<i64>, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, numbers))
    };
    let found = optional(connection.prepare_cached(sql)?.query_row([&hash[..]], read))?;
    let Some((user, family, (expires_at_ms, rotated_at_ms, sum))) = found else {
        return Ok(None);
    };
    let record = TokenRecord {
        hash: *hash,
        user: UserName::parse(&user).map_err(|_| Failure::Damaged("tokens"))?,
        family,
        expires_at_ms: expires_at_ms.cast_unsigned(),
        rotated_at_ms: rotated_at_ms.map(i64::cast_unsigned),
    };
    if token_sum(&record) == sum {
        Ok(Some(record))
    } else {
        Err(Failure::Damaged("tokens"))
    }
}

fn token_sum(token: &TokenRecord) -> i64 {
    let sum = RowSum::new("tokens")
        .bytes(&token.hash)
        .text(token.user.as_str());
    let sum = sum.text(&token.family).number(token.expires_at_ms);
    sum.number_opt(token.rotated_at_ms).finish()
}

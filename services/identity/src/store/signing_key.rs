//! Keys that sign tokens, as they are stored: the private part sealed.
use crate::domain::signing::KeyTimes;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;

#[derive(Clone, sqlx::FromRow)]
pub struct StoredKey {
    pub id: String,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// `next`, `active` or `retired`.
    pub state: String,
    pub sealed: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
}

impl StoredKey {
    pub fn times(&self) -> KeyTimes {
        KeyTimes {
            id: self.id.clone(),
            algorithm: self.algorithm.clone(),
            state: self.state.clone(),
            created_at: self.created_at,
            activated_at: self.activated_at,
            retired_at: self.retired_at,
        }
    }
}

pub async fn all(conn: &mut PgConnection) -> Result<Vec<StoredKey>, DbError> {
    Ok(sqlx::query_as(
        "select id, algorithm, state, sealed, created_at, activated_at, retired_at
         from identity.signing_key order by created_at desc, id",
    )
    .fetch_all(conn)
    .await?)
}

/// The keys, for whoever changes their states: nobody else does until the transaction ends.
pub async fn lock(conn: &mut PgConnection) -> Result<Vec<StoredKey>, DbError> {
    // Rows alone would not keep another from adding one.
    sqlx::query("select pg_advisory_xact_lock(hashtext('identity.signing_key'))").execute(&mut *conn).await?;
    all(conn).await
}

/// Stores a key unless there is one of this algorithm in this state already: of two processes that start at once, the
/// first one's key is everybody's. True when it is this one.
pub async fn insert(conn: &mut PgConnection, key: &StoredKey) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.signing_key (id, algorithm, state, sealed, created_at, activated_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(&key.id)
    .bind(&key.algorithm)
    .bind(&key.state)
    .bind(&key.sealed)
    .bind(key.created_at)
    .bind(key.activated_at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Signs by a next key from now on; the one that did is retired. Both are locked.
pub async fn activate(conn: &mut PgConnection, id: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.signing_key set state = 'retired', retired_at = $2
         where state = 'active' and algorithm = (select algorithm from identity.signing_key where id = $1 and state = 'next')",
    )
    .bind(id)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update identity.signing_key set state = 'active', activated_at = $2 where id = $1 and state = 'next'")
        .bind(id)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn remove_retired(conn: &mut PgConnection, id: &str) -> Result<(), DbError> {
    sqlx::query("delete from identity.signing_key where id = $1 and state = 'retired'").bind(id).execute(conn).await?;
    Ok(())
}

pub async fn replace_seal(conn: &mut PgConnection, key: &StoredKey, anew: &[u8]) -> Result<(), DbError> {
    sqlx::query("update identity.signing_key set sealed = $3 where id = $1 and sealed = $2")
        .bind(&key.id)
        .bind(&key.sealed)
        .bind(anew)
        .execute(conn)
        .await?;
    Ok(())
}

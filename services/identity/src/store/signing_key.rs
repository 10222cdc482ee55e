//! Keys that sign tokens, as they are stored: the private part sealed.
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
}

pub async fn all(conn: &mut PgConnection) -> Result<Vec<StoredKey>, DbError> {
    Ok(sqlx::query_as("select id, algorithm, state, sealed from identity.signing_key order by created_at desc, id")
        .fetch_all(conn)
        .await?)
}

/// Stores an active key unless there is one of this algorithm already: of two processes that start at once, the
/// first one's key is everybody's.
pub async fn insert_active(conn: &mut PgConnection, key: &StoredKey, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.signing_key (id, algorithm, state, sealed, created_at) values ($1, $2, 'active', $3, $4)
         on conflict do nothing",
    )
    .bind(&key.id)
    .bind(&key.algorithm)
    .bind(&key.sealed)
    .bind(at)
    .execute(conn)
    .await?;
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

//! Identifiers of client assertions that were shown, so that none is good twice.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;

/// True the first time.
pub async fn insert(conn: &mut PgConnection, hash: &[u8; 32], expires_at: DateTime<Utc>) -> Result<bool, DbError> {
    let inserted =
        sqlx::query("insert into identity.used_jti (hash, expires_at) values ($1, $2) on conflict (hash) do nothing")
            .bind(hash.as_slice())
            .bind(expires_at)
            .execute(conn)
            .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Removes what has expired.
pub async fn forget(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, DbError> {
    let removed = sqlx::query("delete from identity.used_jti where expires_at < $1").bind(now).execute(conn).await?;
    Ok(removed.rows_affected())
}

//! Authorization requests that clients pushed (RFC 9126).
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;

/// A request that can still be used.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pushed {
    pub client_id: String,
    /// Form-encoded.
    pub parameters: String,
}

pub async fn insert(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    pushed: &Pushed,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.pushed_request (hash, client_id, parameters, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(hash.as_slice())
    .bind(&pushed.client_id)
    .bind(&pushed.parameters)
    .bind(now)
    .bind(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The request, if it is this client's, not used and not expired.
pub async fn find(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    client_id: &str,
    now: DateTime<Utc>,
) -> Result<Option<Pushed>, DbError> {
    Ok(sqlx::query_as(
        "select client_id, parameters from identity.pushed_request
         where hash = $1 and client_id = $2 and used_at is null and expires_at > $3",
    )
    .bind(hash.as_slice())
    .bind(client_id)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Somebody came with it: from here on it lives until `until`. Nothing changes when they come again.
pub async fn opened(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.pushed_request set opened_at = $2, expires_at = $3 where hash = $1 and opened_at is null",
    )
    .bind(hash.as_slice())
    .bind(now)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what the person settled on the way.
pub async fn settle(conn: &mut PgConnection, hash: &[u8; 32], parameters: &str) -> Result<(), DbError> {
    sqlx::query("update identity.pushed_request set parameters = $2 where hash = $1 and used_at is null")
        .bind(hash.as_slice())
        .bind(parameters)
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses it up. False when it was.
pub async fn use_up(conn: &mut PgConnection, hash: &[u8; 32], now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query("update identity.pushed_request set used_at = $2 where hash = $1 and used_at is null")
        .bind(hash.as_slice())
        .bind(now)
        .execute(conn)
        .await?;
    Ok(updated.rows_affected() == 1)
}

/// Removes what expired before `before`.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.pushed_request where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

//! Devices that wait for somebody to let them in (RFC 8628).
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Device {
    pub hash: Vec<u8>,
    pub client_id: String,
    /// As requested.
    pub scope: String,
    /// `pending`, `approved`, `denied` or `used`.
    pub state: String,
    pub grant_id: Option<Uuid>,
    /// Seconds that must lie between two questions.
    pub interval_s: i32,
    pub polled_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
}

pub struct NewDevice<'a> {
    pub hash: [u8; 32],
    pub user_code_hash: [u8; 32],
    pub client_id: &'a str,
    pub scope: &'a str,
    pub interval_s: i32,
    pub at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub async fn insert(conn: &mut PgConnection, new: &NewDevice<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.device_request (hash, user_code_hash, client_id, scope, interval_s, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.hash.as_slice())
    .bind(new.user_code_hash.as_slice())
    .bind(new.client_id)
    .bind(new.scope)
    .bind(new.interval_s)
    .bind(new.at)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// By what a person typed; `hashes` under each master key that is good. Only one that still waits.
pub async fn waiting(
    conn: &mut PgConnection,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<Option<Device>, DbError> {
    Ok(sqlx::query_as(
        "select hash, client_id, scope, state, grant_id, interval_s, polled_at, expires_at
         from identity.device_request where user_code_hash = any ($1) and state = 'pending' and expires_at > $2",
    )
    .bind(hashes)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// By the device's own code, locked: one question at a time.
pub async fn lock(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<Device>, DbError> {
    Ok(sqlx::query_as(
        "select hash, client_id, scope, state, grant_id, interval_s, polled_at, expires_at
         from identity.device_request where hash = $1 for update",
    )
    .bind(hash)
    .fetch_optional(conn)
    .await?)
}

/// Somebody decided; with a grant they said yes. False when somebody had, or it is too late.
pub async fn decide(
    conn: &mut PgConnection,
    hash: &[u8],
    grant_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.device_request set state = case when $2::uuid is null then 'denied' else 'approved' end, grant_id = $2
         where hash = $1 and state = 'pending' and expires_at > $3",
    )
    .bind(hash)
    .bind(grant_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Notes a question, and how long the device must wait from now on.
pub async fn polled(conn: &mut PgConnection, hash: &[u8], interval_s: i32, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.device_request set polled_at = $2, interval_s = $3 where hash = $1")
        .bind(hash)
        .bind(now)
        .bind(interval_s)
        .execute(conn)
        .await?;
    Ok(())
}

/// The device got its tokens.
pub async fn use_up(conn: &mut PgConnection, hash: &[u8]) -> Result<(), DbError> {
    sqlx::query("update identity.device_request set state = 'used' where hash = $1").bind(hash).execute(conn).await?;
    Ok(())
}

/// Removes what expired before `before`.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.device_request where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

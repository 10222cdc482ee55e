//! API keys of organisations.
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A key, as its organisation sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKey {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub name: String,
    pub shown: String,
    pub scopes: Vec<String>,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub last_used_on: Option<NaiveDate>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// Until when the secret before this one is good.
    pub old_until: Option<DateTime<Utc>>,
    pub version: i64,
}

/// A key that is good now, found by one of its secrets.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveKey {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub scopes: Vec<String>,
    /// Of the secret it was found by.
    pub expires_at: DateTime<Utc>,
    pub last_used_on: Option<NaiveDate>,
}

pub async fn insert(conn: &mut PgConnection, key: &ApiKey, hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.api_key (id, organisation_id, name, hash, shown, scopes, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(key.id)
    .bind(key.organisation_id)
    .bind(&key.name)
    .bind(hash.as_slice())
    .bind(&key.shown)
    .bind(&key.scopes)
    .bind(key.created_by)
    .bind(key.created_at)
    .bind(key.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keys of an organisation before `before`, newest first.
pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    before: Uuid,
    limit: i64,
) -> Result<Vec<ApiKey>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, shown, scopes, created_by, created_at, expires_at, last_used_on, revoked_at, old_until, version
         from identity.api_key where organisation_id = $1 and id < $2 order by id desc limit $3",
    )
    .bind(organisation_id)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<ApiKey>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, shown, scopes, created_by, created_at, expires_at, last_used_on, revoked_at, old_until, version
         from identity.api_key where organisation_id = $1 and id = $2",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// The key, locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<ApiKey>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, shown, scopes, created_by, created_at, expires_at, last_used_on, revoked_at, old_until, version
         from identity.api_key where organisation_id = $1 and id = $2 for update",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// The key that a secret is of, while both are good.
pub async fn live(conn: &mut PgConnection, hash: &[u8], now: DateTime<Utc>) -> Result<Option<LiveKey>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, scopes, case when hash = $1 then expires_at else least(expires_at, old_until) end as expires_at,
                last_used_on
         from identity.api_key
         where (hash = $1 or (old_hash = $1 and old_until > $2)) and revoked_at is null and expires_at > $2",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Notes the day of a use: one write a key and day.
pub async fn touch(conn: &mut PgConnection, id: Uuid, today: NaiveDate) -> Result<(), DbError> {
    sqlx::query("update identity.api_key set last_used_on = $2 where id = $1 and last_used_on is distinct from $2")
        .bind(id)
        .bind(today)
        .execute(conn)
        .await?;
    Ok(())
}

/// A new secret takes over; the one before it is good until `old_until`. Returns the new version.
pub async fn rotate(
    conn: &mut PgConnection,
    id: Uuid,
    hash: &[u8; 32],
    shown: &str,
    old_until: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "update identity.api_key set old_hash = hash, old_until = $4, hash = $2, shown = $3, version = version + 1
         where id = $1 returning version",
    )
    .bind(id)
    .bind(hash.as_slice())
    .bind(shown)
    .bind(old_until)
    .fetch_one(conn)
    .await?)
}

/// Ends the secret before the last rotation; its hash, where there was one.
pub async fn retire_old(conn: &mut PgConnection, id: Uuid) -> Result<Option<Vec<u8>>, DbError> {
    Ok(sqlx::query_scalar(
        "with old as (select id, old_hash from identity.api_key where id = $1)
         update identity.api_key k set old_hash = null, old_until = null, version = version + 1 from old
         where k.id = old.id and old.old_hash is not null returning old.old_hash",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// True when it was not revoked before.
pub async fn revoke(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.api_key set revoked_at = $2, version = version + 1 where id = $1 and revoked_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

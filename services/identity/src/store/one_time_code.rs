//! Codes for one use, sent to a phone.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OneTimeCode {
    pub id: Uuid,
    pub phone: String,
    pub account_id: Option<Uuid>,
    /// `sign_in` or `verify`.
    pub purpose: String,
    pub locale: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

/// A new code; earlier ones for the same number and purpose are worth nothing from now on.
pub async fn insert(conn: &mut PgConnection, new: &OneTimeCode, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.one_time_code set used_at = $3 where phone = $1 and purpose = $2 and used_at is null")
        .bind(&new.phone)
        .bind(&new.purpose)
        .bind(at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into identity.one_time_code (id, phone, account_id, purpose, locale, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id)
    .bind(&new.phone)
    .bind(new.account_id)
    .bind(&new.purpose)
    .bind(&new.locale)
    .bind(at)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<OneTimeCode>, DbError> {
    Ok(sqlx::query_as(
        "select id, phone, account_id, purpose, locale, expires_at, used_at from identity.one_time_code where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Counts an attempt at a code that is still good. None when it is not good any more.
pub async fn attempt(
    conn: &mut PgConnection,
    id: Uuid,
    attempts_max: i32,
    now: DateTime<Utc>,
) -> Result<Option<OneTimeCode>, DbError> {
    Ok(sqlx::query_as(
        "update identity.one_time_code set attempts = attempts + 1
         where id = $1 and used_at is null and expires_at > $3 and attempts < $2
         returning id, phone, account_id, purpose, locale, expires_at, used_at",
    )
    .bind(id)
    .bind(attempts_max)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Takes the code: once.
pub async fn use_up(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query("update identity.one_time_code set used_at = $2 where id = $1 and used_at is null")
        .bind(id)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(updated.rows_affected() == 1)
}

pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.one_time_code where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

//! Links to set a new password.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A link with the person it was mailed to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Reset {
    pub id: Uuid,
    pub account_id: Uuid,
    pub locale: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub name: String,
    pub email: String,
}

/// A new link; earlier ones of the account are worth nothing from now on.
pub async fn insert(
    conn: &mut PgConnection,
    id: Uuid,
    account_id: Uuid,
    locale: &str,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query("update identity.password_reset set used_at = $2 where account_id = $1 and used_at is null")
        .bind(account_id)
        .bind(at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into identity.password_reset (id, account_id, locale, created_at, expires_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(account_id)
    .bind(locale)
    .bind(at)
    .bind(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Reset>, DbError> {
    Ok(sqlx::query_as(
        "select r.id, r.account_id, r.locale, r.expires_at, r.used_at, a.name, a.email
         from identity.password_reset r join identity.account a on a.id = r.account_id where r.id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Takes the link: once, in time.
pub async fn use_up(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.password_reset set used_at = $2 where id = $1 and used_at is null and expires_at > $2",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.password_reset where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

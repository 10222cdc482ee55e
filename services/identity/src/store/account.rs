//! Accounts.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A person's account.
#[derive(Clone, sqlx::FromRow)]
pub struct Account {
    pub id: Uuid,
    pub email: String,
    pub email_verified_at: Option<DateTime<Utc>>,
    pub name: String,
    pub locale: String,
    pub password_hash: String,
    pub disabled_at: Option<DateTime<Utc>>,
}

pub struct NewAccount<'a> {
    pub id: Uuid,
    pub email: &'a str,
    /// Whether the address was proven, by a link that was mailed to it.
    pub email_verified: bool,
    pub name: &'a str,
    pub locale: &'a str,
    pub password_hash: &'a str,
    pub at: DateTime<Utc>,
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select id, email, email_verified_at, name, locale, password_hash, disabled_at from identity.account where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// `email` is normalised.
pub async fn find_by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select id, email, email_verified_at, name, locale, password_hash, disabled_at
         from identity.account where lower(email) = $1",
    )
    .bind(email)
    .fetch_optional(conn)
    .await?)
}

/// False when the address is taken.
pub async fn insert(conn: &mut PgConnection, new: &NewAccount<'_>) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.account (id, email, email_verified_at, name, locale, password_hash, password_changed_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (lower(email)) do nothing",
    )
    .bind(new.id)
    .bind(new.email)
    .bind(new.email_verified.then_some(new.at))
    .bind(new.name)
    .bind(new.locale)
    .bind(new.password_hash)
    .bind(new.at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A new password, set by its person.
pub async fn set_password(conn: &mut PgConnection, id: Uuid, hash: &str, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.account set password_hash = $2, password_changed_at = $3, version = version + 1 where id = $1",
    )
    .bind(id)
    .bind(hash)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The same password under newer parameters; nothing when it was changed meanwhile.
pub async fn rehash(conn: &mut PgConnection, id: Uuid, old: &str, new: &str) -> Result<(), DbError> {
    sqlx::query("update identity.account set password_hash = $3 where id = $1 and password_hash = $2")
        .bind(id)
        .bind(old)
        .bind(new)
        .execute(conn)
        .await?;
    Ok(())
}

/// The address was proven now, by a link that was mailed to it.
pub async fn verify_email(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.account set email_verified_at = $2 where id = $1 and email_verified_at is null")
        .bind(id)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}

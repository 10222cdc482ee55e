//! Accounts.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A person's account.
#[derive(Clone, sqlx::FromRow)]
pub struct Account {
    pub id: Uuid,
    /// None for a person who signs in by phone.
    pub email: Option<String>,
    pub email_verified_at: Option<DateTime<Utc>>,
    /// E.164.
    pub phone: Option<String>,
    pub phone_verified_at: Option<DateTime<Utc>>,
    pub name: String,
    pub locale: String,
    /// None for a person who signs in by other means only.
    pub password_hash: Option<String>,
    pub disabled_at: Option<DateTime<Utc>>,
}

impl Account {
    /// Somebody who has proven nothing yet and has no password.
    pub fn new(id: Uuid, email: &str, name: &str, locale: &str) -> Account {
        Account {
            id,
            email: Some(email.to_owned()),
            email_verified_at: None,
            phone: None,
            phone_verified_at: None,
            name: name.to_owned(),
            locale: locale.to_owned(),
            password_hash: None,
            disabled_at: None,
        }
    }

    /// What the person signs in with, as a page shows it.
    pub fn address(&self) -> &str {
        self.email.as_deref().or(self.phone.as_deref()).unwrap_or_default()
    }
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select id, email, email_verified_at, phone, phone_verified_at, name, locale, password_hash, disabled_at
         from identity.account where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// `email` is normalised.
pub async fn find_by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select id, email, email_verified_at, phone, phone_verified_at, name, locale, password_hash, disabled_at
         from identity.account where lower(email) = $1",
    )
    .bind(email)
    .fetch_optional(conn)
    .await?)
}

/// `phone` is in E.164 form.
pub async fn find_by_phone(conn: &mut PgConnection, phone: &str) -> Result<Option<Account>, DbError> {
    Ok(sqlx::query_as(
        "select id, email, email_verified_at, phone, phone_verified_at, name, locale, password_hash, disabled_at
         from identity.account where phone = $1",
    )
    .bind(phone)
    .fetch_optional(conn)
    .await?)
}

/// The number was proven to be this person's now. Who had it before loses it, unless it is all they sign in with: then false.
pub async fn give_phone(conn: &mut PgConnection, id: Uuid, phone: &str, at: DateTime<Utc>) -> Result<bool, DbError> {
    sqlx::query(
        "update identity.account set phone = null, phone_verified_at = null, version = version + 1
         where phone = $1 and id <> $2 and email is not null",
    )
    .bind(phone)
    .bind(id)
    .execute(&mut *conn)
    .await?;
    let given = sqlx::query(
        "update identity.account set phone = $2, phone_verified_at = $3, version = version + 1
         where id = $1 and not exists (select from identity.account where phone = $2 and id <> $1)",
    )
    .bind(id)
    .bind(phone)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(given.rows_affected() == 1)
}

/// False when the address or the phone number is taken.
pub async fn insert(conn: &mut PgConnection, new: &Account, at: DateTime<Utc>) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.account (id, email, email_verified_at, phone, phone_verified_at, name, locale, password_hash, password_changed_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, case when $8 is null then null else $9 end, $9) on conflict do nothing",
    )
    .bind(new.id)
    .bind(&new.email)
    .bind(new.email_verified_at)
    .bind(&new.phone)
    .bind(new.phone_verified_at)
    .bind(&new.name)
    .bind(&new.locale)
    .bind(&new.password_hash)
    .bind(at)
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

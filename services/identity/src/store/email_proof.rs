//! Links that prove an e-mail address.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EmailProof {
    pub id: Uuid,
    pub account_id: Uuid,
    /// The address that it proves.
    pub email: String,
    pub locale: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub name: String,
}

pub struct NewProof<'a> {
    pub id: Uuid,
    pub account_id: Uuid,
    pub email: &'a str,
    pub locale: &'a str,
    pub at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A new link; earlier ones of the account are worth nothing from now on.
pub async fn insert(conn: &mut PgConnection, new: &NewProof<'_>) -> Result<(), DbError> {
    sqlx::query("update identity.email_proof set used_at = $2 where account_id = $1 and used_at is null")
        .bind(new.account_id)
        .bind(new.at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into identity.email_proof (id, account_id, email, locale, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id)
    .bind(new.account_id)
    .bind(new.email)
    .bind(new.locale)
    .bind(new.at)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<EmailProof>, DbError> {
    Ok(sqlx::query_as(
        "select p.id, p.account_id, p.email, p.locale, p.expires_at, p.used_at, a.name
         from identity.email_proof p join identity.account a on a.id = p.account_id
         where p.id = $1 and a.disabled_at is null",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Takes the link: once, in time.
pub async fn use_up(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.email_proof set used_at = $2 where id = $1 and used_at is null and expires_at > $2",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

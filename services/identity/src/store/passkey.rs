//! Passkeys, and what is remembered between the question and the answer of WebAuthn.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, sqlx::FromRow)]
pub struct StoredPasskey {
    pub id: Uuid,
    pub account_id: Uuid,
    pub name: String,
    pub credential: Value,
    pub created_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub suspect_at: Option<DateTime<Utc>>,
}

pub struct NewPasskey<'a> {
    pub id: Uuid,
    pub account_id: Uuid,
    pub credential_id: &'a [u8],
    pub name: &'a str,
    pub credential: &'a Value,
}

/// False when the credential is registered already, with whomever.
pub async fn insert(conn: &mut PgConnection, new: &NewPasskey<'_>, at: DateTime<Utc>) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.passkey (id, account_id, credential_id, name, credential, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict (credential_id) do nothing",
    )
    .bind(new.id)
    .bind(new.account_id)
    .bind(new.credential_id)
    .bind(new.name)
    .bind(new.credential)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn of(conn: &mut PgConnection, account_id: Uuid) -> Result<Vec<StoredPasskey>, DbError> {
    Ok(sqlx::query_as(
        "select id, account_id, name, credential::jsonb as credential, created_at, used_at, suspect_at
         from identity.passkey where account_id = $1 order by id limit 50",
    )
    .bind(account_id)
    .fetch_all(conn)
    .await?)
}

/// The one of this credential, locked, if it may be used.
pub async fn by_credential(conn: &mut PgConnection, credential_id: &[u8]) -> Result<Option<StoredPasskey>, DbError> {
    Ok(sqlx::query_as(
        "select id, account_id, name, credential::jsonb as credential, created_at, used_at, suspect_at
         from identity.passkey where credential_id = $1 and suspect_at is null for update",
    )
    .bind(credential_id)
    .fetch_optional(conn)
    .await?)
}

pub async fn used(conn: &mut PgConnection, id: Uuid, credential: &Value, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.passkey set credential = $2, used_at = $3 where id = $1")
        .bind(id)
        .bind(credential)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Its counter went backwards.
pub async fn suspect(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.passkey set suspect_at = $2 where id = $1").bind(id).bind(at).execute(conn).await?;
    Ok(())
}

pub async fn remove(conn: &mut PgConnection, account_id: Uuid, id: Uuid) -> Result<bool, DbError> {
    let removed = sqlx::query("delete from identity.passkey where id = $2 and account_id = $1")
        .bind(account_id)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(removed.rows_affected() == 1)
}

pub async fn remove_all(conn: &mut PgConnection, account_id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.passkey where account_id = $1").bind(account_id).execute(conn).await?;
    Ok(())
}

pub async fn begin(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    kind: &str,
    account_id: Option<Uuid>,
    state: &Value,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.ceremony (token_hash, kind, account_id, state, expires_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(token_hash.as_slice())
    .bind(kind)
    .bind(account_id)
    .bind(state)
    .bind(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes what was remembered: once, in time, for the kind and the person it was begun for.
pub async fn take(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    kind: &str,
    account_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Option<Value>, DbError> {
    Ok(sqlx::query_scalar(
        "delete from identity.ceremony
         where token_hash = $1 and kind = $2 and account_id is not distinct from $3 and expires_at > $4
         returning state::jsonb",
    )
    .bind(token_hash.as_slice())
    .bind(kind)
    .bind(account_id)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

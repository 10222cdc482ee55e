//! People on their way to another provider, and who they are there.
use crate::domain::federation::Arrived;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

pub struct NewAttempt<'a> {
    pub id: Uuid,
    pub state_hash: [u8; 32],
    pub provider: &'a str,
    pub nonce: &'a str,
    /// Sealed.
    pub verifier: &'a [u8],
    pub target: &'a str,
    pub at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
pub struct Attempt {
    pub id: Uuid,
    pub nonce: String,
    pub verifier: Vec<u8>,
    pub target: String,
}

/// Somebody whom a provider vouches for, and who may connect that to their account.
#[derive(sqlx::FromRow)]
pub struct Connecting {
    pub id: Uuid,
    pub provider: String,
    pub target: String,
    pub claims: Json<Arrived>,
}

/// Who somebody is elsewhere, as its person sees it.
#[derive(sqlx::FromRow)]
pub struct External {
    pub id: Uuid,
    pub issuer: String,
    pub label: String,
    pub email: Option<String>,
    pub linked_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

pub async fn insert_attempt(conn: &mut PgConnection, new: &NewAttempt<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.federation_attempt (id, state_hash, provider, nonce, verifier, target, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.state_hash.as_slice())
    .bind(new.provider)
    .bind(new.nonce)
    .bind(new.verifier)
    .bind(new.target)
    .bind(new.at)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes an attempt: once, in time, in its browser, for its provider.
pub async fn take_attempt(
    conn: &mut PgConnection,
    state_hash: &[u8; 32],
    provider: &str,
    now: DateTime<Utc>,
) -> Result<Option<Attempt>, DbError> {
    Ok(sqlx::query_as(
        "update identity.federation_attempt set used_at = $3
         where state_hash = $1 and provider = $2 and used_at is null and expires_at > $3
         returning id, nonce, verifier, target",
    )
    .bind(state_hash.as_slice())
    .bind(provider)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Keeps what the provider said until its person has proven that the account is theirs.
pub async fn keep_claims(
    conn: &mut PgConnection,
    id: Uuid,
    connect_hash: &[u8; 32],
    claims: &Arrived,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query("update identity.federation_attempt set connect_hash = $2, claims = $3, expires_at = $4 where id = $1")
        .bind(id)
        .bind(connect_hash.as_slice())
        .bind(Json(claims))
        .bind(expires_at)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn connecting(
    conn: &mut PgConnection,
    connect_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Connecting>, DbError> {
    Ok(sqlx::query_as(
        "select id, provider, target, claims from identity.federation_attempt
         where connect_hash = $1 and claims is not null and expires_at > $2",
    )
    .bind(connect_hash.as_slice())
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Removes an attempt that led to a session. False when another request did so first.
pub async fn finish(conn: &mut PgConnection, id: Uuid) -> Result<bool, DbError> {
    let removed = sqlx::query("delete from identity.federation_attempt where id = $1").bind(id).execute(conn).await?;
    Ok(removed.rows_affected() == 1)
}

/// Removes attempts that expired before `before`.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.federation_attempt where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

/// Whose account this person of another provider is connected to; notes that it was used.
pub async fn arrive(conn: &mut PgConnection, arrived: &Arrived, now: DateTime<Utc>) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update identity.external_identity set last_used_at = $3, email = coalesce($4, email)
         where issuer = $1 and subject = $2 returning account_id",
    )
    .bind(&arrived.issuer)
    .bind(&arrived.subject)
    .bind(now)
    .bind(&arrived.claimed_email)
    .fetch_optional(conn)
    .await?)
}

/// Connects a person of another provider with an account. False where either is connected already.
pub async fn link(
    conn: &mut PgConnection,
    id: Uuid,
    arrived: &Arrived,
    account_id: Uuid,
    label: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.external_identity (id, issuer, subject, account_id, email, label, linked_at, last_used_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing",
    )
    .bind(id)
    .bind(&arrived.issuer)
    .bind(&arrived.subject)
    .bind(account_id)
    .bind(&arrived.claimed_email)
    .bind(label)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Whether the account is connected with somebody of this provider.
pub async fn is_linked(conn: &mut PgConnection, account_id: Uuid, issuer: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from identity.external_identity where account_id = $1 and issuer = $2)",
    )
    .bind(account_id)
    .bind(issuer)
    .fetch_one(conn)
    .await?)
}

/// All of one account, oldest first; there are few.
pub async fn identities(conn: &mut PgConnection, account_id: Uuid) -> Result<Vec<External>, DbError> {
    Ok(sqlx::query_as(
        "select id, issuer, label, email, linked_at, last_used_at from identity.external_identity
         where account_id = $1 order by id limit 200",
    )
    .bind(account_id)
    .fetch_all(conn)
    .await?)
}

/// Holds the account's row, so that of two who take away ways to sign in the second sees what the first left; whether
/// the account has a password.
pub async fn lock_ways(conn: &mut PgConnection, account_id: Uuid) -> Result<bool, DbError> {
    let password: Option<bool> =
        sqlx::query_scalar("select password_hash is not null from identity.account where id = $1 for update")
            .bind(account_id)
            .fetch_optional(conn)
            .await?;
    Ok(password.unwrap_or(false))
}

pub async fn unlink(conn: &mut PgConnection, account_id: Uuid, id: Uuid) -> Result<bool, DbError> {
    let removed = sqlx::query("delete from identity.external_identity where account_id = $1 and id = $2")
        .bind(account_id)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Notes which provider vouches for a session, and for which organisation alone it does.
pub async fn note_session(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    provider: &str,
    organisation_id: Option<Uuid>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.session_provider (session_id, provider, organisation_id)
         select id, $2, $3 from identity.session where token_hash = $1",
    )
    .bind(token_hash.as_slice())
    .bind(provider)
    .bind(organisation_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// The provider that vouches for a session, with the organisation whose own it is.
pub async fn session_provider(
    conn: &mut PgConnection,
    session_id: Uuid,
) -> Result<Option<(String, Option<Uuid>)>, DbError> {
    Ok(sqlx::query_as("select provider, organisation_id from identity.session_provider where session_id = $1")
        .bind(session_id)
        .fetch_optional(conn)
        .await?)
}

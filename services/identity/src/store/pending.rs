//! Sign-ins that wait for their second factor.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// So many wrong answers, then the first factor must be proven again.
const ATTEMPTS_MAX: i32 = 10;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pending {
    pub account_id: Uuid,
    /// What was proven so far (RFC 8176).
    pub amr: Vec<String>,
    pub target: String,
    pub organisation_id: Option<Uuid>,
    /// Which other provider vouches for the person, and for which organisation alone.
    pub provider: Option<String>,
    pub provider_organisation_id: Option<Uuid>,
}

pub async fn insert(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    pending: &Pending,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.pending_sign_in
         (token_hash, account_id, amr, target, organisation_id, created_at, expires_at, provider, provider_organisation_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(token_hash.as_slice())
    .bind(pending.account_id)
    .bind(&pending.amr)
    .bind(&pending.target)
    .bind(pending.organisation_id)
    .bind(at)
    .bind(expires_at)
    .bind(&pending.provider)
    .bind(pending.provider_organisation_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// The one of this cookie, if it is still good.
pub async fn find(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Pending>, DbError> {
    Ok(sqlx::query_as(
        "select p.account_id, p.amr, p.target, p.organisation_id, p.provider, p.provider_organisation_id
         from identity.pending_sign_in p join identity.account a on a.id = p.account_id
         where p.token_hash = $1 and p.expires_at > $2 and p.attempts < $3 and a.disabled_at is null",
    )
    .bind(token_hash.as_slice())
    .bind(now)
    .bind(ATTEMPTS_MAX)
    .fetch_optional(conn)
    .await?)
}

/// One wrong answer more.
pub async fn missed(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query("update identity.pending_sign_in set attempts = attempts + 1 where token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes it: once.
pub async fn take(conn: &mut PgConnection, token_hash: &[u8; 32]) -> Result<bool, DbError> {
    let removed = sqlx::query("delete from identity.pending_sign_in where token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(conn)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Whoever knew the old password has not come in yet.
pub async fn drop_all(conn: &mut PgConnection, account_id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.pending_sign_in where account_id = $1").bind(account_id).execute(conn).await?;
    Ok(())
}

/// Removes what ran out: sign-ins, ceremonies, and proofs of addresses.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let mut removed = 0;
    for statement in [
        "delete from identity.pending_sign_in where expires_at < $1",
        "delete from identity.ceremony where expires_at < $1",
        "delete from identity.email_proof where expires_at < $1",
    ] {
        removed += sqlx::query(statement).bind(before).execute(&mut *conn).await?.rows_affected();
    }
    Ok(removed)
}

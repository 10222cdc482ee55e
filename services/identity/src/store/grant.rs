//! Grants with their authorization codes and families of refresh tokens.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// What was granted to one client for one person in one organisation.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Grant {
    pub id: Uuid,
    pub client_id: String,
    pub account_id: Uuid,
    /// None for an operator of the platform.
    pub organisation_id: Option<Uuid>,
    pub session_id: Uuid,
    pub offline: bool,
    /// As requested; what it is worth is worked out anew for every token.
    pub scope: String,
    pub auth_time: DateTime<Utc>,
    pub amr: Vec<String>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// The key that a public client's refresh tokens are bound to.
    pub dpop_jkt: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Code {
    pub grant_id: Uuid,
    pub redirect_uri: String,
    pub nonce: Option<String>,
    pub code_challenge: String,
    /// The key that it must be exchanged with (RFC 9449 section 10).
    pub dpop_jkt: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RefreshToken {
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub consumed_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub successor_hash: Option<Vec<u8>>,
    pub successor_used: bool,
}

pub async fn insert(conn: &mut PgConnection, grant: &Grant, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.token_grant
         (id, client_id, account_id, organisation_id, session_id, offline, scope, auth_time, created_at, expires_at, amr,
          dpop_jkt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(grant.id)
    .bind(&grant.client_id)
    .bind(grant.account_id)
    .bind(grant.organisation_id)
    .bind(grant.session_id)
    .bind(grant.offline)
    .bind(&grant.scope)
    .bind(grant.auth_time)
    .bind(at)
    .bind(grant.expires_at)
    .bind(&grant.amr)
    .bind(&grant.dpop_jkt)
    .execute(conn)
    .await?;
    Ok(())
}

/// The grant, locked until the transaction ends: one use of its codes and tokens at a time.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<Grant>, DbError> {
    Ok(sqlx::query_as(
        "select id, client_id, account_id, organisation_id, session_id, offline, scope, auth_time, amr, expires_at, revoked_at,
                dpop_jkt
         from identity.token_grant where id = $1 for update",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Ends a family, with what its person got in other organisations by it. True when it was alive.
pub async fn revoke(conn: &mut PgConnection, id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.token_grant set revoked_at = $2, revoked_for = $3
         where revoked_at is null and (id = $1 or root_id = $1
             or root_id = (select root_id from identity.token_grant where id = $1)
             or id = (select root_id from identity.token_grant where id = $1))",
    )
    .bind(id)
    .bind(now)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() > 0)
}

/// Makes a new grant part of the family of `from`.
pub async fn adopt(conn: &mut PgConnection, id: Uuid, from: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "update identity.token_grant set root_id = (select coalesce(root_id, id) from identity.token_grant where id = $2)
         where id = $1",
    )
    .bind(id)
    .bind(from)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the other branches of a family in one organisation, but for the grant that is branched off from.
pub async fn prune(
    conn: &mut PgConnection,
    from: Uuid,
    organisation_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.token_grant set revoked_at = $3, revoked_for = 'switched again'
         where root_id = (select coalesce(root_id, id) from identity.token_grant where id = $1) and organisation_id = $2
           and id <> $1 and revoked_at is null",
    )
    .bind(from)
    .bind(organisation_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn insert_code(conn: &mut PgConnection, hash: &[u8; 32], code: &Code) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.authorization_code (hash, grant_id, redirect_uri, nonce, code_challenge, dpop_jkt, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(hash.as_slice())
    .bind(code.grant_id)
    .bind(&code.redirect_uri)
    .bind(&code.nonce)
    .bind(&code.code_challenge)
    .bind(&code.dpop_jkt)
    .bind(code.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which grant a code is of.
pub async fn grant_of_code(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar("select grant_id from identity.authorization_code where hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?)
}

/// The code; its grant is locked.
pub async fn code(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Code>, DbError> {
    Ok(sqlx::query_as(
        "select grant_id, redirect_uri, nonce, code_challenge, dpop_jkt, expires_at, used_at
         from identity.authorization_code where hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?)
}

/// Marks the code used. False when it was.
pub async fn use_code(conn: &mut PgConnection, hash: &[u8; 32], now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated =
        sqlx::query("update identity.authorization_code set used_at = $2 where hash = $1 and used_at is null")
            .bind(hash.as_slice())
            .bind(now)
            .execute(conn)
            .await?;
    Ok(updated.rows_affected() == 1)
}

pub async fn insert_refresh(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    grant_id: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query("insert into identity.refresh_token (hash, grant_id, issued_at, expires_at) values ($1, $2, $3, $4)")
        .bind(hash.as_slice())
        .bind(grant_id)
        .bind(now)
        .bind(expires_at)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn grant_of_refresh(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar("select grant_id from identity.refresh_token where hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?)
}

/// The token with what became of its successor; its grant is locked.
pub async fn refresh(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<RefreshToken>, DbError> {
    Ok(sqlx::query_as(
        "select t.issued_at, t.expires_at, t.consumed_at, t.revoked_at, t.successor_hash,
                next.consumed_at is not null or next.revoked_at is not null as successor_used
         from identity.refresh_token t left join identity.refresh_token next on next.hash = t.successor_hash
         where t.hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?)
}

/// A refresh token that could be used now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveRefresh {
    pub client_id: String,
    pub account_id: Uuid,
    pub organisation_id: Option<Uuid>,
    pub scope: String,
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The token, while it was not used and all that it hangs on is there: grant, session, membership, account.
pub async fn live_refresh(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<LiveRefresh>, DbError> {
    Ok(sqlx::query_as(
        "select g.client_id, g.account_id, g.organisation_id, g.scope, t.issued_at, t.expires_at
         from identity.refresh_token t join identity.token_grant g on g.id = t.grant_id
              join identity.account a on a.id = g.account_id
         where t.hash = $1 and t.consumed_at is null and t.revoked_at is null and t.expires_at > $2
               and g.revoked_at is null and g.expires_at > $2 and a.disabled_at is null
               and (g.offline or exists (select from identity.session s
                                         where s.id = g.session_id and s.ended_at is null and s.expires_at > $2))
               and (g.organisation_id is null
                    or exists (select from identity.membership m where m.organisation_id = g.organisation_id
                               and m.account_id = g.account_id and m.ended_at is null))",
    )
    .bind(hash.as_slice())
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Notes that `hash` was used and which token took its place; the time of the first use stays.
pub async fn consume_refresh(
    conn: &mut PgConnection,
    hash: &[u8; 32],
    successor: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.refresh_token set consumed_at = coalesce(consumed_at, $3), successor_hash = $2 where hash = $1",
    )
    .bind(hash.as_slice())
    .bind(successor.as_slice())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Withdraws a token that was given but never used.
pub async fn revoke_refresh(conn: &mut PgConnection, hash: &[u8], now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.refresh_token set revoked_at = $2 where hash = $1")
        .bind(hash)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes grants that expired, with their codes and tokens, and codes used long ago.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed = sqlx::query("delete from identity.token_grant where expires_at < $1 or revoked_at < $1")
        .bind(before)
        .execute(&mut *conn)
        .await?;
    sqlx::query("delete from identity.authorization_code where expires_at < $1")
        .bind(before)
        .execute(&mut *conn)
        .await?;
    sqlx::query("delete from identity.refresh_token where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}

//! Browser sessions.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A live session with the person it belongs to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: Uuid,
    pub account_id: Uuid,
    /// Chosen last.
    pub organisation_id: Option<Uuid>,
    pub auth_time: DateTime<Utc>,
    /// How the person proved who they are (RFC 8176).
    pub amr: Vec<String>,
    pub used_at: DateTime<Utc>,
    pub name: String,
    /// None for a person who signs in by phone.
    pub email: Option<String>,
    pub phone: Option<String>,
    /// An organisation's own provider vouches for it: its word counts there, and not for the account itself.
    pub own_provider: bool,
}

impl Session {
    /// What the person signs in with, as a page shows it.
    pub fn address(&self) -> &str {
        self.email.as_deref().or(self.phone.as_deref()).unwrap_or_default()
    }
}

pub struct NewSession<'a> {
    pub id: Uuid,
    pub token_hash: [u8; 32],
    pub account_id: Uuid,
    pub organisation_id: Option<Uuid>,
    pub user_agent: &'a str,
    pub amr: &'a [&'a str],
    pub at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub async fn insert(conn: &mut PgConnection, new: &NewSession<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.session (id, token_hash, account_id, organisation_id, user_agent, auth_time, used_at, expires_at, amr)
         values ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.token_hash.as_slice())
    .bind(new.account_id)
    .bind(new.organisation_id)
    .bind(new.user_agent)
    .bind(new.at)
    .bind(new.expires_at)
    .bind(new.amr)
    .execute(conn)
    .await?;
    Ok(())
}

/// The live session of this token: not ended, not expired, used since `idle_since`, its person not disabled.
pub async fn find(
    conn: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> Result<Option<Session>, DbError> {
    Ok(sqlx::query_as(
        "select s.id, s.account_id, s.organisation_id, s.auth_time, s.amr, s.used_at, a.name, a.email, a.phone,
                exists (select from identity.session_provider p where p.session_id = s.id and p.organisation_id is not null)
                    as own_provider
         from identity.session s join identity.account a on a.id = s.account_id
         where s.token_hash = $1 and s.ended_at is null and s.expires_at > $2 and s.used_at > $3 and a.disabled_at is null",
    )
    .bind(token_hash.as_slice())
    .bind(now)
    .bind(idle_since)
    .fetch_optional(conn)
    .await?)
}

/// Notes a use and the organisation chosen.
pub async fn touch(
    conn: &mut PgConnection,
    id: Uuid,
    organisation_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.session set used_at = $3, organisation_id = coalesce($2, organisation_id) where id = $1",
    )
    .bind(id)
    .bind(organisation_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends one session with the grants that hang on it; its account, where it was alive.
pub async fn end(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Option<Uuid>, DbError> {
    let account_id = sqlx::query_scalar(
        "update identity.session set ended_at = $2 where id = $1 and ended_at is null returning account_id",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query(
        "update identity.token_grant set revoked_at = $2, revoked_for = 'session ended'
         where session_id = $1 and revoked_at is null and not offline",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(account_id)
}

/// Ends all sessions and grants of a person. Returns the sessions that were alive, and those that living grants were
/// given in.
pub async fn end_all(
    conn: &mut PgConnection,
    account_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(Vec<Uuid>, Vec<Uuid>), DbError> {
    let ended = sqlx::query_scalar(
        "update identity.session set ended_at = $2 where account_id = $1 and ended_at is null returning id",
    )
    .bind(account_id)
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    let granted = sqlx::query_scalar(
        "with ended as (
             update identity.token_grant set revoked_at = $2, revoked_for = 'everything ended'
             where account_id = $1 and revoked_at is null returning session_id)
         select distinct session_id from ended",
    )
    .bind(account_id)
    .bind(now)
    .fetch_all(conn)
    .await?;
    Ok((ended, granted))
}

/// Whether a session lives, for the tokens that hang on it.
pub async fn is_alive(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from identity.session where id = $1 and ended_at is null and expires_at > $2)",
    )
    .bind(id)
    .bind(now)
    .fetch_one(conn)
    .await?)
}

/// Removes what ended or expired before `before`.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "delete from identity.session where expires_at < $1 or ended_at < $1 or used_at < $1 - interval '30 days'",
    )
    .bind(before)
    .execute(conn)
    .await?;
    Ok(removed.rows_affected())
}

//! What people allowed applications.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// One application in one organisation.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Consent {
    pub id: Uuid,
    pub client_id: String,
    pub organisation_id: Uuid,
    pub organisation_name: String,
    pub scopes: Vec<String>,
    pub granted_at: DateTime<Utc>,
    pub version: i64,
}

/// What this application was allowed; none where nobody was asked yet, or it was withdrawn.
pub async fn scopes(
    conn: &mut PgConnection,
    account_id: Uuid,
    client_id: &str,
    organisation_id: Uuid,
) -> Result<Option<Vec<String>>, DbError> {
    Ok(sqlx::query_scalar(
        "select scopes from identity.consent
         where account_id = $1 and client_id = $2 and organisation_id = $3 and revoked_at is null",
    )
    .bind(account_id)
    .bind(client_id)
    .bind(organisation_id)
    .fetch_optional(conn)
    .await?)
}

/// Whose consent, to which application, in which organisation.
pub struct Allowed<'a> {
    pub account_id: Uuid,
    pub client_id: &'a str,
    pub organisation_id: Uuid,
    pub scopes: &'a [String],
}

/// Remembers that the person allowed this, besides what they had allowed; `id` where there was nothing yet.
pub async fn allow(
    conn: &mut PgConnection,
    id: Uuid,
    allowed: &Allowed<'_>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.consent as known (id, account_id, client_id, organisation_id, scopes, granted_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (account_id, client_id, organisation_id) where revoked_at is null do update
         set scopes = array(select distinct unnest(known.scopes || excluded.scopes) order by 1),
             granted_at = excluded.granted_at, version = known.version + 1",
    )
    .bind(id)
    .bind(allowed.account_id)
    .bind(allowed.client_id)
    .bind(allowed.organisation_id)
    .bind(allowed.scopes)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The person's applications, the oldest first, after `after`.
pub async fn list(conn: &mut PgConnection, account_id: Uuid, after: Uuid, limit: i64) -> Result<Vec<Consent>, DbError> {
    Ok(sqlx::query_as(
        "select c.id, c.client_id, c.organisation_id, o.name as organisation_name, c.scopes, c.granted_at, c.version
         from identity.consent c join identity.organisation o on o.id = c.organisation_id
         where c.account_id = $1 and c.revoked_at is null and c.id > $2 order by c.id limit $3",
    )
    .bind(account_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// The person's own, locked.
pub async fn lock(conn: &mut PgConnection, account_id: Uuid, id: Uuid) -> Result<Option<Consent>, DbError> {
    Ok(sqlx::query_as(
        "select c.id, c.client_id, c.organisation_id, o.name as organisation_name, c.scopes, c.granted_at, c.version
         from identity.consent c join identity.organisation o on o.id = c.organisation_id
         where c.id = $1 and c.account_id = $2 and c.revoked_at is null for update of c",
    )
    .bind(id)
    .bind(account_id)
    .fetch_optional(conn)
    .await?)
}

/// Withdraws it, and ends every grant that the application has for the person in that organisation; the ids of these
/// grants.
pub async fn revoke(
    conn: &mut PgConnection,
    account_id: Uuid,
    consent: &Consent,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbError> {
    sqlx::query("update identity.consent set revoked_at = $2, version = version + 1 where id = $1")
        .bind(consent.id)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_scalar(
        "update identity.token_grant set revoked_at = $4, revoked_for = 'consent withdrawn'
         where account_id = $1 and client_id = $2 and organisation_id = $3 and revoked_at is null returning id",
    )
    .bind(account_id)
    .bind(&consent.client_id)
    .bind(consent.organisation_id)
    .bind(now)
    .fetch_all(conn)
    .await?)
}

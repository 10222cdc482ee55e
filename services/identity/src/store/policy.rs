//! An organisation's rules of signing in.
use crate::domain::policy::Policy;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    mfa: String,
    mfa_roles: Vec<String>,
    session_max_minutes: Option<i32>,
    session_idle_minutes: Option<i32>,
    networks: Vec<String>,
    required_provider: Option<Uuid>,
    invitation_domains: Vec<String>,
    version: i64,
}

impl From<Row> for Policy {
    fn from(row: Row) -> Policy {
        Policy {
            mfa: row.mfa,
            mfa_roles: row.mfa_roles,
            session_max_minutes: row.session_max_minutes,
            session_idle_minutes: row.session_idle_minutes,
            networks: row.networks,
            required_provider: row.required_provider,
            invitation_domains: row.invitation_domains,
            version: row.version,
        }
    }
}

/// The rules; none where the organisation never set any.
pub async fn find(conn: &mut PgConnection, organisation_id: Uuid) -> Result<Policy, DbError> {
    let found: Option<Row> = sqlx::query_as(
        "select mfa, mfa_roles, session_max_minutes, session_idle_minutes, networks, required_provider, invitation_domains, version
         from identity.policy where organisation_id = $1",
    )
    .bind(organisation_id)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(Policy::from).unwrap_or_default())
}

/// Writes all of it but the required provider.
pub async fn put(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    policy: &Policy,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.policy (organisation_id, mfa, mfa_roles, session_max_minutes, session_idle_minutes, networks,
             invitation_domains, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (organisation_id) do update set mfa = excluded.mfa, mfa_roles = excluded.mfa_roles,
             session_max_minutes = excluded.session_max_minutes, session_idle_minutes = excluded.session_idle_minutes,
             networks = excluded.networks, invitation_domains = excluded.invitation_domains,
             updated_at = excluded.updated_at, version = excluded.version",
    )
    .bind(organisation_id)
    .bind(&policy.mfa)
    .bind(&policy.mfa_roles)
    .bind(policy.session_max_minutes)
    .bind(policy.session_idle_minutes)
    .bind(&policy.networks)
    .bind(&policy.invitation_domains)
    .bind(at)
    .bind(policy.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// When this session last got anything for this organisation.
pub async fn last_use(
    conn: &mut PgConnection,
    session_id: Uuid,
    organisation_id: Uuid,
) -> Result<Option<DateTime<Utc>>, DbError> {
    Ok(sqlx::query_scalar(
        "select max(created_at) from identity.token_grant where session_id = $1 and organisation_id = $2",
    )
    .bind(session_id)
    .bind(organisation_id)
    .fetch_one(conn)
    .await?)
}

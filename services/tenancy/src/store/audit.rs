//! What operators did, and what organisations said to their requests, from the audit trail.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub position: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub operator_name: Option<String>,
    pub action: String,
    pub resource: String,
    pub record_id: Option<Uuid>,
    pub after: Option<String>,
    pub request_id: Option<String>,
}

/// Everything operators did, newest first.
pub async fn all(conn: &mut PgConnection, before: Option<i64>, limit: i64) -> Result<Vec<Line>, DbError> {
    Ok(sqlx::query_as(
        "select a.position, a.at, a.actor, o.name as operator_name, a.action, a.resource, a.record_id,
                a.after::text as after, a.request_id
         from hitaji.audit a left join tenancy.operator o on a.actor = 'operator:' || o.account_id::text
         where a.actor like 'operator:%' and ($1::bigint is null or a.position < $1)
         order by a.position desc limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// What operators did to one organisation, and what it said to their requests, newest first.
pub async fn of(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Line>, DbError> {
    Ok(sqlx::query_as(
        "select a.position, a.at, a.actor, o.name as operator_name, a.action, a.resource, a.record_id,
                a.after::text as after, a.request_id
         from hitaji.audit a left join tenancy.operator o on a.actor = 'operator:' || o.account_id::text
         where (a.record_id = $1 or a.record_id in (select id from tenancy.support_grant where organisation_id = $1))
           and (a.actor like 'operator:%' or a.resource = 'tenancy.support_grant')
           and ($2::bigint is null or a.position < $2)
         order by a.position desc limit $3",
    )
    .bind(organisation_id)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

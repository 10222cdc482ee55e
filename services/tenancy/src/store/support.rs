//! Access that operators asked organisations for.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SupportGrant {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub operator_id: Uuid,
    pub operator_name: Option<String>,
    pub operator_email: Option<String>,
    pub reason: String,
    pub access: String,
    pub hours: i32,
    pub state: String,
    pub requested_at: DateTime<Utc>,
    pub decided_at: Option<DateTime<Utc>>,
    pub decided_by: Option<Uuid>,
    pub expires_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub version: i64,
}

pub async fn insert(conn: &mut PgConnection, new: &SupportGrant) -> Result<(), DbError> {
    sqlx::query(
        "insert into tenancy.support_grant (id, organisation_id, operator_id, reason, access, hours, state, requested_at)
         values ($1, $2, $3, $4, $5, $6, 'requested', $7)",
    )
    .bind(new.id)
    .bind(new.organisation_id)
    .bind(new.operator_id)
    .bind(&new.reason)
    .bind(&new.access)
    .bind(new.hours)
    .bind(new.requested_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<SupportGrant>, DbError> {
    Ok(sqlx::query_as(
        "select g.id, g.organisation_id, g.operator_id, o.name as operator_name, o.email as operator_email, g.reason,
                g.access, g.hours, g.state, g.requested_at, g.decided_at, g.decided_by, g.expires_at, g.ended_at, g.version
         from tenancy.support_grant g left join tenancy.operator o on o.account_id = g.operator_id where g.id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// The same, locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<SupportGrant>, DbError> {
    sqlx::query("select from tenancy.support_grant where id = $1 for update").bind(id).execute(&mut *conn).await?;
    find(conn, id).await
}

/// Those of an organisation, newest first.
pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SupportGrant>, DbError> {
    Ok(sqlx::query_as(
        "select g.id, g.organisation_id, g.operator_id, o.name as operator_name, o.email as operator_email, g.reason,
                g.access, g.hours, g.state, g.requested_at, g.decided_at, g.decided_by, g.expires_at, g.ended_at, g.version
         from tenancy.support_grant g left join tenancy.operator o on o.account_id = g.operator_id
         where g.organisation_id = $1 and ($2::uuid is null or g.id < $2) order by g.id desc limit $3",
    )
    .bind(organisation_id)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Writes what was decided; the row is locked.
pub async fn update(conn: &mut PgConnection, grant: &SupportGrant) -> Result<(), DbError> {
    sqlx::query(
        "update tenancy.support_grant
         set state = $2, decided_at = $3, decided_by = $4, expires_at = $5, ended_at = $6, version = $7 where id = $1",
    )
    .bind(grant.id)
    .bind(&grant.state)
    .bind(grant.decided_at)
    .bind(grant.decided_by)
    .bind(grant.expires_at)
    .bind(grant.ended_at)
    .bind(grant.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down what time has ended, so that there is room for another request.
pub async fn expire(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    Ok(sqlx::query_as(
        "update tenancy.support_grant set state = 'expired', version = version + 1
         where (state = 'granted' and expires_at <= $1)
            or (state = 'requested' and requested_at <= $1::timestamptz - interval '7 days')
         returning id, organisation_id",
    )
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// Ends all that an operator has or asked for: (access, organisation).
pub async fn end_all(
    conn: &mut PgConnection,
    operator_id: Uuid,
    at: DateTime<Utc>,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    Ok(sqlx::query_as(
        "update tenancy.support_grant set state = 'ended', ended_at = $2, version = version + 1
         where operator_id = $1 and state in ('requested', 'granted') returning id, organisation_id",
    )
    .bind(operator_id)
    .bind(at)
    .fetch_all(conn)
    .await?)
}

/// Notes an operator's name.
pub async fn name_operator(conn: &mut PgConnection, id: Uuid, name: &str, email: &str) -> Result<(), DbError> {
    sqlx::query(
        "insert into tenancy.operator (account_id, name, email) values ($1, $2, $3)
         on conflict (account_id) do update set name = $2, email = $3",
    )
    .bind(id)
    .bind(name)
    .bind(email)
    .execute(conn)
    .await?;
    Ok(())
}

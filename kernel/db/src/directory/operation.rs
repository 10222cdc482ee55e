//! Long work on whole databases, recorded so that it can be watched, taken up again after a crash, and looked up later.
use crate::DbError;
use chrono::{DateTime, Utc};
use hitaji_core::{TenantId, new_id};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Operation {
    pub id: Uuid,
    pub kind: String,
    pub tenant_id: Option<Uuid>,
    /// running, done, failed, cancelled.
    pub state: String,
    /// The last step that is done for good.
    pub step: String,
    pub done: i64,
    pub total: Option<i64>,
    #[sqlx(json)]
    pub detail: Value,
    pub error: Option<String>,
    pub actor: String,
    pub started_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Begins work on a tenant. A second one while the first runs is refused by `operation_running_key`.
pub async fn begin(
    conn: &mut PgConnection,
    kind: &str,
    tenant: Option<TenantId>,
    actor: &str,
    detail: &Value,
) -> Result<Uuid, DbError> {
    let id = new_id();
    let inserted =
        sqlx::query("insert into directory.operation (id, kind, tenant_id, actor, detail) values ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(kind)
            .bind(tenant.map(|tenant| tenant.0))
            .bind(actor)
            .bind(detail)
            .execute(conn)
            .await;
    match inserted.map_err(DbError::from) {
        Err(error) if error.constraint() == Some("operation_running_key") => {
            Err(DbError::Invalid("something else is being done to this organisation; wait until it ends".into()))
        }
        Err(error) => Err(error),
        Ok(_) => Ok(id),
    }
}

/// Records a step that is done for good, with what the next one needs to know.
pub async fn step(conn: &mut PgConnection, id: Uuid, step: &str, detail: &Value) -> Result<(), DbError> {
    sqlx::query("update directory.operation set step = $2, detail = $3, updated_at = clock_timestamp() where id = $1")
        .bind(id)
        .bind(step)
        .bind(detail)
        .execute(conn)
        .await?;
    Ok(())
}

/// Records how far it is. False when somebody cancelled it.
pub async fn progress(conn: &mut PgConnection, id: Uuid, done: i64) -> Result<bool, DbError> {
    let state: Option<String> = sqlx::query_scalar(
        "update directory.operation set done = $2, updated_at = clock_timestamp() where id = $1 returning state",
    )
    .bind(id)
    .bind(done)
    .fetch_optional(conn)
    .await?;
    Ok(state.as_deref() == Some("running"))
}

/// Ends it: done, or failed with the reason. What failed because it was cancelled stays cancelled.
pub async fn finish(conn: &mut PgConnection, id: Uuid, outcome: Result<(), &str>) -> Result<(), DbError> {
    sqlx::query(
        "update directory.operation set state = case when state = 'cancelled' and $2 = 'failed' then state else $2 end,
            error = $3, updated_at = clock_timestamp(), finished_at = clock_timestamp()
         where id = $1 and finished_at is null",
    )
    .bind(id)
    .bind(if outcome.is_ok() { "done" } else { "failed" })
    .bind(outcome.err())
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Operation>, DbError> {
    Ok(sqlx::query_as(
        "select id, kind, tenant_id, state, step, done, total, detail, error, actor, started_at, updated_at, finished_at
         from directory.operation where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Work that nobody has touched since `before`: whoever did it is gone.
pub async fn abandoned(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<Operation>, DbError> {
    Ok(sqlx::query_as(
        "select id, kind, tenant_id, state, step, done, total, detail, error, actor, started_at, updated_at, finished_at
         from directory.operation where finished_at is null and updated_at < $1 order by started_at limit 100",
    )
    .bind(before)
    .fetch_all(conn)
    .await?)
}

/// The latest work, newest first.
pub async fn latest(conn: &mut PgConnection, limit: i64) -> Result<Vec<Operation>, DbError> {
    Ok(sqlx::query_as(
        "select id, kind, tenant_id, state, step, done, total, detail, error, actor, started_at, updated_at, finished_at
         from directory.operation order by started_at desc limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Asks running work to stop; it does within seconds, and leaves things as they were. False when it does not run.
pub async fn cancel(conn: &mut PgConnection, id: Uuid) -> Result<bool, DbError> {
    let changed = sqlx::query("update directory.operation set state = 'cancelled' where id = $1 and state = 'running'")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// The latest work on a tenant, newest first.
pub async fn of_tenant(conn: &mut PgConnection, tenant: TenantId, limit: i64) -> Result<Vec<Operation>, DbError> {
    Ok(sqlx::query_as(
        "select id, kind, tenant_id, state, step, done, total, detail, error, actor, started_at, updated_at, finished_at
         from directory.operation where tenant_id = $1 order by started_at desc limit $2",
    )
    .bind(tenant.0)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Something is being done to the tenant, or is still ending after it was cancelled.
pub async fn is_running(conn: &mut PgConnection, tenant: TenantId) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from directory.operation where tenant_id = $1 and finished_at is null)",
    )
    .bind(tenant.0)
    .fetch_one(conn)
    .await?)
}

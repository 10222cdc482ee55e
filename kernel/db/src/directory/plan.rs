//! Plans: what an organisation may use.
use crate::DbError;
use hitaji_core::TenantId;
use sqlx::PgConnection;

/// A plan with its limits.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Plan {
    #[sqlx(rename = "plan_key")]
    pub key: String,
    /// As people read it.
    #[sqlx(rename = "plan_name")]
    pub name: String,
    /// Members and open invitations together.
    pub users: i64,
    pub storage_bytes: i64,
    /// From midnight to midnight in the organisation's time zone.
    pub requests_per_day: i64,
    /// Mail, but for that of signing in.
    pub messages_per_month: i64,
    /// Its share of the connections' time where there is not enough for all.
    pub connection_weight: i32,
    pub point_in_time: bool,
    pub backup_every_hours: i32,
    pub backup_keep_days: i32,
}

/// All plans, the smallest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Plan>, DbError> {
    Ok(sqlx::query_as(
        "select key as plan_key, name as plan_name, users, storage_bytes, requests_per_day, messages_per_month,
         connection_weight, point_in_time, backup_every_hours, backup_keep_days from directory.plan order by rank",
    )
    .fetch_all(conn)
    .await?)
}

/// Gives the organisation another plan; false when there is no such organisation or it has this plan already. A plan that
/// is not there breaks `tenant_plan_fkey`.
pub async fn change(conn: &mut PgConnection, tenant: TenantId, plan: &str) -> Result<bool, DbError> {
    let changed = sqlx::query(
        "update directory.tenant set plan = $2, version = version + 1, changed_at = clock_timestamp()
         where id = $1 and plan <> $2",
    )
    .bind(tenant.0)
    .bind(plan)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

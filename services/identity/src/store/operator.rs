//! The people who run the platform.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Operator {
    pub account_id: Uuid,
    pub email: String,
    pub name: String,
    pub role: String,
    pub granted_at: DateTime<Utc>,
}

/// The role of somebody who runs the platform now.
pub async fn role(conn: &mut PgConnection, account_id: Uuid) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select role from identity.operator where account_id = $1 and ended_at is null")
        .bind(account_id)
        .fetch_optional(conn)
        .await?)
}

/// Makes the person an operator, or gives them another role.
pub async fn start(
    conn: &mut PgConnection,
    account_id: Uuid,
    role: &str,
    granted_by: &str,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.operator (account_id, role, granted_at, granted_by) values ($1, $2, $3, $4)
         on conflict (account_id) do update set role = $2, granted_at = $3, granted_by = $4, ended_at = null",
    )
    .bind(account_id)
    .bind(role)
    .bind(at)
    .bind(granted_by)
    .execute(conn)
    .await?;
    Ok(())
}

/// True when the person was one until now.
pub async fn end(conn: &mut PgConnection, account_id: Uuid, at: DateTime<Utc>) -> Result<bool, DbError> {
    let ended = sqlx::query("update identity.operator set ended_at = $2 where account_id = $1 and ended_at is null")
        .bind(account_id)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// All there are now; a platform has few.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Operator>, DbError> {
    Ok(sqlx::query_as(
        "select o.account_id, a.email, a.name, o.role, o.granted_at
         from identity.operator o join identity.account a on a.id = o.account_id
         where o.ended_at is null order by lower(a.email) limit 1000",
    )
    .fetch_all(conn)
    .await?)
}

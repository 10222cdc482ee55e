//! Clients that are still to be told that a session ended.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Notice {
    pub client_id: String,
    pub session_id: Uuid,
    pub account_id: Uuid,
    /// How often it was tried in vain.
    pub attempts: i32,
}

/// The clients that got tokens in a session.
pub async fn clients_of(conn: &mut PgConnection, session_id: Uuid) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct client_id from identity.token_grant where session_id = $1 order by client_id",
    )
    .bind(session_id)
    .fetch_all(conn)
    .await?)
}

pub async fn insert(conn: &mut PgConnection, notice: &Notice, due_at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.logout_notice (client_id, session_id, account_id, attempts, due_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
    )
    .bind(&notice.client_id)
    .bind(notice.session_id)
    .bind(notice.account_id)
    .bind(notice.attempts)
    .bind(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` that are due, of one client no more than `per_client`: one that does not listen holds nobody up.
pub async fn due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    per_client: i64,
    limit: i64,
) -> Result<Vec<Notice>, DbError> {
    Ok(sqlx::query_as(
        "select client_id, session_id, account_id, attempts from (
             select client_id, session_id, account_id, attempts, due_at,
                    row_number() over (partition by client_id order by due_at, session_id) as place
             from identity.logout_notice where due_at <= $1) ranked
         where place <= $2 order by place, due_at limit $3",
    )
    .bind(now)
    .bind(per_client)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Counts a try in vain; the next one is at `due_at`.
pub async fn postpone(conn: &mut PgConnection, notice: &Notice, due_at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.logout_notice set attempts = attempts + 1, due_at = $3 where client_id = $1 and session_id = $2",
    )
    .bind(&notice.client_id)
    .bind(notice.session_id)
    .bind(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn delete(conn: &mut PgConnection, notice: &Notice) -> Result<(), DbError> {
    sqlx::query("delete from identity.logout_notice where client_id = $1 and session_id = $2")
        .bind(&notice.client_id)
        .bind(notice.session_id)
        .execute(conn)
        .await?;
    Ok(())
}

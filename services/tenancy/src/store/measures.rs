//! What an organisation's own database says of itself: asked on a connection to that database.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Size {
    pub size_bytes: i64,
    pub last_change_at: Option<DateTime<Utc>>,
    pub changes_today: i64,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SchemaVersion {
    pub service: String,
    pub version: i32,
}

pub async fn size(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<Size, DbError> {
    Ok(sqlx::query_as(
        "select pg_database_size(current_database()) as size_bytes,
                (select at from hitaji.audit order by position desc limit 1) as last_change_at,
                (select count(*) from hitaji.outbox where time >= $1) as changes_today",
    )
    .bind(since)
    .fetch_one(conn)
    .await?)
}

pub async fn schema(conn: &mut PgConnection) -> Result<Vec<SchemaVersion>, DbError> {
    Ok(sqlx::query_as("select service, max(version) as version from hitaji.schema_version group by service order by 1")
        .fetch_all(conn)
        .await?)
}

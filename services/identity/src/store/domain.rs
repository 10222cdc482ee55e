//! Domains that organisations proved to own, or want to.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub domain: String,
    pub token: String,
    pub verified_at: Option<DateTime<Utc>>,
    pub checked_at: Option<DateTime<Utc>>,
    pub required_provider: Option<String>,
    pub auto_join_role: Option<String>,
    pub version: i64,
}

pub async fn insert(conn: &mut PgConnection, new: &Row, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.domain (id, organisation_id, domain, token, required_provider, auto_join_role, version, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.organisation_id)
    .bind(&new.domain)
    .bind(&new.token)
    .bind(&new.required_provider)
    .bind(&new.auto_join_role)
    .bind(new.version)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose domain this is, proven.
pub async fn verified(conn: &mut PgConnection, domain: &str) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, domain, token, verified_at, checked_at, required_provider, auto_join_role, version
         from identity.domain where domain = $1 and verified_at is not null",
    )
    .bind(domain)
    .fetch_optional(conn)
    .await?)
}

/// The names that an organisation proved.
pub async fn verified_names(conn: &mut PgConnection, organisation_id: Uuid) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select domain from identity.domain where organisation_id = $1 and verified_at is not null limit 1000",
    )
    .bind(organisation_id)
    .fetch_all(conn)
    .await?)
}

/// One of an organisation, locked.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, domain, token, verified_at, checked_at, required_provider, auto_join_role, version
         from identity.domain where organisation_id = $1 and id = $2 for update",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, domain, token, verified_at, checked_at, required_provider, auto_join_role, version
         from identity.domain where organisation_id = $1 and id > $2 order by id limit $3",
    )
    .bind(organisation_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// How many an organisation has. Holds the organisation's row, so that of two made at once the second counts the first.
pub async fn count(conn: &mut PgConnection, organisation_id: Uuid) -> Result<i64, DbError> {
    sqlx::query("select from identity.organisation where id = $1 for no key update")
        .bind(organisation_id)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_scalar("select count(*) from identity.domain where organisation_id = $1")
        .bind(organisation_id)
        .fetch_one(conn)
        .await?)
}

pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.domain where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// Writes a row whose version was raised by one; nothing when somebody else changed it meanwhile.
pub async fn update(conn: &mut PgConnection, row: &Row) -> Result<(), DbError> {
    sqlx::query(
        "update identity.domain set verified_at = $2, checked_at = $3, required_provider = $4, auto_join_role = $5, version = $6
         where id = $1 and version = $6 - 1",
    )
    .bind(row.id)
    .bind(row.verified_at)
    .bind(row.checked_at)
    .bind(&row.required_provider)
    .bind(&row.auto_join_role)
    .bind(row.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a domain of the organisation requires this provider.
pub async fn requires(conn: &mut PgConnection, organisation_id: Uuid, provider: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from identity.domain where organisation_id = $1 and required_provider = $2)",
    )
    .bind(organisation_id)
    .bind(provider)
    .fetch_one(conn)
    .await?)
}

/// Proven ones that were last looked at before `before`, the longest ago first.
pub async fn due(conn: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, domain, token, verified_at, checked_at, required_provider, auto_join_role, version
         from identity.domain where verified_at is not null and checked_at < $1 order by checked_at limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

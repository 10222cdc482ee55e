//! Organisations' own providers for signing in (`identity.provider`).
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, sqlx::FromRow)]
pub struct Row {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub kind: String,
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    /// Sealed.
    pub client_secret: Option<Vec<u8>>,
    pub scopes: Vec<String>,
    pub trust_mfa: bool,
    pub enabled: bool,
    pub version: i64,
}

pub async fn insert(conn: &mut PgConnection, new: &Row, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.provider
         (id, organisation_id, kind, label, issuer, client_id, client_secret, scopes, trust_mfa, enabled, version, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(new.id)
    .bind(new.organisation_id)
    .bind(&new.kind)
    .bind(&new.label)
    .bind(&new.issuer)
    .bind(&new.client_id)
    .bind(&new.client_secret)
    .bind(&new.scopes)
    .bind(new.trust_mfa)
    .bind(new.enabled)
    .bind(new.version)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One, whichever organisation it is of: for people who sign in with it.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, kind, label, issuer, client_id, client_secret, scopes, trust_mfa, enabled, version
         from identity.provider where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// One of an organisation, locked.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, kind, label, issuer, client_id, client_secret, scopes, trust_mfa, enabled, version
         from identity.provider where organisation_id = $1 and id = $2 for update",
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
        "select id, organisation_id, kind, label, issuer, client_id, client_secret, scopes, trust_mfa, enabled, version
         from identity.provider where organisation_id = $1 and id > $2 order by id limit $3",
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
    Ok(sqlx::query_scalar("select count(*) from identity.provider where organisation_id = $1")
        .bind(organisation_id)
        .fetch_one(conn)
        .await?)
}

pub async fn delete(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.provider where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

pub async fn update(conn: &mut PgConnection, row: &Row) -> Result<(), DbError> {
    sqlx::query(
        "update identity.provider set label = $2, client_id = $3, client_secret = $4, scopes = $5, trust_mfa = $6, enabled = $7, version = $8
         where id = $1",
    )
    .bind(row.id)
    .bind(&row.label)
    .bind(&row.client_id)
    .bind(&row.client_secret)
    .bind(&row.scopes)
    .bind(row.trust_mfa)
    .bind(row.enabled)
    .bind(row.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// All secrets with whose they are, for sealing anew.
pub async fn secrets(conn: &mut PgConnection) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
    Ok(sqlx::query_as("select id, client_secret from identity.provider where client_secret is not null")
        .fetch_all(conn)
        .await?)
}

/// The same secret under another key; nothing when it was changed meanwhile.
pub async fn reseal(conn: &mut PgConnection, id: Uuid, old: &[u8], new: &[u8]) -> Result<(), DbError> {
    sqlx::query("update identity.provider set client_secret = $3 where id = $1 and client_secret = $2")
        .bind(id)
        .bind(old)
        .bind(new)
        .execute(conn)
        .await?;
    Ok(())
}

//! Clients of organisations: registered, changed and ended by their own people.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use jsonwebtoken::jwk::JwkSet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

/// A client, as its organisation sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OwnClient {
    pub id: String,
    pub organisation_id: Option<Uuid>,
    pub name: String,
    pub auth: String,
    pub secret_hashes: Vec<Vec<u8>>,
    pub old_secret_until: Option<DateTime<Utc>>,
    pub jwks: Option<Json<JwkSet>>,
    pub grants: Vec<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub scopes: Option<Vec<String>>,
    pub created_by: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub version: i64,
}

pub async fn insert(conn: &mut PgConnection, client: &OwnClient) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.client (id, organisation_id, name, auth, secret_hashes, jwks, grants, redirect_uris,
            post_logout_redirect_uris, scopes, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(&client.id)
    .bind(client.organisation_id)
    .bind(&client.name)
    .bind(&client.auth)
    .bind(&client.secret_hashes)
    .bind(&client.jwks)
    .bind(&client.grants)
    .bind(&client.redirect_uris)
    .bind(&client.post_logout_redirect_uris)
    .bind(&client.scopes)
    .bind(client.created_by)
    .bind(client.created_at)
    .bind(client.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Clients of an organisation after `after`.
pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    after: &str,
    limit: i64,
) -> Result<Vec<OwnClient>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, auth, secret_hashes, old_secret_until, jwks, grants, redirect_uris,
            post_logout_redirect_uris, scopes, created_by, created_at, expires_at, disabled_at, version
         from identity.client where organisation_id = $1 and id > $2 order by id limit $3",
    )
    .bind(organisation_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, organisation_id: Uuid, id: &str) -> Result<Option<OwnClient>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, auth, secret_hashes, old_secret_until, jwks, grants, redirect_uris,
            post_logout_redirect_uris, scopes, created_by, created_at, expires_at, disabled_at, version
         from identity.client where organisation_id = $1 and id = $2",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// The client, locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: &str) -> Result<Option<OwnClient>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, name, auth, secret_hashes, old_secret_until, jwks, grants, redirect_uris,
            post_logout_redirect_uris, scopes, created_by, created_at, expires_at, disabled_at, version
         from identity.client where organisation_id = $1 and id = $2 for update",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Writes what can be changed of a client that is locked; returns the new version.
pub async fn update(conn: &mut PgConnection, client: &OwnClient) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "update identity.client set name = $2, secret_hashes = $3, old_secret_until = $4, jwks = $5, redirect_uris = $6,
            post_logout_redirect_uris = $7, scopes = $8, expires_at = $9, disabled_at = $10, version = version + 1
         where id = $1 returning version",
    )
    .bind(&client.id)
    .bind(&client.name)
    .bind(&client.secret_hashes)
    .bind(client.old_secret_until)
    .bind(&client.jwks)
    .bind(&client.redirect_uris)
    .bind(&client.post_logout_redirect_uris)
    .bind(&client.scopes)
    .bind(client.expires_at)
    .bind(client.disabled_at)
    .fetch_one(conn)
    .await?)
}

/// Ends what people had granted a client.
pub async fn end_grants(conn: &mut PgConnection, id: &str, now: DateTime<Utc>) -> Result<u64, DbError> {
    let updated = sqlx::query(
        "update identity.token_grant set revoked_at = $2, revoked_for = 'client disabled'
         where client_id = $1 and revoked_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected())
}

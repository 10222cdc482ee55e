//! Clients that registered themselves (RFC 7591).
use crate::domain::registration::Registration;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

/// What it said of itself, as it is answered again.
#[derive(sqlx::FromRow)]
pub struct Registered {
    pub registration: Json<Value>,
    pub created_at: DateTime<Utc>,
}

pub struct NewRegistration<'a> {
    pub id: &'a str,
    pub registration: &'a Registration,
    pub secret_hash: Option<[u8; 32]>,
    pub token_hash: [u8; 32],
    pub at: DateTime<Utc>,
}

/// People are always asked before such a client gets anything.
pub async fn insert(conn: &mut PgConnection, new: &NewRegistration<'_>) -> Result<(), DbError> {
    let said = new.registration;
    let secrets: Vec<&[u8]> = new.secret_hash.iter().map(|hash| hash.as_slice()).collect();
    let grants: Vec<&str> = said.grants.iter().map(|grant| grant.as_str()).collect();
    sqlx::query(
        "insert into identity.client (id, name, auth, secret_hashes, grants, redirect_uris, post_logout_redirect_uris, scopes,
            consent, created_at, require_par, registration_token_hash, registration)
         values ($1, $2, $3, $4, $5, $6, $7, $8, true, $9, $10, $11, $12)",
    )
    .bind(new.id)
    .bind(&said.name)
    .bind(if said.is_public() { "none" } else { "client_secret" })
    .bind(secrets)
    .bind(grants)
    .bind(&said.redirect_uris)
    .bind(&said.post_logout_redirect_uris)
    .bind(&said.scopes)
    .bind(new.at)
    .bind(said.require_par)
    .bind(new.token_hash.as_slice())
    .bind(Json(said.metadata()))
    .execute(conn)
    .await?;
    Ok(())
}

/// By the client's own token.
pub async fn find(conn: &mut PgConnection, id: &str, token_hash: &[u8; 32]) -> Result<Option<Registered>, DbError> {
    Ok(sqlx::query_as(
        "select registration, created_at from identity.client
         where id = $1 and registration_token_hash = $2 and disabled_at is null and registration is not null",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .fetch_optional(conn)
    .await?)
}

/// Ends a client with its grants and what people allowed it.
pub async fn end(conn: &mut PgConnection, id: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (update identity.token_grant set revoked_at = $2, revoked_for = 'client removed'
                        where client_id = $1 and revoked_at is null),
              withdrawn as (update identity.consent set revoked_at = $2 where client_id = $1 and revoked_at is null)
         update identity.client set disabled_at = $2, version = version + 1 where id = $1 and disabled_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

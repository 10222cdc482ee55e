//! Applications and programs that were registered while the platform runs.
use crate::domain::client::{Client, ClientAuth, GrantType};
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use jsonwebtoken::jwk::JwkSet;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    organisation_id: Option<Uuid>,
    name: String,
    auth: String,
    secret_hashes: Vec<Vec<u8>>,
    jwks: Option<Json<JwkSet>>,
    grants: Vec<String>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    scopes: Option<Vec<String>>,
    dpop: bool,
    consent: bool,
    require_par: bool,
    registered: bool,
}

/// A client that is neither disabled nor expired.
pub async fn find(conn: &mut PgConnection, id: &str, now: DateTime<Utc>) -> Result<Option<Client>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "select id, organisation_id, name, auth,
                case when old_secret_until <= $2 then secret_hashes[1:1] else secret_hashes end as secret_hashes, jwks,
                grants, redirect_uris, post_logout_redirect_uris, backchannel_logout_uri, scopes, dpop, consent, require_par,
                registration_token_hash is not null as registered
         from identity.client where id = $1 and disabled_at is null and (expires_at is null or expires_at > $2)",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Client::from))
}

impl From<Row> for Client {
    fn from(row: Row) -> Client {
        let auth = match row.auth.as_str() {
            "none" => ClientAuth::Public,
            "private_key_jwt" => ClientAuth::Key(row.jwks.map_or_else(|| JwkSet { keys: Vec::new() }, |jwks| jwks.0)),
            _ => ClientAuth::Secret(row.secret_hashes.into_iter().filter_map(|hash| hash.try_into().ok()).collect()),
        };
        Client {
            id: row.id,
            name: row.name,
            organisation_id: row.organisation_id,
            auth,
            grants: row.grants.iter().filter_map(|name| GrantType::parse(name)).collect(),
            redirect_uris: row.redirect_uris,
            post_logout_redirect_uris: row.post_logout_redirect_uris,
            backchannel_logout_uri: row.backchannel_logout_uri,
            operators: false,
            scopes: row.scopes,
            dpop: row.dpop,
            consent: row.consent,
            require_par: row.require_par,
            registered: row.registered,
        }
    }
}

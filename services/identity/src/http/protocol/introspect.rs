//! `/oauth/introspect` (RFC 7662): a confidential client asks what a token is worth that it issued or was sent.
use crate::domain::client::Client;
use crate::http::browser::Form;
use crate::http::membership;
use crate::http::protocol::client_auth::admitted_client;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::http::protocol::token::{needed, one, token_type};
use crate::http::provider::Provider;
use crate::store::{api_key as key_store, grant};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::{ErrorCode, api_key};
use hitaji_db::secrets::sha256;
use hitaji_web::{PlatformCtx, Problem, SubjectType, TOKEN_AUDIENCE, Verified};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A live token: whose it is, and what is told of it.
struct Found {
    client_id: String,
    organisation_id: Option<Uuid>,
    body: Map<String, Value>,
}

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(introspect(&ctx, form).await)
}

/// Whatever is wrong with a token, and whoever else's it is: `{"active":false}` and no word more (section 2.2).
async fn introspect(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let (provider, form, client) = admitted_client(ctx, form).await?;
    if client.is_public() {
        return Err(OauthError::invalid_client(true));
    }
    one(&form, "token_type_hint")?;
    let token = needed(&form, "token")?;
    let found = match token {
        key if api_key::is_meant(key) => of_key(ctx, key).await?,
        signed if signed.contains('.') => verified(ctx, signed).await?.map(|verified| of_access(&provider, &verified)),
        opaque => of_refresh(ctx, &provider, opaque).await?,
    };
    let body = found.filter(|found| may_see(&client, found)).map_or_else(
        || json!({"active": false}),
        |mut found| {
            found.body.insert("active".into(), json!(true));
            Value::Object(found.body)
        },
    );
    Ok(json_body(StatusCode::OK, &body))
}

/// A client learns of its own tokens, and of those of its organisation.
fn may_see(client: &Client, found: &Found) -> bool {
    let neighbour = client.organisation_id.is_some() && client.organisation_id == found.organisation_id;
    found.client_id == client.id || neighbour
}

/// An access token that every service would honour now.
pub async fn verified(ctx: &PlatformCtx, token: &str) -> Result<Option<Arc<Verified>>, Problem> {
    match ctx.platform().examine(token).await {
        // Services allow for clocks that differ; here nothing is gained by it.
        Ok(verified) => {
            let open = match verified.tenant {
                Some(tenant) => membership::active(ctx, tenant.0).await?.is_some(),
                None => true,
            };
            Ok(Some(verified).filter(|verified| open && verified.expires_at > ctx.now().timestamp()))
        }
        Err(problem) if problem.code == ErrorCode::Unauthenticated => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn of_access(provider: &Provider, token: &Verified) -> Found {
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            body.insert(name.to_owned(), value);
        }
    };
    say("iss", json!(provider.origin));
    say("aud", json!(TOKEN_AUDIENCE));
    say("sub", json!(token.subject));
    if token.subject_type != SubjectType::User {
        say("sub_type", json!(token.subject_type));
    }
    say("client_id", json!(token.client_id));
    // By name, also where the token holds numbers.
    let names = provider.catalogue.names(&token.permissions);
    let named = token.scope.split(' ').filter(|scope| !names.contains(scope)).chain(names.iter().copied());
    say("scope", json!(named.collect::<Vec<_>>().join(" ").trim()));
    say("token_type", json!(token_type(token.jkt.as_deref())));
    say("jti", json!(token.id));
    say("iat", json!(token.issued_at));
    say("exp", json!(token.expires_at));
    say("org_id", json!(token.tenant));
    say("sid", json!(token.session));
    say("auth_time", json!(token.auth_time));
    say("acr", json!(token.acr));
    say("act", json!(token.act));
    say("cnf", token.jkt.as_ref().map_or(Value::Null, |jkt| json!({"jkt": jkt})));
    if !token.amr.is_empty() {
        say("amr", json!(token.amr));
    }
    Found { client_id: token.client_id.clone(), organisation_id: token.tenant.map(|id| id.0), body }
}

async fn of_refresh(ctx: &PlatformCtx, provider: &Provider, token: &str) -> Result<Option<Found>, Problem> {
    let mut conn = ctx.read().await?;
    let live = grant::live_refresh(&mut conn, &sha256(token.as_bytes()), ctx.now()).await?;
    conn.release();
    Ok(live.map(|live| {
        let body = json!({
            "iss": provider.origin, "sub": live.account_id, "client_id": live.client_id, "scope": live.scope,
            "iat": live.issued_at.timestamp(), "exp": live.expires_at.timestamp(), "org_id": live.organisation_id,
        });
        let body = body.as_object().cloned().unwrap_or_default();
        Found { client_id: live.client_id, organisation_id: live.organisation_id, body }
    }))
}

async fn of_key(ctx: &PlatformCtx, key: &str) -> Result<Option<Found>, Problem> {
    if !api_key::is_well_formed(key) {
        return Ok(None);
    }
    let mut conn = ctx.read().await?;
    let live = key_store::live(&mut conn, &sha256(key.as_bytes()), ctx.now()).await?;
    conn.release();
    let provider = ctx.parts().get::<Provider>();
    Ok(live.map(|live| {
        let client_id = format!("api_key:{}", live.id);
        let body = json!({
            "iss": provider.origin, "sub": live.id, "sub_type": SubjectType::ApiKey, "client_id": client_id,
            "scope": live.scopes.join(" "), "token_type": "Bearer", "exp": live.expires_at.timestamp(),
            "org_id": live.organisation_id,
        });
        let body = body.as_object().cloned().unwrap_or_default();
        Found { client_id, organisation_id: Some(live.organisation_id), body }
    }))
}

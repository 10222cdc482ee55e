//! `/oauth/register`: clients register themselves, where the platform's configuration allows it (RFC 7591, RFC 7592).
use crate::domain::registration::{Flaw, Metadata, Registration};
use crate::domain::scope::STANDARD;
use crate::http::protocol::reply::{OauthError, json_body};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::registration::{self, NewRegistration};
use axum::body::to_bytes;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_core::new_id;
use hitaji_db::denials;
use hitaji_db::secrets::{random_token, same, sha256};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::{Value, json};

const BODY_BYTES_MAX: usize = 64 << 10;

type Registering = Result<Response, OauthError>;

pub async fn create(ctx: PlatformCtx, request: Request) -> Response {
    answer(register(&ctx, request).await)
}

pub async fn read(ctx: PlatformCtx, Path(id): Path<String>) -> Response {
    answer(own(&ctx, &id).await)
}

pub async fn remove(ctx: PlatformCtx, Path(id): Path<String>) -> Response {
    answer(end(&ctx, &id).await)
}

async fn register(ctx: &PlatformCtx, request: Request) -> Registering {
    let provider = open(ctx)?;
    let known = provider.registration.unwrap_or_default();
    if !bearer(ctx).is_some_and(|token| same(&sha256(token.as_bytes()), &known)) {
        return Err(unproven());
    }
    let malformed = || OauthError::new("invalid_client_metadata", "send the metadata as a JSON object");
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX)
        .await
        .map_err(|_| OauthError { status: StatusCode::PAYLOAD_TOO_LARGE, ..malformed() })?;
    let said: Metadata = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let is_known = |scope: &str| {
        // Everything at once is for our own application.
        (STANDARD.contains(&scope) && scope != "hitaji") || provider.catalogue.scopes().any(|known| known == scope)
    };
    let read = Registration::read(said, is_known).map_err(|Flaw(error, what)| OauthError::new(error, what))?;
    // The prefix keeps it apart from everything else that has an id.
    let id = format!("dyn_{}", new_id().simple());
    let (secret, token, now) = ((!read.is_public()).then(random_token), random_token(), ctx.now());
    let new = NewRegistration {
        id: &id,
        registration: &read,
        secret_hash: secret.as_deref().map(|secret| sha256(secret.as_bytes())),
        token_hash: sha256(token.as_bytes()),
        at: now,
    };
    let mut tx = begin(ctx, format!("client:{id}")).await?;
    registration::insert(&mut tx, &new).await?;
    audit(&mut tx, "register", "identity.client", None, json!({"client_id": id, "name": read.name}));
    tx.commit(None).await.map_err(Problem::from)?;
    let mut body = described(&provider, &id, &token, now.timestamp(), read.metadata());
    if let Some(secret) = secret {
        body["client_secret"] = json!(secret);
        body["client_secret_expires_at"] = json!(0);
    }
    Ok(json_body(StatusCode::CREATED, &body))
}

async fn own(ctx: &PlatformCtx, id: &str) -> Registering {
    let (provider, token) = (open(ctx)?, bearer(ctx).ok_or_else(unproven)?);
    let mut conn = ctx.read().await?;
    let found = registration::find(&mut conn, id, &sha256(token.as_bytes())).await?;
    conn.release();
    let found = found.ok_or_else(unproven)?;
    let body = described(&provider, id, token, found.created_at.timestamp(), found.registration.0);
    Ok(json_body(StatusCode::OK, &body))
}

async fn end(ctx: &PlatformCtx, id: &str) -> Registering {
    open(ctx)?;
    let token = bearer(ctx).ok_or_else(unproven)?;
    let mut tx = begin(ctx, format!("client:{id}")).await?;
    registration::find(&mut tx, id, &sha256(token.as_bytes())).await?.ok_or_else(unproven)?;
    registration::end(&mut tx, id, ctx.now()).await?;
    tx.deny(denials::client(id));
    audit(&mut tx, "unregister", "identity.client", None, json!({"client_id": id}));
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refused where registration is off, or asked for too often.
fn open(ctx: &PlatformCtx) -> Result<std::sync::Arc<Provider>, OauthError> {
    let provider = ctx.parts().get::<Provider>();
    if provider.registration.is_none() {
        let error = OauthError::new("invalid_request", "clients do not register themselves here");
        return Err(OauthError { status: StatusCode::NOT_FOUND, ..error });
    }
    let limited = provider.throttle.address(Try::Token, ctx.request().client_ip);
    limited.map_err(|wait| OauthError::unavailable(StatusCode::TOO_MANY_REQUESTS, wait.0))?;
    Ok(provider)
}

/// RFC 7592 section 3, without the secret, of which only the hash is kept.
fn described(provider: &Provider, id: &str, token: &str, issued_at: i64, mut body: Value) -> Value {
    body["client_id"] = json!(id);
    body["client_id_issued_at"] = json!(issued_at);
    body["registration_access_token"] = json!(token);
    body["registration_client_uri"] = json!(format!("{}/oauth/register/{id}", provider.origin));
    body
}

fn bearer(ctx: &PlatformCtx) -> Option<&str> {
    let (scheme, token) = ctx.request().header(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The same for a client that is not there: nobody learns which there are (RFC 7592 section 2.1).
fn unproven() -> OauthError {
    let error = OauthError::new("invalid_token", "the access token is not valid here");
    OauthError { status: StatusCode::UNAUTHORIZED, ..error }
}

/// For servers, not for scripts of other origins.
fn answer(result: Registering) -> Response {
    result.unwrap_or_else(|error| {
        let mut response =
            json_body(error.status, &json!({"error": error.error, "error_description": error.description}));
        let headers = response.headers_mut();
        if error.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"hitaji\", error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = error.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    })
}

//! Discovery (OpenID Connect Discovery 1.0, RFC 8414) and the public keys (RFC 7517).
use crate::domain::assurance::LEVELS;
use crate::domain::scope::STANDARD;
use crate::http::protocol::assertion::ALGORITHMS;
use crate::http::protocol::client_auth::METHODS;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::http::protocol::token::GRANTS;
use crate::http::provider::Provider;
use crate::pages::LANGUAGES;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hitaji_web::{DPOP_ALGORITHMS, PlatformCtx};
use serde_json::{Map, Value, json};

/// What stands, each part by itself: whoever adds a feature adds its line here. Every field must be true.
const PARTS: &[fn(&Provider) -> Value] =
    &[issuer, authorization, tokens, introspection, people, sessions, pushed_requests, devices, registration];

pub async fn discovery(ctx: PlatformCtx) -> Response {
    let provider = ctx.parts().get::<Provider>();
    answer(Ok(cached(json_body(StatusCode::OK, &document(&provider)), "public, max-age=300")))
}

pub async fn jwks(ctx: PlatformCtx) -> Response {
    answer(keys(&ctx).await)
}

async fn keys(ctx: &PlatformCtx) -> OauthResult {
    let provider = ctx.parts().get::<Provider>();
    let keys = provider.keys.get(ctx.databases()).await.map_err(OauthError::from)?;
    Ok(cached(json_body(StatusCode::OK, &keys.document()), "public, max-age=300"))
}

fn cached(mut response: Response, policy: &'static str) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
    response.headers_mut().remove(header::PRAGMA);
    response
}

fn document(provider: &Provider) -> Value {
    let mut document = Map::new();
    for part in PARTS {
        if let Value::Object(fields) = part(provider) {
            document.extend(fields);
        }
    }
    Value::Object(document)
}

fn at(provider: &Provider, path: &str) -> String {
    format!("{}{path}", provider.origin)
}

fn issuer(provider: &Provider) -> Value {
    json!({
        "issuer": provider.origin,
        "jwks_uri": at(provider, "/oauth/jwks"),
        "service_documentation": at(provider, "/docs"),
        "ui_locales_supported": LANGUAGES.map(|(tag, _)| tag),
    })
}

fn authorization(provider: &Provider) -> Value {
    let scopes: Vec<&str> = STANDARD.iter().copied().chain(provider.catalogue.scopes()).collect();
    json!({
        "authorization_endpoint": at(provider, "/oauth/authorize"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": LEVELS,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        // Absent would mean true. References of PAR are ours and not meant here (RFC 9126 section 5).
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    })
}

fn tokens(provider: &Provider) -> Value {
    json!({
        "token_endpoint": at(provider, "/oauth/token"),
        "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
        "grant_types_supported": GRANTS.map(|grant| grant.as_str()),
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint": at(provider, "/oauth/revoke"),
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
    })
}

/// Of clients that prove themselves.
fn introspection(provider: &Provider) -> Value {
    json!({
        "introspection_endpoint": at(provider, "/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": METHODS[1..],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
    })
}

fn people(provider: &Provider) -> Value {
    json!({
        "userinfo_endpoint": at(provider, "/oauth/userinfo"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claim_types_supported": ["normal"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "acr", "amr", "name",
            "locale", "email", "email_verified", "phone_number", "phone_number_verified", "org_id", "org_name", "org_slug"],
    })
}

fn sessions(provider: &Provider) -> Value {
    json!({
        "end_session_endpoint": at(provider, "/oauth/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    })
}

fn pushed_requests(provider: &Provider) -> Value {
    json!({
        "pushed_authorization_request_endpoint": at(provider, "/oauth/par"),
        "require_pushed_authorization_requests": false,
    })
}

fn devices(provider: &Provider) -> Value {
    json!({"device_authorization_endpoint": at(provider, "/oauth/device_authorization")})
}

fn registration(provider: &Provider) -> Value {
    if provider.registration.is_none() {
        return json!({});
    }
    json!({"registration_endpoint": at(provider, "/oauth/register")})
}

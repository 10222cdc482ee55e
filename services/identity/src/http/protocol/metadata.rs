//! Discovery (OpenID Connect Discovery 1.0, RFC 8414) and the public keys (RFC 7517).
use crate::domain::scope::STANDARD;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::http::provider::Provider;
use crate::pages::LANGUAGES;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hitaji_web::{DPOP_ALGORITHMS, PlatformCtx};
use serde_json::{Value, json};

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
    let origin = &provider.origin;
    let permissions = provider.catalogue.scopes();
    let scopes: Vec<&str> = STANDARD.iter().copied().chain(permissions).collect();
    let authentication = json!(["none", "client_secret_basic", "client_secret_post"]);
    json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/oauth/authorize"),
        "token_endpoint": format!("{origin}/oauth/token"),
        "userinfo_endpoint": format!("{origin}/oauth/userinfo"),
        "jwks_uri": format!("{origin}/oauth/jwks"),
        "revocation_endpoint": format!("{origin}/oauth/revoke"),
        "end_session_endpoint": format!("{origin}/oauth/logout"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": authentication,
        "revocation_endpoint_auth_methods_supported": authentication,
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "name", "locale",
            "email", "email_verified", "org_id", "org_name", "org_slug"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": LANGUAGES.map(|(tag, _)| tag),
    })
}

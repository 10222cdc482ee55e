//! `/oauth/userinfo` (OpenID Connect Core 5.3): what the token's scopes open of its person.
use crate::http::browser::Form;
use crate::http::mint::Identity;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::store::account;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hitaji_core::ErrorCode;
use hitaji_web::{PlatformCtx, Problem};
use serde_json::{Value, json};

pub async fn get(ctx: PlatformCtx) -> Response {
    challenged(userinfo(&ctx, None).await)
}

/// The token may stand in the form here (RFC 6750 section 2.2).
pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    let token = form.ok().and_then(|form| form.0.first("access_token").map(str::to_owned));
    challenged(userinfo(&ctx, token.as_deref()).await)
}

async fn userinfo(ctx: &PlatformCtx, in_form: Option<&str>) -> OauthResult {
    let in_header = ctx.request().header(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let missing = || OauthError { status: StatusCode::UNAUTHORIZED, ..OauthError::new("", "send an access token") };
    let token = in_header.or(in_form).ok_or_else(missing)?;
    let invalid = || OauthError {
        status: StatusCode::UNAUTHORIZED,
        ..OauthError::new("invalid_token", "the access token is not valid")
    };
    let verified = match ctx.platform().verify(token).await {
        Ok(verified) => verified,
        Err(problem) if problem.code == ErrorCode::Unauthenticated => return Err(invalid()),
        Err(problem) => return Err(problem.into()),
    };
    let scopes: Vec<&str> = verified.scope.split(' ').collect();
    if !scopes.contains(&"openid") {
        let error = OauthError::new("insufficient_scope", "the access token lacks the scope openid");
        return Err(OauthError { status: StatusCode::FORBIDDEN, ..error });
    }
    let mut conn = ctx.read().await?;
    let account = account::find(&mut conn, verified.subject.0).await?.ok_or_else(invalid)?;
    conn.release();
    let identity = Identity::of(&account, None);
    let mut claims = identity.claims(&scopes);
    claims.insert("sub".into(), json!(account.id));
    claims.insert("org_id".into(), json!(verified.tenant));
    Ok(json_body(StatusCode::OK, &Value::Object(claims)))
}

/// Errors of a resource also stand in `WWW-Authenticate` (RFC 6750 section 3).
fn challenged(result: OauthResult) -> Response {
    let challenge = match &result {
        Err(error) if error.status == StatusCode::UNAUTHORIZED && error.error.is_empty() => {
            Some("Bearer realm=\"hitaji\"")
        }
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            Some("Bearer realm=\"hitaji\", error=\"invalid_token\"")
        }
        Err(error) if error.status == StatusCode::FORBIDDEN => {
            Some("Bearer error=\"insufficient_scope\", scope=\"openid\"")
        }
        _ => None,
    };
    let mut response = answer(result);
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

//! `/oauth/userinfo` (OpenID Connect Core 5.3): what the token's scopes open of its person.
use crate::http::browser::Form;
use crate::http::mint::Identity;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::store::account;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hitaji_core::ErrorCode;
use hitaji_web::{PlatformCtx, Problem, Verified};
use serde_json::{Value, json};

pub async fn get(ctx: PlatformCtx) -> Response {
    challenged(userinfo(&ctx, None).await)
}

/// The token may stand in the form here (RFC 6750 section 2.2).
pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    let token = form.ok().and_then(|form| form.0.first("access_token").map(str::to_owned));
    challenged(userinfo(&ctx, token.as_deref()).await)
}

async fn userinfo(ctx: &PlatformCtx, in_form: Option<&str>) -> Result<OauthResult, Problem> {
    let verified = match in_form.filter(|_| ctx.request().header(header::AUTHORIZATION).is_none()) {
        Some(token) => ctx.platform().verify(token).await?,
        None => ctx.platform().verify_request(ctx.request()).await?,
    };
    Ok(claims(ctx, &verified).await)
}

async fn claims(ctx: &PlatformCtx, verified: &Verified) -> OauthResult {
    let scopes: Vec<&str> = verified.scope.split(' ').collect();
    if !scopes.contains(&"openid") {
        let error = OauthError::new("insufficient_scope", "the access token lacks the scope openid");
        return Err(OauthError { status: StatusCode::FORBIDDEN, ..error });
    }
    let mut conn = ctx.read().await?;
    let invalid = || OauthError::new("invalid_token", "the access token is not valid");
    let gone = || OauthError { status: StatusCode::UNAUTHORIZED, ..invalid() };
    let account = account::find(&mut conn, verified.subject.0).await?.ok_or_else(gone)?;
    conn.release();
    let identity = Identity::of(&account, None);
    let mut claims = identity.claims(&scopes);
    claims.insert("sub".into(), json!(account.id));
    claims.insert("org_id".into(), json!(verified.tenant));
    Ok(json_body(StatusCode::OK, &Value::Object(claims)))
}

/// Errors of a resource also stand in `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1).
fn challenged(outcome: Result<OauthResult, Problem>) -> Response {
    let insufficient = || HeaderValue::from_static("Bearer error=\"insufficient_scope\", scope=\"openid\"");
    let (result, challenge) = match outcome {
        Ok(Err(error)) if error.status == StatusCode::FORBIDDEN => (Err(error), Some(insufficient())),
        Ok(Err(error)) if error.status == StatusCode::UNAUTHORIZED => {
            (Err(error), Some(HeaderValue::from_static("Bearer realm=\"hitaji\", error=\"invalid_token\"")))
        }
        Ok(result) => (result, None),
        Err(problem) if problem.code == ErrorCode::Unauthenticated => {
            // Who sent no token at all is not told of an error.
            let said = problem.dpop.or(problem.extra.contains_key("reason").then_some("invalid_token"));
            let error = match said {
                Some(error) => OauthError::new(error, "the access token, or the proof of its key, is not valid"),
                None => OauthError::new("", "send an access token"),
            };
            (Err(OauthError { status: StatusCode::UNAUTHORIZED, ..error }), problem.challenge())
        }
        Err(problem) => (Err(problem.into()), None),
    };
    let mut response = answer(result);
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

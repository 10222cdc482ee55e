//! `/oauth/device_authorization` and the device's questions at the token endpoint (RFC 8628).
use crate::domain::client::{Client, GrantType};
use crate::domain::device::{Asked, INTERVAL_S, SLOWER_S, Told, shown, tell, user_code};
use crate::domain::request::Parameters;
use crate::http::browser::Form;
use crate::http::protocol::client_auth::admitted_client;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::http::protocol::token::{Issue, admitted, alive, give_refresh, issue_tokens, needed, one};
use crate::http::provider::Provider;
use crate::http::session::begin;
use crate::store::device::{self, NewDevice};
use crate::store::dpop;
use crate::store::grant;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use hitaji_db::secrets::{random, random_token, sha256};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

const LIFETIME: TimeDelta = TimeDelta::minutes(10);
const SCOPE_BYTES_MAX: usize = 4000;
const PURPOSE: &str = "device-user-code";

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(authorize(&ctx, form).await)
}

async fn authorize(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let (provider, form, client) = admitted_client(ctx, form).await?;
    if !client.may_use(GrantType::DeviceCode) {
        return Err(OauthError::new("unauthorized_client", "the client is not registered for this grant type"));
    }
    let scope = one(&form, "scope")?.ok_or(OauthError::new("invalid_scope", "scope is missing"))?;
    if scope.len() > SCOPE_BYTES_MAX {
        return Err(OauthError::new("invalid_scope", "scope is too long"));
    }
    let (now, device_code) = (ctx.now(), random_token());
    let code = store(ctx, &provider, |user_code_hash| NewDevice {
        hash: sha256(device_code.as_bytes()),
        user_code_hash,
        client_id: &client.id,
        scope,
        interval_s: INTERVAL_S,
        at: now,
        expires_at: now + LIFETIME,
    })
    .await?;
    let page = format!("{}/device", provider.origin);
    let body = json!({
        "device_code": device_code,
        "user_code": shown(&code),
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", shown(&code)),
        "expires_in": LIFETIME.num_seconds(),
        "interval": INTERVAL_S,
    });
    Ok(json_body(StatusCode::OK, &body))
}

/// Stores it under a code that nobody else has just now, and says which.
async fn store<'a>(
    ctx: &PlatformCtx,
    provider: &Provider,
    new: impl Fn([u8; 32]) -> NewDevice<'a>,
) -> Result<String, OauthError> {
    let mut conn = ctx.read().await?;
    for _ in 0..5 {
        let Some(code) = user_code(&random::<24>()) else { continue };
        match device::insert(&mut conn, &new(provider.master.sign(PURPOSE, code.as_bytes()))).await {
            Ok(()) => {
                conn.release();
                return Ok(code);
            }
            Err(error) if error.constraint() == Some("device_request_user_code_key") => {}
            Err(error) => return Err(Problem::from(error).into()),
        }
    }
    Err(OauthError::internal("no free user code was found in five tries"))
}

/// Under what a code that somebody typed may be stored: one for each master key that is good.
pub fn user_code_hashes(provider: &Provider, code: &str) -> Vec<Vec<u8>> {
    provider.master.sign_all(PURPOSE, code.as_bytes()).into_iter().map(|hash| hash.to_vec()).collect()
}

/// The device asks whether somebody let it in.
pub async fn by_device_code(
    ctx: &PlatformCtx,
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    jkt: Option<&str>,
) -> OauthResult {
    let refused = || OauthError::invalid_grant("the device code is not valid, not yours, or was used");
    let hash = sha256(needed(form, "device_code")?.as_bytes());
    let (now, mut tx) = (ctx.now(), begin(ctx, format!("client:{}", client.id)).await?);
    let device = device::lock(&mut tx, &hash).await?.filter(|device| device.client_id == client.id);
    let device = device.ok_or_else(refused)?;
    let asked = Asked {
        state: &device.state,
        interval_s: device.interval_s,
        polled_at: device.polled_at,
        expires_at: device.expires_at,
    };
    let told = tell(&asked, now);
    let (interval_s, error) = match told {
        Told::Tokens => (device.interval_s, None),
        Told::Pending => (device.interval_s, Some(("authorization_pending", "nobody has decided yet"))),
        Told::SlowDown => (device.interval_s + SLOWER_S, Some(("slow_down", "wait five seconds more from now on"))),
        Told::Expired => return Err(OauthError::new("expired_token", "the code has expired; ask for another")),
        Told::Denied => return Err(OauthError::new("access_denied", "the person did not allow it")),
        Told::Used => return Err(refused()),
    };
    if let Some((error, description)) = error {
        device::polled(&mut tx, &hash, interval_s, now).await?;
        tx.commit(None).await.map_err(Problem::from)?;
        return Err(OauthError::new(error, description));
    }
    let grant_id = device.grant_id.ok_or_else(refused)?;
    let grant = grant::lock(&mut tx, grant_id).await?.filter(|grant| grant.revoked_at.is_none()).ok_or_else(refused)?;
    let place = alive(ctx, &mut tx, &grant).await?.ok_or_else(refused)?;
    admitted(ctx, &mut tx, client, &grant, &place, now).await?;
    device::use_up(&mut tx, &hash).await?;
    if let Some(jkt) = jkt.filter(|_| client.is_public()) {
        dpop::bind(&mut tx, grant.id, jkt).await?;
    }
    let refresh =
        if client.may_use(GrantType::RefreshToken) { Some(give_refresh(&mut tx, &grant, now).await?) } else { None };
    let issue = Issue { client, grant: &grant, place: &place, scope: &grant.scope, code: None, refresh, jkt };
    issue_tokens(ctx, provider, tx, issue).await
}

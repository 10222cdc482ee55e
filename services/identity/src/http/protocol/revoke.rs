//! `/oauth/revoke` (RFC 7009): a client gives back what it was granted.
use crate::domain::client::Client;
use crate::http::browser::Form;
use crate::http::event::{Action, Event, note};
use crate::http::protocol::client_auth::admitted_client;
use crate::http::protocol::introspect::verified;
use crate::http::protocol::reply::{OauthError, OauthResult, answer};
use crate::http::session::{audit, begin};
use crate::store::{api_key as key_store, grant};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hitaji_core::api_key;
use hitaji_db::denials;
use hitaji_db::secrets::sha256;
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(revoke(&ctx, form).await)
}

/// A refresh token ends its whole grant, an access token and an API key only itself. An unknown token is no error: it is
/// worth nothing, as was wished.
async fn revoke(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let (_, form, client) = admitted_client(ctx, form).await?;
    let token = form.get("token").ok().flatten().ok_or(OauthError::new("invalid_request", "token is missing"))?;
    match token {
        key if api_key::is_meant(key) => key_given_back(ctx, &client, key).await?,
        signed if signed.contains('.') => access_given_back(ctx, &client, signed).await?,
        opaque => refresh_given_back(ctx, &client, opaque).await?,
    }
    Ok(StatusCode::OK.into_response())
}

async fn refresh_given_back(ctx: &PlatformCtx, client: &Client, token: &str) -> Result<(), Problem> {
    let mut tx = begin(ctx, format!("client:{}", client.id)).await?;
    if let Some(id) = grant::grant_of_refresh(&mut tx, &sha256(token.as_bytes())).await? {
        let ours = grant::lock(&mut tx, id).await?.filter(|grant| grant.client_id == client.id);
        if let Some(ours) = ours
            && grant::revoke(&mut tx, id, "revoked by the client", ctx.now()).await?
        {
            audit(&mut tx, "revoke", "identity.grant", Some(id), json!({"client_id": client.id}));
            tx.deny_issued(denials::in_session(&client.id, ours.session_id));
            let event = Event {
                organisation_id: ours.organisation_id,
                client_id: Some(&client.id),
                ..Event::done(Action::GrantRevoked, ours.account_id)
            };
            note(ctx.request(), &mut tx, event).await?;
        }
    }
    Ok(tx.commit(None).await?)
}

/// Every process refuses it from now on.
async fn access_given_back(ctx: &PlatformCtx, client: &Client, token: &str) -> Result<(), Problem> {
    let Some(token) = verified(ctx, token).await?.filter(|token| token.client_id == client.id) else { return Ok(()) };
    let mut tx = begin(ctx, format!("client:{}", client.id)).await?;
    tx.deny(token.id);
    let what = json!({"client_id": client.id, "subject": token.subject, "organisation_id": token.tenant});
    audit(&mut tx, "revoke", "identity.access_token", Some(token.id), what);
    Ok(tx.commit(None).await?)
}

/// Whoever holds a key of their own organisation may end it: who found a leaked one does not wait for anybody.
async fn key_given_back(ctx: &PlatformCtx, client: &Client, key: &str) -> Result<(), Problem> {
    if !api_key::is_well_formed(key) || client.is_public() {
        return Ok(());
    }
    let mut tx = begin(ctx, format!("client:{}", client.id)).await?;
    let found = key_store::live(&mut tx, &sha256(key.as_bytes()), ctx.now()).await?;
    if let Some(found) = found.filter(|found| client.organisation_id == Some(found.organisation_id))
        && key_store::revoke(&mut tx, found.id, ctx.now()).await?
    {
        tx.deny(found.id);
        let what = json!({"client_id": client.id, "organisation_id": found.organisation_id});
        audit(&mut tx, "revoke", "identity.api_key", Some(found.id), what);
    }
    Ok(tx.commit(None).await?)
}

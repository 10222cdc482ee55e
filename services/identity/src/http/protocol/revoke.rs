//! `/oauth/revoke` (RFC 7009): a client gives back what it was granted.
use crate::http::browser::Form;
use crate::http::event::{Action, Event, note};
use crate::http::protocol::client_auth::authenticate;
use crate::http::protocol::reply::{OauthError, OauthResult, answer};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::grant;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hitaji_db::denials;
use hitaji_db::secrets::sha256;
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(revoke(&ctx, form).await)
}

/// A refresh token ends its whole grant. An unknown token is no error: it is worth nothing, as was wished.
async fn revoke(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let provider = ctx.parts().get::<Provider>();
    provider
        .throttle
        .address(Try::Token, ctx.request().client_ip)
        .map_err(|wait| OauthError::unavailable(StatusCode::TOO_MANY_REQUESTS, wait.0))?;
    let form = form?.0;
    let client = authenticate(ctx, &provider, &form).await?;
    let token = form.get("token").ok().flatten().ok_or(OauthError::new("invalid_request", "token is missing"))?;
    if token.split('.').count() == 3 {
        // Signed tokens live for minutes and nobody asks us about them; ending the session ends them at once.
        return Err(OauthError::new(
            "unsupported_token_type",
            "access tokens end by themselves; revoke the refresh token",
        ));
    }
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
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(StatusCode::OK.into_response())
}

//! The grant `client_credentials` (RFC 6749 section 4.4): a program acts for itself in its organisation.
use crate::domain::client::Client;
use crate::domain::request::Parameters;
use crate::domain::scope::STANDARD;
use crate::http::mint::Bearer;
use crate::http::programs;
use crate::http::protocol::reply::{OauthError, OauthResult, json_body};
use crate::http::protocol::token::{one, token_type};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use axum::http::StatusCode;
use hitaji_db::denials;
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

pub async fn grant(
    ctx: &PlatformCtx,
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    jkt: Option<&str>,
) -> OauthResult {
    programs::check_target(provider, form)?;
    let standing = programs::standing(ctx, provider, client).await?;
    let scope = requested(provider, client, one(form, "scope")?);
    let bearer = Bearer {
        // Derived from its id, so it is the same for ever, and no account's.
        subject: denials::client(&client.id),
        standing: &standing,
        client,
        scope: &scope,
        session_id: None,
        proof: None,
        jkt,
        act: None,
    };
    if provider.granted(&bearer).permissions.is_empty() {
        return Err(OauthError::new("invalid_scope", "none of these permissions is open to the client"));
    }
    let (now, keys) = (ctx.now(), provider.keys.get(ctx.databases()).await.map_err(Problem::from)?);
    let minted = provider.access_token(&keys, &bearer, now).map_err(OauthError::internal)?;
    let mut tx = begin(ctx, format!("client:{}", client.id)).await?;
    let what = json!({"client_id": client.id, "organisation_id": client.organisation_id, "scope": minted.scope});
    audit(&mut tx, "token", "identity.client", None, what);
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(json_body(
        StatusCode::OK,
        &json!({
            "access_token": minted.access_token,
            "token_type": token_type(jkt),
            "expires_in": minted.expires_at - now.timestamp(),
            "scope": minted.scope,
        }),
    ))
}

/// Permissions by name: those asked for, or all that it may have. Scopes about a person say nothing of a program.
fn requested(provider: &Provider, client: &Client, asked: Option<&str>) -> String {
    let everything = || provider.catalogue.names(&provider.program_permissions(client)).join(" ");
    let Some(asked) = asked else { return everything() };
    let asked: Vec<&str> = asked.split_ascii_whitespace().collect();
    if asked.contains(&"hitaji") {
        return everything();
    }
    asked.into_iter().filter(|scope| !STANDARD.contains(scope)).collect::<Vec<_>>().join(" ")
}

//! `POST /identity/v1/operator-tokens`: a short-lived token for the command line, by the operator's right, audited.
use crate::domain::account::normalise_email;
use crate::domain::client::{CONSOLE_CLIENT, WEB_CLIENT};
use crate::http::event::{Action, Event, note};
use crate::http::membership;
use crate::http::mint::{ACCESS_LIFETIME_S, Bearer, Proof};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::store::account;
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest};
use hitaji_web::{Answer, Body, PlatformCtx, Problem};
use serde_json::json;
use uuid::Uuid;

/// Everything the account may do, where no scope is named.
const EVERYTHING: &str = "openid profile email hitaji";

pub async fn create(ctx: PlatformCtx, Body(asked): Body<OperatorTokenRequest>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let (account_id, standing) = find(&ctx, &asked).await?;
    let client_id = if standing.tenant().is_some() { WEB_CLIENT } else { CONSOLE_CLIENT };
    let client = provider.own_client(client_id);
    let scope = if asked.scope.trim().is_empty() { EVERYTHING } else { &asked.scope };
    let bearer = Bearer {
        subject: account_id,
        standing: &standing,
        client: &client,
        scope,
        session_id: None,
        // Whoever runs the program beside its master key has proven enough.
        proof: Some(Proof { at: ctx.now(), amr: Vec::new() }),
        jkt: None,
        act: None,
    };
    let keys = provider.keys.get(ctx.databases()).await?;
    let minted = provider.access_token(&keys, &bearer, ctx.now()).map_err(Problem::internal)?;
    let mut tx = begin(&ctx, "operator").await?;
    let what = json!({"organisation_id": standing.tenant().map(|tenant| tenant.id), "scope": minted.scope});
    audit(&mut tx, "operator_token", "identity.account", Some(account_id), what);
    let event = Event {
        organisation_id: standing.tenant().map(|tenant| tenant.id.0),
        client_id: Some(&client.id),
        ..Event::done(Action::OperatorToken, account_id)
    };
    note(ctx.request(), &mut tx, event).await?;
    tx.commit(None).await?;
    let answer =
        OperatorToken { access_token: minted.access_token, expires_in: ACCESS_LIFETIME_S, scope: minted.scope };
    Ok(Answer::ok(&answer))
}

async fn find(ctx: &PlatformCtx, asked: &OperatorTokenRequest) -> Result<(Uuid, Standing), Problem> {
    let unknown = |pointer, what: &str| Problem::field(pointer, "unknown_value", what);
    let email = normalise_email(&asked.account);
    let mut conn = ctx.read().await?;
    let account = match email {
        Some(email) => account::find_by_email(&mut conn, &email).await?,
        None => None,
    };
    let account = account.ok_or_else(|| unknown("/account", "There is no account with this e-mail address."))?;
    if asked.organisation.is_empty() {
        let standing = Standing::operator(&mut conn, account.id).await?;
        conn.release();
        return standing
            .map(|standing| (account.id, standing))
            .ok_or_else(|| unknown("/account", "This is no operator."));
    }
    conn.release();
    let belongings = membership::of(ctx, account.id).await?;
    let found = membership::named(&belongings, &asked.organisation).cloned();
    let refused = || unknown("/organisation", "The account is no member of such an organisation.");
    Ok((account.id, Standing::Member(found.ok_or_else(refused)?)))
}

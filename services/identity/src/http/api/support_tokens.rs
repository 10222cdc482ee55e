//! `POST /identity/v1/support-tokens`: an operator works in an organisation that let them in, for minutes, audited.
use crate::domain::client::CONSOLE_CLIENT;
use crate::http::event::{Action, Event, note};
use crate::http::mint::{Bearer, Proof};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::standing::{Standing, Support};
use axum::http::Method;
use chrono::DateTime;

use hitaji_contracts::identity::{SupportToken, SupportTokenRequest};
use hitaji_contracts::tenancy::{SupportAnswer, SupportQuestion};
use hitaji_core::ErrorCode;
use hitaji_db::TenantState;
use hitaji_web::{Answer, Body, PlatformCtx, Problem};
use serde_json::json;

pub async fn create(ctx: PlatformCtx, Body(asked): Body<SupportTokenRequest>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let operator = ctx.operators_token()?;
    let question = SupportQuestion { grant_id: asked.grant_id, operator_id: operator.subject };
    let peers = ctx.platform().peers();
    let consent: SupportAnswer =
        peers.ask("identity", "tenancy", Method::POST, "/tenancy/v1/support-questions", &question).await?;
    let tenant = ctx.databases().describe(consent.organisation_id).await?;
    if tenant.state != TenantState::Active {
        return Err(Problem::new(ErrorCode::Conflict, "Nobody can work in the organisation while it is not active."));
    }
    let client = provider.own_client(CONSOLE_CLIENT);
    let support = Support { grant_id: asked.grant_id, tenant, write: consent.write, until: consent.expires_at };
    let standing = Standing::Support(support);
    let bearer = Bearer {
        subject: operator.subject.0,
        standing: &standing,
        client: &client,
        scope: "hitaji",
        session_id: operator.session,
        proof: operator
            .auth_time
            .and_then(|at| DateTime::from_timestamp(at, 0))
            .map(|at| Proof { at, amr: operator.amr.clone() }),
        jkt: None,
        act: None,
    };
    let keys = provider.keys.get(ctx.databases()).await?;
    let minted = provider.access_token(&keys, &bearer, ctx.now()).map_err(Problem::internal)?;
    let mut tx = begin(&ctx, operator.actor()).await?;
    let what = json!({"organisation_id": consent.organisation_id, "expires_at": minted.expires_at});
    audit(&mut tx, "support_token", "tenancy.support_grant", Some(asked.grant_id), what);
    let event = Event {
        organisation_id: Some(consent.organisation_id.0),
        client_id: Some(&client.id),
        detail: json!({"grant_id": asked.grant_id}),
        ..Event::done(Action::SupportToken, operator.subject.0)
    };
    note(ctx.request(), &mut tx, event).await?;
    tx.commit(None).await?;
    let expires_in = minted.expires_at - ctx.now().timestamp();
    let organisation_id = consent.organisation_id;
    Ok(Answer::ok(&SupportToken {
        access_token: minted.access_token,
        expires_in,
        scope: minted.scope,
        organisation_id,
    }))
}

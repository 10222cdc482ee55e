//! `/identity/v1/me/applications`: what a person allowed applications, and how they take it back.
use crate::http::api::members::PageParams;
use crate::http::provider::Provider;
use crate::store::consent::{self, Consent};
use chrono::{DateTime, Utc};
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::Audit;
use hitaji_web::{Answer, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct ApplicationOut {
    id: Uuid,
    client_id: String,
    /// What people call it; the client's id where it is registered no more.
    name: String,
    organisation_id: TenantId,
    organisation_name: String,
    /// Scopes by name.
    scopes: Vec<String>,
    /// When the person last allowed it something.
    granted_at: DateTime<Utc>,
    version: i64,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    own_application(&ctx).await?;
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = consent::list(&mut conn, ctx.subject().0, after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|consent| consent.id);
    let mut rows = Vec::new();
    for consent in found {
        rows.push(out(&ctx, consent).await?);
    }
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

/// Ends what the application holds, too: its refresh tokens at once, its access tokens within minutes.
pub async fn revoke(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    own_application(&ctx).await?;
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let found = consent::lock(&mut tx, ctx.subject().0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "This application was allowed more meanwhile; read it again."));
    }
    let ended = consent::revoke(&mut tx, ctx.subject().0, &found, ctx.now()).await?;
    let before = Some(json!({"client_id": found.client_id, "scopes": found.scopes}).to_string());
    let after = Some(json!({"organisation_id": found.organisation_id, "grants_ended": ended.len()}).to_string());
    tx.audit(Audit { action: "revoke", resource: "identity.consent", record_id: Some(id), before, after });
    ctx.commit(tx, Answer::no_content()).await
}

/// No application sees or ends what others were allowed; only our own do, which ask nobody.
async fn own_application(ctx: &Ctx) -> Result<(), Problem> {
    let provider = ctx.parts().get::<Provider>();
    let client = provider.client(&ctx.token().client_id).await?;
    if client.is_some_and(|client| !client.consent && client.organisation_id.is_none()) {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::InsufficientScope, "Applications may not look at what others were allowed."))
}

async fn out(ctx: &Ctx, consent: Consent) -> Result<ApplicationOut, Problem> {
    let client = ctx.parts().get::<Provider>().client(&consent.client_id).await?;
    Ok(ApplicationOut {
        id: consent.id,
        name: client.map_or_else(|| consent.client_id.clone(), |client| client.name.clone()),
        client_id: consent.client_id,
        organisation_id: TenantId(consent.organisation_id),
        organisation_name: consent.organisation_name,
        scopes: consent.scopes,
        granted_at: consent.granted_at,
        version: consent.version,
    })
}

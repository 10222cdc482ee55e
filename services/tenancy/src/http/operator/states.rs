//! Suspend, resume, archive: an operator changes an organisation's state, which holds for the very next request.
use crate::domain::lifecycle::{check_reason, follow};
use crate::http::organisation::OrganisationOut;
use hitaji_contracts::tenancy::{
    ChangeState, OrganisationArchived, OrganisationResumed, OrganisationSuspended, StateAction, StateChanged,
};
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::{Audit, Tenant, Tx};
use hitaji_web::{Answer, Body, Id, PlatformCtx, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateChange {
    /// Why, for the audit trail.
    reason: String,
}

pub async fn suspend(ctx: PlatformCtx, id: Id, body: Body<StateChange>) -> Result<Answer, Problem> {
    change(ctx, id, body, StateAction::Suspend).await
}

pub async fn resume(ctx: PlatformCtx, id: Id, body: Body<StateChange>) -> Result<Answer, Problem> {
    change(ctx, id, body, StateAction::Resume).await
}

pub async fn archive(ctx: PlatformCtx, id: Id, body: Body<StateChange>) -> Result<Answer, Problem> {
    change(ctx, id, body, StateAction::Archive).await
}

async fn change(
    ctx: PlatformCtx,
    Id(id): Id,
    Body(body): Body<StateChange>,
    action: StateAction,
) -> Result<Answer, Problem> {
    let version = ctx.request().if_match()?;
    let mut tx = ctx.operator_tx(TenantId(id)).await?;
    let tenant = apply(&ctx, &mut tx, TenantId(id), action, &body.reason, version).await?;
    let answer = Answer::ok(&OrganisationOut::from(&tenant)).version(tenant.version);
    let answer = ctx.commit(tx, answer).await?;
    ctx.databases().forget(tenant.id);
    Ok(answer)
}

/// `hitaji tenant suspend|resume|archive`: the same by the command line.
pub async fn by_command_line(ctx: PlatformCtx, Body(asked): Body<ChangeState>) -> Result<Answer, Problem> {
    let unknown = || Problem::field("/slug", "unknown_value", "There is no organisation with this short name.");
    let id = ctx.databases().find_by_slug(&asked.slug).await?.ok_or_else(unknown)?.id;
    let mut tx = ctx.tx("operator:command-line").await?;
    let tenant = apply(&ctx, &mut tx, id, asked.action, &asked.reason, None).await?;
    tx.commit(None).await?;
    ctx.databases().forget(id);
    Ok(Answer::ok(&StateChanged { id, state: tenant.state.as_str().to_owned() }))
}

/// Changes the state with its audit line and event; the organisation as it is then.
async fn apply(
    ctx: &PlatformCtx,
    tx: &mut Tx,
    id: TenantId,
    action: StateAction,
    reason: &str,
    version: Option<i64>,
) -> Result<Tenant, Problem> {
    let reason = check_reason(reason).map_err(|error| Problem::validation(vec![error]))?;
    let before = ctx.databases().lock(tx, id).await?.ok_or_else(Problem::not_found)?;
    if version.is_some_and(|version| version != before.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the organisation meanwhile. Read it again."));
    }
    let state = follow(before.state, action).map_err(|reason| Problem::new(ErrorCode::Conflict, reason))?;
    ctx.databases().set_state(tx, id, state, Some(&reason)).await?;
    announce(tx, &before, action);
    tx.audit(Audit {
        action: match action {
            StateAction::Suspend => "suspend",
            StateAction::Resume => "resume",
            StateAction::Archive => "archive",
        },
        resource: "tenancy.organisation",
        record_id: Some(id.0),
        before: Some(json!({"state": before.state.as_str()}).to_string()),
        after: Some(json!({"state": state.as_str(), "reason": reason}).to_string()),
    });
    let version = before.version + 1;
    Ok(Tenant { state, version, ..before })
}

fn announce(tx: &mut Tx, tenant: &Tenant, action: StateAction) {
    let (tenant_id, slug) = (tenant.id, tenant.slug.clone());
    match action {
        StateAction::Suspend => tx.emit(tenant_id, &OrganisationSuspended { tenant_id, slug }),
        StateAction::Resume => tx.emit(tenant_id, &OrganisationResumed { tenant_id, slug }),
        StateAction::Archive => tx.emit(tenant_id, &OrganisationArchived { tenant_id, slug }),
    };
}

//! An operator asks an organisation for access, sees what became of it, and gives it back.
use crate::domain::lifecycle::check_reason;
use crate::domain::support::{Step, check_hours};
use crate::http::operator::{PageParams, Part, cut};
use crate::http::support_grants::{SupportGrantOut, step, write_down_expired};
use crate::store::support::{self, SupportGrant};
use hitaji_contracts::tenancy::{SupportEnded, SupportRequested};
use hitaji_core::{AccountId, ErrorCode, FieldError, TenantId, new_id};
use hitaji_db::{Audit, DbError, TenantState};
use hitaji_web::{Answer, Body, Id, Params, PlatformCtx, Problem, Segments};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupportAccess {
    Read,
    Write,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSupportGrant {
    /// What the organisation is told.
    reason: String,
    access: SupportAccess,
    /// From the moment the organisation agrees; 1 to 8.
    hours: i32,
}

pub async fn list(ctx: PlatformCtx, Id(id): Id, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let part = Part::<Uuid>::read(&ctx, params.limit.as_deref(), params.cursor.as_deref())?;
    let mut conn = ctx.read().await?;
    let mut grants = support::list(&mut conn, id, part.after, part.limit + 1).await?;
    conn.release();
    let next = cut(&mut grants, part.limit, |grant| grant.id);
    let rows: Vec<_> = grants.into_iter().map(|grant| SupportGrantOut::of(grant, ctx.now())).collect();
    ctx.page(&rows, part.limit, next.as_ref())
}

pub async fn read(ctx: PlatformCtx, Segments((id, grant_id)): Segments<(Uuid, Uuid)>) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = support::find(&mut conn, grant_id).await?;
    conn.release();
    let grant = found.filter(|grant| grant.organisation_id == id).ok_or_else(Problem::not_found)?;
    let version = grant.version;
    Ok(Answer::ok(&SupportGrantOut::of(grant, ctx.now())).version(version))
}

pub async fn request(ctx: PlatformCtx, Id(id): Id, Body(asked): Body<NewSupportGrant>) -> Result<Answer, Problem> {
    let (operator_id, version) = (ctx.operator()?, ctx.request().if_match()?);
    let grant = wish(&ctx, TenantId(id), operator_id, asked)?;
    let mut tx = ctx.operator_tx(TenantId(id)).await?;
    let tenant = ctx.databases().lock(&mut tx, TenantId(id)).await?.ok_or_else(Problem::not_found)?;
    if version.is_some_and(|version| version != tenant.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the organisation meanwhile. Read it again."));
    }
    if tenant.state != TenantState::Active {
        return Err(Problem::new(ErrorCode::Conflict, "Nobody can work in the organisation while it is not active."));
    }
    write_down_expired(&mut tx, ctx.now()).await?;
    support::insert(&mut tx, &grant).await.map_err(asked_before)?;
    tx.emit(grant.id, &SupportRequested { grant_id: grant.id, tenant_id: tenant.id, operator_id });
    let what = json!({"organisation_id": id, "reason": grant.reason, "access": grant.access, "hours": grant.hours});
    tx.audit(Audit {
        action: "request",
        resource: "tenancy.support_grant",
        record_id: Some(grant.id),
        before: None,
        after: Some(what.to_string()),
    });
    let made = support::find(&mut tx, grant.id).await?.ok_or_else(|| Problem::internal("a new row is not there"))?;
    let location = format!("/tenancy/v1/organisations/{id}/support-grants/{}", grant.id);
    let answer = Answer::created(location, &SupportGrantOut::of(made, ctx.now())).version(1);
    ctx.commit(tx, answer).await
}

fn wish(
    ctx: &PlatformCtx,
    organisation_id: TenantId,
    operator_id: AccountId,
    asked: NewSupportGrant,
) -> Result<SupportGrant, Problem> {
    let (reason, hours) = (check_reason(&asked.reason), check_hours(asked.hours));
    let mut errors: Vec<FieldError> = hours.err().into_iter().collect();
    let reason = reason.map_err(|error| errors.insert(0, error)).unwrap_or_default();
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let access = match asked.access {
        SupportAccess::Read => "read",
        SupportAccess::Write => "write",
    };
    Ok(SupportGrant {
        id: new_id(),
        organisation_id: organisation_id.0,
        operator_id: operator_id.0,
        operator_name: None,
        operator_email: None,
        reason,
        access: access.to_owned(),
        hours: asked.hours,
        state: "requested".to_owned(),
        requested_at: ctx.now(),
        decided_at: None,
        decided_by: None,
        expires_at: None,
        ended_at: None,
        version: 1,
    })
}

fn asked_before(error: DbError) -> Problem {
    if error.constraint() == Some("support_grant_open_key") {
        let detail = "You asked this organisation already. Wait for its answer, or end that access first.";
        return Problem::new(ErrorCode::Conflict, detail);
    }
    error.into()
}

/// The operator gives the access back, or takes the request back.
pub async fn end(ctx: PlatformCtx, Segments((id, grant_id)): Segments<(Uuid, Uuid)>) -> Result<Answer, Problem> {
    let version = ctx.request().if_match()?;
    let operator_id = ctx.operator()?;
    let mut tx = ctx.operator_tx(TenantId(id)).await?;
    let found = support::lock(&mut tx, grant_id).await?;
    let own = |grant: &SupportGrant| grant.organisation_id == id && grant.operator_id == operator_id.0;
    let grant = found.filter(own).ok_or_else(Problem::not_found)?;
    let grant = step(&mut tx, grant, Step::End, version, operator_id, ctx.now()).await?;
    tx.deny(grant.id);
    tx.emit(grant.id, &SupportEnded { grant_id: grant.id, tenant_id: TenantId(id), operator_id });
    let version = grant.version;
    let answer = Answer::ok(&SupportGrantOut::of(grant, ctx.now())).version(version);
    ctx.commit(tx, answer).await
}

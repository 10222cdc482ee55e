//! `/tenancy/v1/support-grants`: the organisation sees who asks for access to it, decides, and ends what it granted.
use crate::domain::support::{Step, follow, state_now};
use crate::store::support::{self, SupportGrant};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_contracts::tenancy::{SupportEnded, SupportGranted, SupportRefused};
use hitaji_core::{AccountId, ErrorCode, TenantId};
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{Answer, Ctx, Id, Params, Problem, page_limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParams {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct SupportGrantOut {
    id: Uuid,
    organisation_id: TenantId,
    operator_id: AccountId,
    operator_name: Option<String>,
    operator_email: Option<String>,
    reason: String,
    /// `read` or `write`.
    access: String,
    hours: i32,
    /// `requested`, `granted`, `refused`, `ended` or `expired`.
    state: String,
    requested_at: DateTime<Utc>,
    decided_at: Option<DateTime<Utc>>,
    decided_by: Option<AccountId>,
    expires_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    version: i64,
}

impl SupportGrantOut {
    /// As it is at this moment.
    pub fn of(grant: SupportGrant, now: DateTime<Utc>) -> SupportGrantOut {
        let state = state_now(&grant.state, grant.requested_at, grant.expires_at, now).to_owned();
        SupportGrantOut {
            id: grant.id,
            organisation_id: TenantId(grant.organisation_id),
            operator_id: AccountId(grant.operator_id),
            operator_name: grant.operator_name,
            operator_email: grant.operator_email,
            reason: grant.reason,
            access: grant.access,
            hours: grant.hours,
            state,
            requested_at: grant.requested_at,
            decided_at: grant.decided_at,
            decided_by: grant.decided_by.map(AccountId),
            expires_at: grant.expires_at,
            ended_at: grant.ended_at,
            version: grant.version,
        }
    }
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let limit = page_limit(params.limit.as_deref())?;
    let before = params.cursor.as_deref().map(|cursor| ctx.open_cursor(cursor)).transpose()?;
    let mut conn = ctx.read().await?;
    let mut grants = support::list(&mut conn, ctx.tenant().id.0, before, limit + 1).await?;
    conn.release();
    let more = grants.len() > limit as usize;
    grants.truncate(limit as usize);
    let next = grants.last().filter(|_| more).map(|grant| grant.id);
    let rows: Vec<_> = grants.into_iter().map(|grant| SupportGrantOut::of(grant, ctx.now())).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn grant(ctx: Ctx, id: Id) -> Result<Answer, Problem> {
    decide(ctx, id, Step::Grant).await
}

pub async fn refuse(ctx: Ctx, id: Id) -> Result<Answer, Problem> {
    decide(ctx, id, Step::Refuse).await
}

pub async fn end(ctx: Ctx, id: Id) -> Result<Answer, Problem> {
    decide(ctx, id, Step::End).await
}

async fn decide(ctx: Ctx, Id(id): Id, by: Step) -> Result<Answer, Problem> {
    // Nobody may let themselves in.
    if ctx.token().support.is_some() {
        return Err(Problem::new(ErrorCode::InsufficientScope, "Only the organisation itself decides who may enter."));
    }
    let version = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let found = support::lock(&mut tx, id).await?;
    let grant = found.filter(|grant| grant.organisation_id == ctx.tenant().id.0).ok_or_else(Problem::not_found)?;
    let grant = step(&mut tx, grant, by, version, ctx.subject(), ctx.now()).await?;
    announce(&mut tx, &grant, by);
    let version = grant.version;
    ctx.commit(tx, Answer::ok(&SupportGrantOut::of(grant, ctx.now())).version(version)).await
}

fn announce(tx: &mut Tx, grant: &SupportGrant, by: Step) {
    let (grant_id, tenant_id, operator_id) = (grant.id, TenantId(grant.organisation_id), AccountId(grant.operator_id));
    match (by, grant.expires_at) {
        (Step::Grant, Some(expires_at)) => {
            tx.emit(grant_id, &SupportGranted { grant_id, tenant_id, operator_id, expires_at })
        }
        (Step::Refuse, _) => tx.emit(grant_id, &SupportRefused { grant_id, tenant_id, operator_id }),
        _ => {
            tx.deny(grant_id);
            tx.emit(grant_id, &SupportEnded { grant_id, tenant_id, operator_id })
        }
    };
}

/// Takes a step with its audit line; the row is locked.
pub async fn step(
    tx: &mut Tx,
    mut grant: SupportGrant,
    by: Step,
    version: Option<i64>,
    who: AccountId,
    now: DateTime<Utc>,
) -> Result<SupportGrant, Problem> {
    if version.is_some_and(|version| version != grant.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody decided meanwhile. Read it again."));
    }
    let before = state_now(&grant.state, grant.requested_at, grant.expires_at, now).to_owned();
    let after = follow(&before, by).map_err(|reason| Problem::new(ErrorCode::Conflict, reason))?;
    if by == Step::End {
        grant.ended_at = Some(now);
    } else {
        (grant.decided_at, grant.decided_by) = (Some(now), Some(who.0));
    }
    if by == Step::Grant {
        grant.expires_at = Some(now + TimeDelta::hours(grant.hours.into()));
    }
    grant.state = after.to_owned();
    grant.version += 1;
    support::update(tx, &grant).await?;
    let what = json!({"state": after, "organisation_id": grant.organisation_id, "expires_at": grant.expires_at});
    tx.audit(Audit {
        action: match by {
            Step::Grant => "grant",
            Step::Refuse => "refuse",
            Step::End => "end",
        },
        resource: "tenancy.support_grant",
        record_id: Some(grant.id),
        before: Some(json!({"state": before}).to_string()),
        after: Some(what.to_string()),
    });
    Ok(grant)
}

/// Writes down, with an audit line each, what time has ended.
pub async fn write_down_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), DbError> {
    for (id, organisation_id) in support::expire(tx, now).await? {
        tx.audit(Audit {
            action: "expire",
            resource: "tenancy.support_grant",
            record_id: Some(id),
            before: None,
            after: Some(json!({"state": "expired", "organisation_id": organisation_id}).to_string()),
        });
    }
    Ok(())
}

//! Giving an organisation another plan, and warning before a limit bites. Also what operators' commands and routes call.
use chrono::{DateTime, Utc};
use hitaji_contracts::tenancy::{PlanChanged, QuotaWarned};
use hitaji_core::TenantId;
use hitaji_db::{Audit, Begun, Databases, DbError, Plan, Scope, Tx};
use serde_json::json;

/// How a change of plan went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanChange {
    Changed,
    /// It has this plan already.
    Same,
    UnknownPlan,
}

/// All plans, the smallest first.
pub async fn list(databases: &Databases) -> Result<Vec<Plan>, DbError> {
    databases.plans().await
}

/// Gives the organisation another plan in the name of `actor`. It holds at once in this process, in the others within
/// seconds. What is used already stays, also where it is more than the new plan allows.
pub async fn change(databases: &Databases, id: TenantId, plan: &str, actor: &str) -> Result<PlanChange, DbError> {
    let before = databases.describe(id).await?.plan.key.clone();
    if !databases.plans().await?.iter().any(|known| known.key == plan) {
        return Ok(PlanChange::UnknownPlan);
    }
    let mut tx = begin(databases, Some(id), actor, databases.clock().now()).await?;
    if !databases.set_plan(&mut tx, id, plan).await? {
        tx.rollback().await?;
        databases.forget(id);
        return Ok(PlanChange::Same);
    }
    tx.emit(id, &PlanChanged { tenant_id: id, before: before.clone(), after: plan.to_owned() });
    tx.audit(Audit {
        action: "change_plan",
        resource: "tenancy.organisation",
        record_id: Some(id.0),
        before: Some(json!({"plan": before}).to_string()),
        after: Some(json!({"plan": plan}).to_string()),
    });
    tx.commit(None).await?;
    databases.forget(id);
    Ok(PlanChange::Changed)
}

/// Tells of every limit that is 80 or 95 percent used, once a period and step. Returns how many were told.
pub async fn warn(databases: &Databases) -> Result<usize, DbError> {
    let mut tx = begin(databases, None, "service:tenancy", databases.clock().now()).await?;
    let near = databases.note_near_limits(&mut tx).await?;
    for limit in &near {
        let id = TenantId(limit.tenant_id);
        let event = QuotaWarned {
            tenant_id: id,
            kind: limit.kind.clone(),
            percent: limit.percent,
            used: limit.used,
            limit: limit.quota,
            plan: limit.plan.clone(),
            period: limit.period,
        };
        tx.emit(id, &event);
    }
    tx.commit(None).await?;
    Ok(near.len())
}

async fn begin(databases: &Databases, tenant: Option<TenantId>, actor: &str, at: DateTime<Utc>) -> Result<Tx, DbError> {
    let scope = Scope { tenant, service: "tenancy", actor: actor.to_owned(), request_id: None, traceparent: None, at };
    match Tx::begin(databases.control().await?, scope, None, databases.wake().clone()).await? {
        Begun::Fresh(tx) => Ok(*tx),
        _ => Err(DbError::Invalid("a transaction without a key began as a replay".into())),
    }
}

//! Erasure: the organisation is told to be going, then everything of it goes for good.
use hitaji_contracts::tenancy::OrganisationErasing;
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::{Audit, Begun, Scope, Tenant, TenantState, Tx};
use hitaji_fleet::Fleet;
use hitaji_web::{Platform, Problem};
use serde_json::json;

/// Marks the organisation as going, with its event and audit line: from here on it is never taken back.
pub async fn announce(platform: &Platform, tx: &mut Tx, tenant: &Tenant, reason: &str) -> Result<(), Problem> {
    if tenant.state == TenantState::Erased {
        return Err(Problem::new(ErrorCode::Conflict, "The organisation is erased already."));
    }
    platform.databases().set_state(tx, tenant.id, TenantState::Erasing, Some(reason)).await?;
    tx.emit(tenant.id, &OrganisationErasing { tenant_id: tenant.id });
    tx.audit(Audit {
        action: "erase",
        resource: "tenancy.organisation",
        record_id: Some(tenant.id.0),
        before: Some(json!({"state": tenant.state.as_str()}).to_string()),
        after: Some(json!({"state": "erasing", "reason": reason}).to_string()),
    });
    Ok(())
}

/// `hitaji tenant erase`: all of it, and the signed certificate.
pub async fn erase(
    platform: &Platform,
    fleet: &Fleet,
    tenant: &Tenant,
    physical: chrono::TimeDelta,
    actor: &str,
) -> Result<String, String> {
    let databases = platform.databases();
    let scope = Scope {
        tenant: Some(tenant.id),
        service: "tenancy",
        actor: format!("operator:{actor}"),
        request_id: None,
        traceparent: None,
        at: databases.clock().now(),
    };
    let conn = databases.control().await.map_err(|error| error.to_string())?;
    let begun = Tx::begin(conn, scope, None, databases.wake().clone()).await.map_err(|error| error.to_string())?;
    let Begun::Fresh(mut tx) = begun else { return Err("a transaction without a key began as a replay".into()) };
    announce(platform, &mut tx, tenant, "by the command line").await.map_err(|problem| problem.detail.to_string())?;
    tx.commit(None).await.map_err(|error| error.to_string())?;
    finish(fleet, tenant.id, physical, actor).await
}

/// What follows the announcement; an erasure that a crash interrupted is taken up by a job.
pub async fn finish(fleet: &Fleet, id: TenantId, physical: chrono::TimeDelta, actor: &str) -> Result<String, String> {
    fleet.erase(id, physical, actor).await.map_err(|error| error.to_string())
}

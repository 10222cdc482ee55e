//! Long work on an organisation: recorded in the transaction that decides on it, done after the answer.
use hitaji_core::ErrorCode;
use hitaji_db::directory::operation;
use hitaji_db::{DbError, Tenant, TenantState, Tx};
use hitaji_web::{Answer, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// Long work has begun.
#[derive(Serialize, JsonSchema)]
pub struct WorkBegun {
    /// What `POST /tenancy/v1/operations/{id}/cancel` takes.
    operation_id: Uuid,
    kind: &'static str,
}

/// Takes the organisation for this work; nothing else can be begun on it until the work has ended.
pub async fn take(tx: &mut Tx, kind: &'static str, tenant: &Tenant, actor: &str) -> Result<Uuid, Problem> {
    if matches!(tenant.state, TenantState::Erasing | TenantState::Erased) {
        return Err(Problem::new(ErrorCode::Conflict, "The organisation is erased."));
    }
    let busy = || Problem::new(ErrorCode::Conflict, "Something else is being done to this organisation just now.");
    if operation::is_running(tx, tenant.id).await? {
        return Err(busy());
    }
    match operation::begin(tx, kind, Some(tenant.id), actor, &json!({})).await {
        Err(DbError::Invalid(_)) => Err(busy()),
        begun => Ok(begun?),
    }
}

pub fn accepted(kind: &'static str, operation_id: Uuid) -> Answer {
    Answer::accepted(&WorkBegun { operation_id, kind })
}

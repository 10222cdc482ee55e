//! Consumer of identity's events: the names of operators, and the end of one.
use crate::store::support;
use hitaji_bus::{Consumer, ConsumerError, Delivery, Handled};
use hitaji_contracts::identity::{OperatorEnded, OperatorStarted};
use hitaji_contracts::tenancy::SupportEnded;
use hitaji_core::{Event as _, TenantId};
use hitaji_db::{Audit, Home};
use serde_json::json;

pub const CONSUMERS: &[Consumer] = &[Consumer {
    name: "tenancy.operators",
    service: "tenancy",
    source: "identity",
    types: &[OperatorStarted::TYPE, OperatorEnded::TYPE],
    source_home: Home::Control,
    home: Home::Control,
    handle: |delivery| -> Handled<'_> { Box::pin(follow_operators(delivery)) },
}];

/// Organisations are shown who asks them for access; who is an operator no more has none.
async fn follow_operators(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let Delivery { tx, event, .. } = delivery;
    if let Some(started) = event.decode::<OperatorStarted>() {
        let started = started?;
        return Ok(support::name_operator(tx, started.account_id.0, &started.name, &started.email).await?);
    }
    let Some(ended) = event.decode::<OperatorEnded>() else { return Ok(()) };
    let operator_id = ended?.account_id;
    for (grant_id, organisation_id) in support::end_all(tx, operator_id.0, event.time).await? {
        tx.deny(grant_id);
        tx.emit(grant_id, &SupportEnded { grant_id, tenant_id: TenantId(organisation_id), operator_id });
        let what = json!({"state": "ended", "organisation_id": organisation_id});
        tx.audit(Audit {
            action: "end",
            resource: "tenancy.support_grant",
            record_id: Some(grant_id),
            before: None,
            after: Some(what.to_string()),
        });
    }
    Ok(())
}

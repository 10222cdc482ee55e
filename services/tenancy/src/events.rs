//! Consumer of identity's events: the names of operators.
use crate::store::support;
use hitaji_bus::{Consumer, ConsumerError, Delivery, Handled};
use hitaji_contracts::identity::OperatorStarted;
use hitaji_core::Event as _;
use hitaji_db::Home;

pub const CONSUMERS: &[Consumer] = &[Consumer {
    name: "tenancy.operators",
    service: "tenancy",
    source: "identity",
    types: &[OperatorStarted::TYPE],
    source_home: Home::Control,
    home: Home::Control,
    handle: |delivery| -> Handled<'_> { Box::pin(name_operator(delivery)) },
}];

/// Organisations are shown who asks them for access.
async fn name_operator(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    if let Some(event) = delivery.event.decode::<OperatorStarted>() {
        let event = event?;
        support::name_operator(delivery.tx, event.account_id.0, &event.name, &event.email).await?;
    }
    Ok(())
}

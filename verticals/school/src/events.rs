//! What the school learns from other services: who its members are, and that it has begun.
use crate::store::members;
use chrono::Datelike as _;
use hitaji_bus::{Consumer, ConsumerError, Delivery, Handled};
use hitaji_contracts::identity::{MembershipChanged, MembershipEnded, MembershipStarted};
use hitaji_contracts::tenancy::OrganisationActivated;
use hitaji_core::Event as _;
use hitaji_db::Home;

pub const CONSUMERS: &[Consumer] = &[
    Consumer {
        name: "school.members",
        service: "school",
        source: "identity",
        types: &[MembershipStarted::TYPE, MembershipChanged::TYPE, MembershipEnded::TYPE],
        source_home: Home::Control,
        home: Home::Tenant,
        handle: |delivery| Box::pin(follow_members(delivery)) as Handled<'_>,
    },
    Consumer {
        name: "school.beginning",
        service: "school",
        source: "tenancy",
        types: &[OrganisationActivated::TYPE],
        source_home: Home::Control,
        home: Home::Tenant,
        handle: |delivery| Box::pin(beginning(delivery)) as Handled<'_>,
    },
];

async fn follow_members(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let Delivery { tx, event, .. } = delivery;
    if let Some(ended) = event.decode::<MembershipEnded>() {
        return Ok(members::remove(tx, ended?.account_id).await?);
    }
    let changed = match event.decode::<MembershipStarted>() {
        Some(started) => {
            let MembershipStarted { tenant_id, account_id, email, phone, name, roles } = started?;
            MembershipChanged { tenant_id, account_id, email, phone, name, roles }
        }
        None => match event.decode::<MembershipChanged>() {
            Some(changed) => changed?,
            None => return Ok(()),
        },
    };
    Ok(members::put(tx, &changed).await?)
}

/// A new school begins with the calendar year as its academic year, so that a class list can be imported at once.
async fn beginning(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let Delivery { tx, event, .. } = delivery;
    Ok(members::begin_year(tx, event.time.year()).await?)
}

//! Tenancy: organisations come into being and change.
use chrono::NaiveDate;
use hitaji_core::{Event, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An organisation can be worked in from now on. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationActivated {
    pub tenant_id: TenantId,
    pub slug: String,
    pub name: String,
    pub products: Vec<String>,
}

impl Event for OrganisationActivated {
    const TYPE: &'static str = "tenancy.organisation.activated.v1";
}

/// Name, time zone or products changed. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationChanged {
    pub tenant_id: TenantId,
    pub slug: String,
    pub name: String,
    pub products: Vec<String>,
}

impl Event for OrganisationChanged {
    const TYPE: &'static str = "tenancy.organisation.changed.v1";
}

/// The organisation has another plan from now on. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanChanged {
    pub tenant_id: TenantId,
    /// Keys of plans.
    pub before: String,
    pub after: String,
}

impl Event for PlanChanged {
    const TYPE: &'static str = "tenancy.plan.changed.v1";
}

/// A limit of the organisation's plan is nearly used up; said once a period and step. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuotaWarned {
    pub tenant_id: TenantId,
    /// `users`, `storage`, `requests` or `messages`.
    pub kind: String,
    /// 80 or 95.
    pub percent: i32,
    /// In bytes for `storage`.
    pub used: i64,
    pub limit: i64,
    /// As people read it.
    pub plan: String,
    /// The day of `requests`, else the first day of the month; in the organisation's time zone.
    pub period: NaiveDate,
}

impl Event for QuotaWarned {
    const TYPE: &'static str = "tenancy.quota.warned.v1";
}

/// `POST /tenancy/v1/organisations`, asked by identity at sign-up: makes the organisation and its database, and
/// answers when it is ready. The same id again is the same wish.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganisation {
    pub id: TenantId,
    pub name: String,
    /// Made from the name where absent; a taken one gets a number.
    #[serde(default)]
    pub slug: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    pub products: Vec<String>,
}

/// The answer to [`CreateOrganisation`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OrganisationCreated {
    pub id: TenantId,
    pub slug: String,
}

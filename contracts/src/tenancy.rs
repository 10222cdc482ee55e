//! Tenancy: organisations come into being and change.
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_core::{AccountId, Event, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// Nobody can work in the organisation for now. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationSuspended {
    pub tenant_id: TenantId,
    pub slug: String,
}

impl Event for OrganisationSuspended {
    const TYPE: &'static str = "tenancy.organisation.suspended.v1";
}

/// The organisation can be worked in again. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationResumed {
    pub tenant_id: TenantId,
    pub slug: String,
}

impl Event for OrganisationResumed {
    const TYPE: &'static str = "tenancy.organisation.resumed.v1";
}

/// The organisation is put away, with its data. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationArchived {
    pub tenant_id: TenantId,
    pub slug: String,
}

impl Event for OrganisationArchived {
    const TYPE: &'static str = "tenancy.organisation.archived.v1";
}

/// The organisation is being erased for good: whoever knows something of it forgets it. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrganisationErasing {
    pub tenant_id: TenantId,
}

impl Event for OrganisationErasing {
    const TYPE: &'static str = "tenancy.organisation.erasing.v1";
}

/// Somebody who runs the platform asks an organisation for access. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupportRequested {
    pub grant_id: Uuid,
    pub tenant_id: TenantId,
    pub operator_id: AccountId,
}

impl Event for SupportRequested {
    const TYPE: &'static str = "tenancy.support.requested.v1";
}

/// The organisation let an operator in, until a time. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupportGranted {
    pub grant_id: Uuid,
    pub tenant_id: TenantId,
    pub operator_id: AccountId,
    pub expires_at: DateTime<Utc>,
}

impl Event for SupportGranted {
    const TYPE: &'static str = "tenancy.support.granted.v1";
}

/// The organisation did not let an operator in. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupportRefused {
    pub grant_id: Uuid,
    pub tenant_id: TenantId,
    pub operator_id: AccountId,
}

impl Event for SupportRefused {
    const TYPE: &'static str = "tenancy.support.refused.v1";
}

/// The access ended before its time: tokens by it are honoured no more. Published in the control database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupportEnded {
    pub grant_id: Uuid,
    pub tenant_id: TenantId,
    pub operator_id: AccountId,
}

impl Event for SupportEnded {
    const TYPE: &'static str = "tenancy.support.ended.v1";
}

/// What an operator does to an organisation's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateAction {
    Suspend,
    Resume,
    Archive,
}

/// `POST /tenancy/v1/organisation-states`, asked by the command line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeState {
    pub slug: String,
    pub action: StateAction,
    /// Why, for the audit trail.
    pub reason: String,
}

/// The answer to [`ChangeState`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StateChanged {
    pub id: TenantId,
    pub state: String,
}

/// `POST /tenancy/v1/support-questions`, asked by identity before it makes a token: may the operator work there now?
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupportQuestion {
    pub grant_id: Uuid,
    pub operator_id: AccountId,
}

/// The answer to [`SupportQuestion`]; a refusal where the consent is not there, or no more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SupportAnswer {
    pub organisation_id: TenantId,
    pub write: bool,
    pub expires_at: DateTime<Utc>,
}

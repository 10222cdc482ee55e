//! Identity: people join and leave organisations. Its events are published in the control database.
use chrono::{DateTime, Utc};
use hitaji_core::{AccountId, Event, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A person is a member of an organisation from now on, with a proven e-mail address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembershipStarted {
    pub tenant_id: TenantId,
    pub account_id: AccountId,
    /// Empty for a person who signs in by phone.
    pub email: String,
    /// E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    pub name: String,
    /// Role keys.
    pub roles: Vec<String>,
}

impl Event for MembershipStarted {
    const TYPE: &'static str = "identity.membership.started.v1";
}

/// A member's roles, name or address changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembershipChanged {
    pub tenant_id: TenantId,
    pub account_id: AccountId,
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    pub name: String,
    pub roles: Vec<String>,
}

impl Event for MembershipChanged {
    const TYPE: &'static str = "identity.membership.changed.v1";
}

/// A person is no longer a member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembershipEnded {
    pub tenant_id: TenantId,
    pub account_id: AccountId,
}

impl Event for MembershipEnded {
    const TYPE: &'static str = "identity.membership.ended.v1";
}

/// Somebody was invited, or invited again. Identity itself sends the mail; the secret is not in the event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvitationSent {
    pub tenant_id: TenantId,
    pub invitation_id: Uuid,
}

impl Event for InvitationSent {
    const TYPE: &'static str = "identity.invitation.sent.v1";
}

/// Somebody asked for a link to set a new password. Identity itself sends the mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasswordResetRequested {
    pub reset_id: Uuid,
}

impl Event for PasswordResetRequested {
    const TYPE: &'static str = "identity.password_reset.requested.v1";
}

/// A code was asked for. Identity itself sends it to the phone; the code is not in the event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeSent {
    pub code_id: Uuid,
}

impl Event for CodeSent {
    const TYPE: &'static str = "identity.code.sent.v1";
}

/// Somebody must prove that an e-mail address is theirs. Identity itself sends the mail; the secret is not in the event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmailProofRequested {
    pub proof_id: Uuid,
}

impl Event for EmailProofRequested {
    const TYPE: &'static str = "identity.email_proof.requested.v1";
}

/// Something happened to an account that its person must hear of. Identity itself sends the mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountNoticed {
    pub account_id: AccountId,
    /// What: `sign_in`, `password`, `email`, `factor_added`, `factor_removed`, `recovery_codes`, `recovery_used`,
    /// `passkey_suspect`, `deleted`.
    pub kind: String,
    /// Where the mail goes.
    pub email: String,
    pub name: String,
    pub locale: String,
    /// Browser and system, as far as they are known.
    pub device: String,
}

impl Event for AccountNoticed {
    const TYPE: &'static str = "identity.account.noticed.v1";
}

/// A session ended: its access tokens are honoured no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionEnded {
    pub session_id: Uuid,
    pub account_id: AccountId,
}

impl Event for SessionEnded {
    const TYPE: &'static str = "identity.session.ended.v1";
}

/// Somebody runs the platform from now on, or in another role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperatorStarted {
    pub account_id: AccountId,
    pub email: String,
    pub name: String,
    pub role: String,
}

impl Event for OperatorStarted {
    const TYPE: &'static str = "identity.operator.started.v1";
}

/// Somebody runs the platform no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperatorEnded {
    pub account_id: AccountId,
}

impl Event for OperatorEnded {
    const TYPE: &'static str = "identity.operator.ended.v1";
}

/// `POST /identity/v1/operators`, asked by the command line. Somebody without an account gets one, and a mail with a link
/// to set a password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeOperator {
    pub email: String,
    /// `support`, `operator` or `owner`.
    pub role: String,
    /// Of a new account.
    #[serde(default)]
    pub name: Option<String>,
}

/// `POST /identity/v1/operators/end`, asked by the command line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndOperator {
    pub email: String,
}

/// The answer to [`MakeOperator`] and [`EndOperator`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorMade {
    pub account_id: AccountId,
    pub email: String,
    /// A link to set a password was mailed.
    pub invited: bool,
}

/// The answer to `GET /identity/v1/operators`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Operators {
    pub operators: Vec<OperatorOut>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorOut {
    pub account_id: AccountId,
    pub email: String,
    pub name: String,
    pub role: String,
    pub granted_at: DateTime<Utc>,
}

/// `POST /identity/v1/support-tokens`: an operator works in an organisation that let them in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupportTokenRequest {
    pub grant_id: Uuid,
}

/// The answer to [`SupportTokenRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SupportToken {
    pub access_token: String,
    pub expires_in: i64,
    pub scope: String,
    pub organisation_id: TenantId,
}

/// `POST /identity/v1/operator-tokens`, asked by the command line: a short-lived access token, audited. Without an
/// organisation it is one for an operator of the platform.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorTokenRequest {
    pub organisation: String,
    pub account: String,
    /// Space-separated; empty means everything the account may do.
    pub scope: String,
}

/// The answer to [`OperatorTokenRequest`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperatorToken {
    pub access_token: String,
    pub expires_in: i64,
    pub scope: String,
}

/// `POST /identity/v1/sign-ups`: a person and their organisation. Public; also used by `hitaji tenant create`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// Made by the client where it wants to repeat the request safely.
    #[serde(default)]
    pub organisation_id: Option<TenantId>,
    pub organisation: String,
    #[serde(default)]
    pub slug: Option<String>,
    pub country: String,
    pub currency: String,
    pub time_zone: String,
    pub products: Vec<String>,
    pub name: String,
    pub email: String,
    pub password: String,
    /// `en` or `sw`.
    #[serde(default)]
    pub locale: Option<String>,
}

/// The answer to [`SignUp`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignedUp {
    pub organisation_id: TenantId,
    pub slug: String,
    pub account_id: AccountId,
}

/// `POST /identity/v1/adoptions`, asked by the command line: an organisation that tenancy knows already gets its owner.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    pub organisation: crate::tenancy::CreateOrganisation,
    /// Of an account that is there.
    pub email: String,
}

/// `POST /identity/v1/signing-keys/rotations`, asked by the command line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSigningKeys {
    /// `publish`: the next keys are made known. `use`: they sign from now on.
    pub step: String,
}

/// The answer to [`RotateSigningKeys`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeysRotated {
    /// How many keys changed.
    pub changed: usize,
}

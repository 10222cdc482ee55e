//! `/identity/v1/policy`: the organisation's rules of signing in.
use crate::domain::policy::{Address, Network, Policy};
use crate::http::api::given;
use crate::http::rights::Rights;
use crate::store::policy;
use crate::store::rights::begin_change;
use hitaji_core::{ErrorCode, FieldError};
use hitaji_db::Audit;
use hitaji_web::{Answer, Body, Ctx, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct PolicyOut {
    /// Who must prove themselves by two factors: `none`, `roles` or `all`.
    mfa: String,
    /// Role keys, for `roles`.
    mfa_roles: Vec<String>,
    /// Minutes after which everybody signs in again; null for as long as the platform allows.
    session_max_minutes: Option<i32>,
    /// Minutes without any use after which they do.
    session_idle_minutes: Option<i32>,
    /// Networks in CIDR notation that the organisation can be used from; none means everywhere.
    networks: Vec<String>,
    /// The only provider that people may sign in with.
    required_provider: Option<Uuid>,
    /// Domains of addresses that may be invited; none means all.
    invitation_domains: Vec<String>,
    version: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyPatch {
    #[serde(default)]
    mfa: Option<String>,
    #[serde(default)]
    mfa_roles: Option<Vec<String>>,
    /// 5 to 43,200.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<i32>")]
    session_max_minutes: Option<Option<i32>>,
    /// 5 to 20,160.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<i32>")]
    session_idle_minutes: Option<Option<i32>>,
    #[serde(default)]
    networks: Option<Vec<String>>,
    #[serde(default)]
    invitation_domains: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceParam {
    #[serde(default)]
    force: bool,
}

pub async fn show(ctx: Ctx) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = policy::find(&mut conn, ctx.tenant().id.0).await?;
    conn.release();
    let version = found.version;
    Ok(Answer::ok(&PolicyOut::from(found)).version(version))
}

pub async fn update(
    ctx: Ctx,
    Params(params): Params<ForceParam>,
    Body(asked): Body<PolicyPatch>,
) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    // One change after the other: the row may not be there yet, so the organisation's is held.
    begin_change(&mut tx, ctx.tenant().id.0).await?;
    let before = policy::find(&mut tx, ctx.tenant().id.0).await?;
    if if_match.is_some_and(|version| version != before.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the rules meanwhile; read them again."));
    }
    let lower = |texts: Vec<String>| -> Vec<String> {
        let mut texts: Vec<String> = texts.iter().map(|text| text.trim().to_ascii_lowercase()).collect();
        texts.dedup();
        texts
    };
    let after = Policy {
        mfa: asked.mfa.unwrap_or_else(|| before.mfa.clone()),
        mfa_roles: asked.mfa_roles.unwrap_or_else(|| before.mfa_roles.clone()),
        session_max_minutes: asked.session_max_minutes.unwrap_or(before.session_max_minutes),
        session_idle_minutes: asked.session_idle_minutes.unwrap_or(before.session_idle_minutes),
        networks: asked.networks.map_or_else(|| before.networks.clone(), lower),
        invitation_domains: asked.invitation_domains.map_or_else(|| before.invitation_domains.clone(), lower),
        required_provider: before.required_provider,
        version: before.version + 1,
    };
    let rights = Rights::of(&ctx, &mut tx).await?;
    let errors = check(&ctx, &rights, &after, params.force);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    policy::put(&mut tx, ctx.tenant().id.0, &after, ctx.now()).await?;
    let text = |policy: &Policy| {
        let mut text = json!(PolicyOut::from(policy.clone()));
        text["organisation_id"] = json!(ctx.tenant().id);
        Some(text.to_string())
    };
    let (then, now) = (text(&before), text(&after));
    tx.audit(Audit { action: "update", resource: "identity.policy", record_id: None, before: then, after: now });
    let version = after.version;
    ctx.commit(tx, Answer::ok(&PolicyOut::from(after)).version(version)).await
}

fn check(ctx: &Ctx, rights: &Rights, policy: &Policy, force: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say =
        |pointer: String, code: &'static str, message: &str| errors.push(FieldError::new(pointer, code, message));
    if !["none", "roles", "all"].contains(&policy.mfa.as_str()) {
        say("/mfa".into(), "unknown_value", "Two factors are asked of none, of some roles, or of all.");
    }
    if policy.mfa == "roles" && policy.mfa_roles.is_empty() {
        say("/mfa_roles".into(), "required", "Choose the roles that need two factors.");
    }
    for (index, role) in policy.mfa_roles.iter().enumerate() {
        if !rights.is_role(role) {
            say(format!("/mfa_roles/{index}"), "unknown_value", "There is no such role.");
        }
    }
    if policy.session_max_minutes.is_some_and(|minutes| !(5..=43_200).contains(&minutes)) {
        say("/session_max_minutes".into(), "out_of_range", "Between 5 minutes and 30 days.");
    }
    if policy.session_idle_minutes.is_some_and(|minutes| !(5..=20_160).contains(&minutes)) {
        say("/session_idle_minutes".into(), "out_of_range", "Between 5 minutes and 14 days.");
    }
    for (index, network) in policy.networks.iter().enumerate() {
        if Network::parse(network).is_none() {
            say(format!("/networks/{index}"), "malformed", "Write a network like 192.0.2.0/24 or 2001:db8::/32.");
        }
    }
    for (index, domain) in policy.invitation_domains.iter().enumerate() {
        let good =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-' || letter == '.';
        if !domain.contains('.') || domain.len() > 253 || domain.starts_with('.') || !domain.chars().all(good) {
            say(format!("/invitation_domains/{index}"), "malformed", "Write a domain like example.org.");
        }
    }
    for (pointer, list, most) in [
        ("/mfa_roles", policy.mfa_roles.len(), 50),
        ("/networks", policy.networks.len(), 100),
        ("/invitation_domains", policy.invitation_domains.len(), 50),
    ] {
        if list > most {
            say(pointer.into(), "too_long", "These are too many.");
        }
    }
    let here = ctx.request().client_ip.map_or(Address::Unknown, Address::Known);
    if !force && !policy.lets_in(here) {
        say(
            "/networks".into(),
            "locks_out",
            "You would lock yourself out: your own address is in none of these networks.",
        );
    }
    errors
}

impl From<Policy> for PolicyOut {
    fn from(policy: Policy) -> PolicyOut {
        PolicyOut {
            mfa: policy.mfa,
            mfa_roles: policy.mfa_roles,
            session_max_minutes: policy.session_max_minutes,
            session_idle_minutes: policy.session_idle_minutes,
            networks: policy.networks,
            required_provider: policy.required_provider,
            invitation_domains: policy.invitation_domains,
            version: policy.version,
        }
    }
}

//! `/identity/v1/scim-tokens`: with which an organisation's directory comes. Each is shown once.
use crate::http::api::members::PageParams;
use crate::store::scim::{self, Token};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use hitaji_core::new_id;
use hitaji_db::Audit;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const DAYS_MAX: i64 = 730;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScimToken {
    /// Which directory it is for.
    label: String,
    /// What people become whom the directory puts into no group.
    default_role: String,
    /// 365 where absent, at most 730.
    #[serde(default)]
    days: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub struct ScimTokenOut {
    id: Uuid,
    label: String,
    /// Roles that it gives and takes: those that whoever made it could give.
    roles: Vec<String>,
    default_role: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, JsonSchema)]
pub struct ScimTokenMade {
    #[serde(flatten)]
    token: ScimTokenOut,
    /// Never shown again.
    secret: String,
    /// Where the directory sends its requests.
    address: String,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = scim::tokens(&mut conn, ctx.tenant().id.0, after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|token| token.id);
    let rows: Vec<_> = found.into_iter().map(ScimTokenOut::from).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewScimToken>) -> Result<Answer, Problem> {
    let label = asked.label.trim();
    if !(1..=60).contains(&label.chars().count()) || label.chars().any(char::is_control) {
        return Err(Problem::field("/label", "malformed", "Write a label of at most 60 characters."));
    }
    let days = asked.days.unwrap_or(365);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::field("/days", "out_of_range", "A token lives 1 to 730 days."));
    }
    let registry = ctx.platform().registry();
    let mut roles: Vec<String> = registry
        .roles()
        // A directory never makes owners, whoever connected it.
        .filter(|role| !role.scopes.contains(&"*"))
        .filter(|role| {
            let given = registry.role_permissions(role.key);
            given.intersection(&ctx.token().permissions) == given
        })
        .map(|role| role.key.to_owned())
        .collect();
    roles.sort();
    roles.dedup();
    if !roles.contains(&asked.default_role) {
        let message = "Name a role that you could give yourself, and not the owner's.";
        return Err(Problem::field("/default_role", "unknown_value", message));
    }
    let secret = format!("hitaji_scim_{}", random_token());
    let token = Token {
        id: new_id(),
        organisation_id: ctx.tenant().id.0,
        label: label.to_owned(),
        roles,
        default_role: asked.default_role,
        created_by: ctx.subject().0,
        created_at: ctx.now(),
        expires_at: (ctx.now() + TimeDelta::days(days)).trunc_subsecs(6),
        last_used_at: None,
    };
    let mut tx = ctx.tx().await?;
    scim::insert_token(&mut tx, &token, &sha256(secret.as_bytes())).await?;
    let after = json!({"organisation_id": ctx.tenant().id, "label": token.label, "roles": token.roles}).to_string();
    let (action, resource, record_id) = ("create", "identity.scim_token", Some(token.id));
    tx.audit(Audit { action, resource, record_id, before: None, after: Some(after) });
    let address = format!("{}/scim/v2", ctx.platform().origin());
    let location = format!("/identity/v1/scim-tokens/{}", token.id);
    let made = ScimTokenMade { token: token.into(), secret, address };
    ctx.commit(tx, Answer::created(location, &made)).await
}

pub async fn revoke(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    if !scim::revoke_token(&mut tx, ctx.tenant().id.0, id, ctx.now()).await? {
        return Err(Problem::not_found());
    }
    let after = json!({"organisation_id": ctx.tenant().id}).to_string();
    let (action, resource, record_id) = ("revoke", "identity.scim_token", Some(id));
    tx.audit(Audit { action, resource, record_id, before: None, after: Some(after) });
    ctx.commit(tx, Answer::no_content()).await
}

impl From<Token> for ScimTokenOut {
    fn from(token: Token) -> ScimTokenOut {
        ScimTokenOut {
            id: token.id,
            label: token.label,
            roles: token.roles,
            default_role: token.default_role,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

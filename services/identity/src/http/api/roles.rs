//! `GET /identity/v1/roles`: what can be given to a member.
use crate::http::api::members::PageParams;
use hitaji_web::{Answer, Ctx, Params, Problem, Registry};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
pub struct RoleOut {
    key: &'static str,
    label: &'static str,
    description: &'static str,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<usize>(&ctx)?;
    let mut roles = all(ctx.platform().registry());
    let start = after.unwrap_or_default().min(roles.len());
    let end = (start + limit as usize).min(roles.len());
    let next = (end < roles.len()).then_some(end);
    roles.truncate(end);
    Ok(ctx.page(&roles[start..], limit, next.as_ref()))
}

/// Each role once; where several services say something of it, the first one's words.
fn all(registry: &Registry) -> Vec<RoleOut> {
    let mut roles: Vec<RoleOut> = Vec::new();
    for role in registry.roles() {
        if !roles.iter().any(|known| known.key == role.key) {
            roles.push(RoleOut { key: role.key, label: role.label, description: role.description });
        }
    }
    roles
}

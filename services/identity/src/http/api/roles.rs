//! `GET /identity/v1/roles`: what can be given to a member.
use hitaji_web::{Answer, Ctx, Problem, Registry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

#[derive(Serialize, JsonSchema)]
pub struct RoleOut {
    key: &'static str,
    label: &'static str,
    description: &'static str,
}

pub async fn list(ctx: Ctx) -> Result<Answer, Problem> {
    let roles = all(ctx.platform().registry());
    Ok(Answer::ok(
        &json!({"data": roles, "page": {"limit": 200, "next": null}}),
    ))
}

/// Each role once; where several services say something of it, the first one's words.
fn all(registry: &Registry) -> Vec<RoleOut> {
    let mut roles: Vec<RoleOut> = Vec::new();
    for role in registry.roles() {
        if !roles.iter().any(|known| known.key == role.key) {
            roles.push(RoleOut {
                key: role.key,
                label: role.label,
                description: role.description,
            });
        }
    }
    roles
}

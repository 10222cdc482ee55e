//! `GET /identity/v1/permissions`: everything that a role can allow in this organisation; and what the caller may do now.
use crate::domain::scope::Asked;
use crate::http::api::members::PageParams;
use crate::http::provider::Provider;
use crate::store::{node, organisation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::{PermissionSet, Tier, is_operators};
use hitaji_db::secrets::sha256;
use hitaji_web::{Answer, Ctx, Params, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct PermissionOut {
    scope: &'static str,
    description: &'static str,
    service: &'static str,
    /// The product that brings it; none where everybody has it.
    product: Option<&'static str>,
    /// `normal`, `sensitive` or `restricted`: only owners put a restricted one into a role.
    tier: &'static str,
}

#[derive(Serialize, JsonSchema)]
pub struct MyPermissions {
    /// The organisation's permission version; the claim `pv` of tokens.
    pv: i64,
    /// In the whole organisation.
    permissions: Vec<&'static str>,
    /// In single places, beyond those.
    places: Vec<PlacePermissions>,
}

#[derive(Serialize, JsonSchema)]
struct PlacePermissions {
    node_id: Uuid,
    name: String,
    permissions: Vec<&'static str>,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<String>(&ctx)?;
    let mut all = known(&ctx);
    all.retain(|permission| after.as_deref().is_none_or(|after| permission.scope > after));
    let more = all.len() > limit as usize;
    all.truncate(limit as usize);
    let next = all.last().filter(|_| more).map(|last| last.scope);
    Ok(ctx.page(&all, limit, next.as_ref()))
}

/// What the organisation's products bring, in alphabetical order.
fn known(ctx: &Ctx) -> Vec<PermissionOut> {
    let services = ctx.platform().registry().services();
    let open = services
        .iter()
        .filter(|service| !service.product || ctx.tenant().products.iter().any(|has| has == service.name));
    let mut all: Vec<PermissionOut> = open
        .flat_map(|service| service.permissions.iter().map(move |permission| (service, permission)))
        .filter(|(_, permission)| !is_operators(permission.number))
        .map(|(service, permission)| PermissionOut {
            scope: permission.scope,
            description: permission.description,
            service: service.name,
            product: service.product.then_some(service.name),
            tier: permission.tier().as_str(),
        })
        .collect();
    all.sort_unstable_by_key(|permission| permission.scope);
    all
}

/// What roles and products give the caller through this client now, whenever the token was made.
pub async fn mine(ctx: Ctx) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let client = provider.client(&ctx.token().client_id).await?.ok_or_else(Problem::not_found)?;
    let products = &ctx.tenant().products;
    let mut conn = ctx.read().await?;
    let found = organisation::membership(&mut conn, ctx.tenant().id.0, ctx.subject().0).await?;
    let Some(membership) = found.filter(|_| ctx.token().membership.is_some()) else {
        conn.release();
        // A program, or somebody who was let in: there is no more to it than the token.
        let permissions = ctx.platform().registry().scope_names(&ctx.token().permissions);
        return Ok(Answer::ok(&MyPermissions { pv: 0, permissions, places: Vec::new() }));
    };
    let reached = |roles: PermissionSet| {
        provider.catalogue.grant(&Asked { requested: "hitaji", client: &client, roles, products }).permissions
    };
    let everywhere = provider.role_permissions(&membership.roles, &membership.own_roles);
    let (held, pv) = (provider.node_permissions(&membership, &everywhere), membership.permission_version);
    let tag = tag(&ctx, pv, membership.id);
    if ctx.request().header("if-none-match").is_some_and(|known| known.contains(&format!("\"{tag}\""))) {
        conn.release();
        return Ok(Answer::not_modified(&tag));
    }
    let names = node::names(&mut conn, ctx.tenant().id.0).await?;
    conn.release();
    let places = held.into_iter().map(|(node_id, permissions)| PlacePermissions {
        node_id,
        name: names.iter().find(|(id, _)| *id == node_id).map_or_else(String::new, |(_, name)| name.clone()),
        permissions: provider.catalogue.names(&reached(permissions)),
    });
    let mine =
        MyPermissions { pv, permissions: provider.catalogue.names(&reached(everywhere)), places: places.collect() };
    Ok(Answer::ok(&mine).etag(&tag))
}

/// The version, with what it does not cover: whose answer it is, through which client, with which products.
fn tag(ctx: &Ctx, pv: i64, membership_id: Uuid) -> String {
    let whose = format!("{membership_id} {} {}", ctx.token().client_id, ctx.tenant().products.join(" "));
    format!("{pv}-{}", URL_SAFE_NO_PAD.encode(&sha256(whose.as_bytes())[..9]))
}

/// The tier of a permission that a role can hold here; none where there is no such.
pub fn known_scope(ctx: &Ctx, scope: &str) -> Option<Tier> {
    let services = ctx.platform().registry().services().iter();
    let open =
        services.filter(|service| !service.product || ctx.tenant().products.iter().any(|has| has == service.name));
    let mut permissions = open.flat_map(|service| service.permissions);
    let found = permissions.find(|permission| permission.scope == scope && !is_operators(permission.number));
    found.map(hitaji_core::Permission::tier)
}

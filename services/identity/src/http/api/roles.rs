//! `/identity/v1/roles`: what can be given to a member; roles that products ship, and the organisation's own.
use crate::domain::role::key_of;
use crate::http::api::members::PageParams;
use crate::http::api::permissions::known_scope;
use crate::http::provider::Provider;
use crate::http::rights::Rights;
use crate::store::rights::begin_change;
use crate::store::role::{self, Role};
use hitaji_core::{ErrorCode, FieldError, Tier, new_id};
use hitaji_db::{Audit, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const OWN_MAX: usize = 100;

#[derive(Serialize, JsonSchema)]
pub struct RoleOut {
    /// Of the organisation's own roles; those that products ship have none.
    id: Option<Uuid>,
    key: String,
    label: String,
    description: String,
    /// What it allows here.
    scopes: Vec<String>,
    /// Comes with a product and cannot be changed.
    shipped: bool,
    version: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// Made from the name where absent; never changes.
    #[serde(default)]
    key: Option<String>,
    name: String,
    #[serde(default)]
    description: String,
    scopes: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolePatch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<usize>(&ctx)?;
    let mut conn = ctx.read().await?;
    let own = role::list(&mut conn, ctx.tenant().id.0).await?;
    conn.release();
    let mut roles = shipped(&ctx);
    roles.retain(|role| !own.iter().any(|own| own.key == role.key));
    roles.extend(own.into_iter().map(RoleOut::from));
    let start = after.unwrap_or_default().min(roles.len());
    let end = (start + limit as usize).min(roles.len());
    let next = (end < roles.len()).then_some(end);
    roles.truncate(end);
    Ok(ctx.page(&roles[start..], limit, next.as_ref()))
}

/// Each role of the organisation's products once; where several services say something of it, the first one's words.
fn shipped(ctx: &Ctx) -> Vec<RoleOut> {
    let (provider, products) = (ctx.parts().get::<Provider>(), &ctx.tenant().products);
    let mut roles: Vec<RoleOut> = Vec::new();
    for service in ctx.platform().registry().services() {
        if service.product && !products.iter().any(|has| has == service.name) {
            continue;
        }
        for role in service.roles {
            if roles.iter().any(|known| known.key == role.key) {
                continue;
            }
            let set = provider.registry.role_permissions(role.key);
            let names = provider.catalogue.names(&set).into_iter();
            roles.push(RoleOut {
                id: None,
                key: role.key.to_owned(),
                label: role.label.to_owned(),
                description: role.description.to_owned(),
                scopes: names
                    .filter(|scope| provider.catalogue.is_open_to(scope, products))
                    .map(str::to_owned)
                    .collect(),
                shipped: true,
                version: None,
            });
        }
    }
    roles
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = role::find(&mut conn, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    conn.release();
    let version = found.version;
    Ok(Answer::ok(&RoleOut::from(found)).version(version))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewRole>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    begin_change(&mut tx, ctx.tenant().id.0).await?;
    let rights = Rights::of(&ctx, &mut tx).await?;
    let key = asked.key.clone().or_else(|| key_of(&asked.name)).unwrap_or_default();
    let new = Role {
        id: new_id(),
        key,
        name: asked.name.trim().to_owned(),
        description: asked.description.trim().to_owned(),
        scopes: sorted(asked.scopes),
        version: 1,
    };
    let mut errors = check(&ctx, &rights, &new, &[]);
    if key_of(&new.key).as_deref() != Some(new.key.as_str()) {
        errors.push(FieldError::new("/key", "malformed", "A key is made of small letters, digits and underscores."));
    } else if rights.is_role(&new.key) {
        let pointer = if asked.key.is_some() { "/key" } else { "/name" };
        errors.push(FieldError::new(pointer, "taken", "There is a role like this already. Choose another name."));
    }
    if rights.own.len() >= OWN_MAX {
        errors.push(FieldError::new("", "too_many", "An organisation has at most 100 roles of its own."));
    }
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    role::insert(&mut tx, ctx.tenant().id.0, &new, ctx.now()).await?;
    note(&ctx, &mut tx, "create", None, Some(&new));
    let location = format!("/identity/v1/roles/{}", new.id);
    ctx.commit(tx, Answer::created(location, &RoleOut::from(new)).version(1)).await
}

pub async fn update(ctx: Ctx, Id(id): Id, Body(asked): Body<RolePatch>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let before = begin(&ctx, &mut tx, id).await?;
    let rights = Rights::of(&ctx, &mut tx).await?;
    let after = Role {
        name: asked.name.map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
        description: asked.description.map_or_else(|| before.description.clone(), |text| text.trim().to_owned()),
        scopes: asked.scopes.map_or_else(|| before.scopes.clone(), sorted),
        version: before.version + 1,
        ..before.clone()
    };
    let errors = check(&ctx, &rights, &after, &before.scopes);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    role::update(&mut tx, &after, ctx.now()).await?;
    note(&ctx, &mut tx, "update", Some(&before), Some(&after));
    let version = after.version;
    ctx.commit(tx, Answer::ok(&RoleOut::from(after)).version(version)).await
}

pub async fn remove(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let found = begin(&ctx, &mut tx, id).await?;
    let rights = Rights::of(&ctx, &mut tx).await?;
    let errors = check(&ctx, &rights, &found, &found.scopes);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let holders = role::holders(&mut tx, ctx.tenant().id.0, &found.key, ctx.now()).await?;
    if !holders.is_empty() {
        let names: Vec<&str> = holders.iter().map(|(_, name)| name.as_str()).collect();
        let detail = format!("Somebody has this role: {}. Give them another one first.", names.join(", "));
        let people: Vec<_> = holders.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
        return Err(Problem::new(ErrorCode::Conflict, detail).with("people", people));
    }
    role::archive(&mut tx, id, ctx.now()).await?;
    note(&ctx, &mut tx, "delete", Some(&found), None);
    ctx.commit(tx, Answer::no_content()).await
}

/// The role, while nothing else changes what people may do.
async fn begin(ctx: &Ctx, tx: &mut Tx, id: Uuid) -> Result<Role, Problem> {
    let if_match = ctx.request().if_match()?;
    begin_change(tx, ctx.tenant().id.0).await?;
    let found = role::find(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this role meanwhile; read it again."));
    }
    Ok(found)
}

/// All that is wrong with a role. Whoever changes one must hold what it allowed before as well.
fn check(ctx: &Ctx, rights: &Rights, role: &Role, before: &[String]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !(1..=80).contains(&role.name.chars().count()) {
        errors.push(FieldError::new("/name", "required", "Give the role a name of at most 80 letters."));
    }
    if role.description.chars().count() > 300 {
        errors.push(FieldError::new("/description", "too_long", "At most 300 letters."));
    }
    if role.scopes.is_empty() {
        errors.push(FieldError::new("/scopes", "required", "Choose at least one permission."));
    }
    for (index, scope) in role.scopes.iter().enumerate() {
        let pointer = format!("/scopes/{index}");
        let kept = before.contains(scope);
        match known_scope(ctx, scope) {
            None if !kept => errors.push(FieldError::new(pointer, "unknown_value", "There is no such permission.")),
            Some(Tier::Restricted) if !kept && !rights.is_owner => {
                errors.push(FieldError::new(pointer, "owners_only", "Only an owner puts this permission into a role."));
            }
            _ => {}
        }
    }
    let all: Vec<String> = role.scopes.iter().chain(before).cloned().collect();
    if errors.is_empty() && !rights.cover(&rights.scopes(&all)) {
        let message = "A role of yours can only hold permissions that you have yourself.";
        errors.push(FieldError::new("/scopes", "beyond_own", message));
    }
    errors
}

fn sorted(mut scopes: Vec<String>) -> Vec<String> {
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

fn note(ctx: &Ctx, tx: &mut Tx, action: &str, before: Option<&Role>, after: Option<&Role>) {
    let text = |role: &Role| {
        let organisation_id = ctx.tenant().id;
        json!({"key": role.key, "name": role.name, "scopes": role.scopes, "organisation_id": organisation_id})
            .to_string()
    };
    let record_id = before.or(after).map(|role| role.id);
    tx.audit(Audit { action, resource: "identity.role", record_id, before: before.map(text), after: after.map(text) });
}

impl From<Role> for RoleOut {
    fn from(role: Role) -> RoleOut {
        RoleOut {
            id: Some(role.id),
            key: role.key,
            label: role.name,
            description: role.description,
            scopes: role.scopes,
            shipped: false,
            version: Some(role.version),
        }
    }
}

//! The organisation of the token: read and change.
use crate::domain;
use chrono::{DateTime, Utc};
use hitaji_contracts::tenancy::OrganisationChanged;
use hitaji_core::{ErrorCode, FieldError, TenantId};
use hitaji_db::{Audit, Tenant};
use hitaji_web::{Answer, Body, Ctx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, JsonSchema)]
pub struct OrganisationOut {
    id: TenantId,
    slug: String,
    name: String,
    country: String,
    currency: String,
    time_zone: String,
    products: Vec<String>,
    state: &'static str,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<&Tenant> for OrganisationOut {
    fn from(tenant: &Tenant) -> OrganisationOut {
        OrganisationOut {
            id: tenant.id,
            slug: tenant.slug.clone(),
            name: tenant.name.clone(),
            country: tenant.country.clone(),
            currency: tenant.currency.clone(),
            time_zone: tenant.time_zone.name().to_owned(),
            products: tenant.products.clone(),
            state: tenant.state.as_str(),
            version: tenant.version,
            created_at: tenant.created_at,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationPatch {
    name: Option<String>,
    time_zone: Option<String>,
    products: Option<Vec<String>>,
}

pub async fn read(ctx: Ctx) -> Result<Answer, Problem> {
    let out = OrganisationOut::from(ctx.tenant());
    Ok(Answer::ok(&out).version(out.version))
}

pub async fn change(ctx: Ctx, Body(patch): Body<OrganisationPatch>) -> Result<Answer, Problem> {
    let before = ctx.tenant();
    let mut after = patched(&ctx, before, patch)?;
    after.version = ctx.request().if_match()?.unwrap_or(before.version);
    let databases = ctx.platform().databases().clone();
    let mut tx = ctx.tx().await?;
    let Some(version) = databases.update_tenant(&mut tx, &after).await? else {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the organisation meanwhile. Read it again."));
    };
    after.version = version;
    tx.emit(
        after.id,
        &OrganisationChanged {
            tenant_id: after.id,
            slug: after.slug.clone(),
            name: after.name.clone(),
            products: after.products.clone(),
        },
    );
    let out = OrganisationOut::from(&after);
    tx.audit(Audit {
        action: "update",
        resource: "tenancy.organisation",
        record_id: Some(after.id.0),
        before: serde_json::to_string(&OrganisationOut::from(before)).ok(),
        after: serde_json::to_string(&out).ok(),
    });
    let answer = ctx.commit(tx, Answer::ok(&out).version(version)).await?;
    databases.forget(after.id);
    Ok(answer)
}

fn patched(ctx: &Ctx, before: &Tenant, patch: OrganisationPatch) -> Result<Tenant, Problem> {
    let mut after = before.clone();
    let mut errors: Vec<FieldError> = Vec::new();
    if let Some(name) = patch.name {
        errors.extend(domain::check_name(&name).err());
        after.name = name.trim().to_owned();
    }
    if let Some(time_zone) = patch.time_zone {
        match domain::parse_time_zone(&time_zone) {
            Ok(zone) => after.time_zone = zone,
            Err(error) => errors.push(error),
        }
    }
    if let Some(products) = patch.products {
        let services = ctx.platform().registry().services();
        let known: Vec<&str> = services.iter().filter(|service| service.product).map(|service| service.name).collect();
        errors.extend(domain::check_products(&products, &known).err());
        after.products = products;
    }
    if errors.is_empty() { Ok(after) } else { Err(Problem::validation(errors)) }
}

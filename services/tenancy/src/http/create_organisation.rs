//! A new organisation: the wish, its database, and activation. Each step can be run again.
use crate::domain;
use hitaji_contracts::tenancy::{CreateOrganisation, OrganisationActivated, OrganisationCreated};
use hitaji_core::{FieldError, TenantId};
use hitaji_db::{Audit, Begun, Databases, DbError, NewTenant, Scope, Tenant, TenantState, Tx};
use hitaji_web::{Answer, Body, PlatformCtx, Problem};

const SLUG_ATTEMPTS: u32 = 50;

pub async fn create(ctx: PlatformCtx, Body(body): Body<CreateOrganisation>) -> Result<Answer, Problem> {
    let wished_slug = body.slug.clone();
    let mut new = check(&ctx, body)?;
    let base = new.slug.clone();
    let mut attempt = 0;
    while let Err(error) = ctx.databases().intend(&new).await {
        attempt += 1;
        if error.constraint() != Some("tenant_slug_key") {
            return Err(error.into());
        }
        if wished_slug.is_some() || attempt == SLUG_ATTEMPTS {
            return Err(Problem::field(
                "/slug",
                "taken",
                "Another organisation has this short name. Choose another one.",
            ));
        }
        new.slug = domain::numbered(&base, attempt);
    }
    let tenant = complete(ctx.databases(), new.id).await?;
    Ok(Answer::ok(&OrganisationCreated { id: tenant.id, slug: tenant.slug }))
}

/// Gives an intended organisation its database and opens it. Run again, it does what is missing.
pub async fn complete(databases: &Databases, id: TenantId) -> Result<Tenant, DbError> {
    let tenant = databases.describe(id).await?;
    if tenant.state != TenantState::Provisioning {
        return Ok((*tenant).clone());
    }
    databases.provision(id).await?;
    let scope = Scope {
        tenant: Some(id),
        service: "tenancy",
        actor: "service:tenancy".to_owned(),
        request_id: None,
        traceparent: None,
        at: databases.clock().now(),
    };
    let Begun::Fresh(mut tx) = Tx::begin(databases.control().await?, scope, None, databases.wake().clone()).await?
    else {
        return Err(DbError::Invalid("a transaction without a key began as a replay".into()));
    };
    if !databases.set_state(&mut tx, id, TenantState::Active, None).await? {
        // The same wish, sent at the same time, was faster.
        tx.rollback().await?;
        databases.forget(id);
        return Ok((*databases.describe(id).await?).clone());
    }
    let event = OrganisationActivated {
        tenant_id: id,
        slug: tenant.slug.clone(),
        name: tenant.name.clone(),
        products: tenant.products.clone(),
    };
    tx.emit(id, &event);
    tx.audit(Audit {
        action: "activate",
        resource: "tenancy.organisation",
        record_id: Some(id.0),
        before: None,
        after: serde_json::to_string(&event).ok(),
    });
    tx.commit(None).await?;
    databases.forget(id);
    Ok(Tenant { state: TenantState::Active, ..(*tenant).clone() })
}

fn check(ctx: &PlatformCtx, body: CreateOrganisation) -> Result<NewTenant, Problem> {
    let services = ctx.platform().registry().services();
    let known: Vec<&str> = services.iter().filter(|service| service.product).map(|service| service.name).collect();
    let slug = body.slug.unwrap_or_else(|| domain::slug_from_name(&body.name));
    let zone = domain::parse_time_zone(&body.time_zone);
    let mut errors: Vec<FieldError> = [
        domain::check_name(&body.name),
        domain::check_slug(&slug),
        domain::check_country(&body.country),
        domain::check_currency(&body.currency),
        domain::check_products(&body.products, &known),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    match zone {
        Ok(time_zone) if errors.is_empty() => Ok(NewTenant {
            id: body.id,
            slug,
            name: body.name.trim().to_owned(),
            country: body.country,
            currency: body.currency,
            time_zone,
            products: body.products,
        }),
        zone => {
            errors.extend(zone.err());
            Err(Problem::validation(errors))
        }
    }
}

//! `GET /identity/v1/me`: the person, the organisation and what they may do there.
use crate::store::{account, organisation};
use hitaji_core::TenantId;
use hitaji_web::{Answer, Ctx, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct Me {
    account: AccountOut,
    organisation: OrganisationOut,
    /// Role keys.
    roles: Vec<String>,
    /// What the access token in use allows.
    permissions: Vec<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct AccountOut {
    id: Uuid,
    name: String,
    /// None for a person who signs in by phone.
    email: Option<String>,
    /// E.164.
    phone: Option<String>,
    /// `en`, `sw` or `fr`.
    locale: String,
}

#[derive(Serialize, JsonSchema)]
struct OrganisationOut {
    id: TenantId,
    slug: String,
    name: String,
    country: String,
    currency: String,
    time_zone: String,
    products: Vec<String>,
}

pub async fn show(ctx: Ctx) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let account = account::find(&mut conn, ctx.subject().0).await?.ok_or_else(Problem::not_found)?;
    let roles = organisation::roles(&mut conn, ctx.tenant().id.0, account.id).await?;
    conn.release();
    let tenant = ctx.tenant();
    Ok(Answer::ok(&Me {
        account: AccountOut {
            id: account.id,
            name: account.name,
            email: account.email,
            phone: account.phone,
            locale: account.locale,
        },
        organisation: OrganisationOut {
            id: tenant.id,
            slug: tenant.slug.clone(),
            name: tenant.name.clone(),
            country: tenant.country.clone(),
            currency: tenant.currency.clone(),
            time_zone: tenant.time_zone.name().to_owned(),
            products: tenant.products.clone(),
        },
        // A membership may have ended since the token was made.
        roles: roles.unwrap_or_default(),
        permissions: ctx.platform().registry().scope_names(&ctx.token().permissions),
    }))
}

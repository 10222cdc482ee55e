//! An organisation's look on our pages: found by the hint in where a person goes, served with strict types.
use crate::domain::request::Parameters;
use crate::http::browser::Browser;
use crate::store::branding::{self, Branding};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_core::TenantId;
use hitaji_db::{Databases, TenantState};
use hitaji_web::{PlatformCtx, Problem, Segments};
use minijinja::{Value, context};
use uuid::Uuid;

/// Shows the look of the organisation that the authorization request at the end of `target` names, if it has one.
pub async fn dress_for(browser: &Browser, target: &str) -> Result<(), Problem> {
    let Some(query) = target.strip_prefix("/oauth/authorize?") else { return Ok(()) };
    let asked = Parameters::parse(query);
    let by_scope = asked.first("scope").and_then(crate::domain::scope::organisation_hint);
    let Some(hint) = asked.first("organization").or(by_scope) else { return Ok(()) };
    let databases = browser.ctx.databases();
    let id = match Uuid::parse_str(hint) {
        Ok(id) => id,
        Err(_) => match databases.find_by_slug(hint).await? {
            Some(tenant) => tenant.id.0,
            None => return Ok(()),
        },
    };
    dress(browser, id).await
}

/// Shows an organisation's look on the page that follows.
pub async fn dress(browser: &Browser, organisation: Uuid) -> Result<(), Problem> {
    let mut conn = browser.ctx.read().await?;
    let found = branding::find(&mut conn, &[organisation]).await?.pop();
    conn.release();
    if let Some(look) = found
        && let Some(name) = name(browser.ctx.databases(), &look).await
    {
        browser.dress(brand(&look, &name));
    }
    Ok(())
}

async fn name(databases: &Databases, look: &Branding) -> Option<String> {
    let tenant = databases.describe(TenantId(look.organisation_id)).await.ok()?;
    let active = tenant.state == TenantState::Active;
    active.then(|| look.display_name.clone().unwrap_or_else(|| tenant.name.clone()))
}

fn brand(look: &Branding, name: &str) -> Value {
    context! { name => name, logo => look.logo_path(), stylesheet => look.stylesheet_path() }
}

/// `/assets-id/branding/{organisation}/{hash}.{png|webp|css}`: what the hash names never changes, so it is kept for ever.
pub async fn asset(ctx: PlatformCtx, Segments((id, file)): Segments<(Uuid, String)>) -> Response {
    match find(&ctx, id, &file).await {
        Ok(Some((kind, body))) => serve(kind, body),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn find(ctx: &PlatformCtx, id: Uuid, file: &str) -> Result<Option<(&'static str, Vec<u8>)>, Problem> {
    let mut conn = ctx.read().await?;
    let Some(look) = branding::find(&mut conn, &[id]).await?.pop() else {
        conn.release();
        return Ok(None);
    };
    let asked = Some(format!("/assets-id/branding/{id}/{file}"));
    let found = if asked == look.logo_path() {
        let kind = if look.logo_type.as_deref() == Some("png") { "image/png" } else { "image/webp" };
        branding::logo(&mut conn, id).await?.map(|logo| (kind, logo))
    } else {
        (asked == look.stylesheet_path()).then(|| ("text/css; charset=utf-8", stylesheet(&look).into_bytes()))
    };
    conn.release();
    Ok(found)
}

/// The colours; each was checked to be six digits and to carry its text.
fn stylesheet(look: &Branding) -> String {
    let shade = |colour: &Option<String>, text: &str| {
        colour.as_ref().map(|colour| {
            format!(":root {{ --brand: {colour}; --brand-hover: {colour}; --on-brand: {text}; --bar: {colour}; --on-bar: {text}; --on-bar-soft: {text}; }}")
        })
    };
    let light =
        shade(&look.colour_light, "#ffffff").map(|rule| format!("@media (prefers-color-scheme: light) {{ {rule} }}"));
    let dark =
        shade(&look.colour_dark, "#000000").map(|rule| format!("@media (prefers-color-scheme: dark) {{ {rule} }}"));
    [light, dark].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn serve(kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = Body::from(body).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

//! With which provider somebody must sign in, and where a session counts that another provider vouches for.
use crate::domain::federation::domain_of;
use crate::http::browser::{Browser, PageError, PageResult};
use crate::http::membership::Belonging;
use crate::store::{domain, door};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use hitaji_web::Problem;
use minijinja::context;
use sqlx::PgConnection;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

/// How a proof opens an organisation.
pub enum Entry {
    /// As far as its methods, which are trimmed to what that organisation believes.
    Free,
    /// Only by this provider.
    Only(String),
    /// Not by this proof: it is older than the member's sign-out, or another provider vouches for it whose word does not
    /// count there.
    Otherwise,
}

/// Somebody at the door of an organisation, with a session or what hangs on one.
pub struct Visit<'a> {
    pub belonging: &'a Belonging,
    pub session_id: Uuid,
    pub email: Option<&'a str>,
    pub proven_at: DateTime<Utc>,
}

/// The one door of every organisation: asked for codes, devices, switches and tokens alike.
pub async fn enter(conn: &mut PgConnection, visit: &Visit<'_>, amr: &mut Vec<String>) -> Result<Entry, Problem> {
    let (organisation_id, membership_id) = (visit.belonging.tenant.id.0, visit.belonging.membership_id);
    let domain = visit.email.and_then(domain_of).unwrap_or_default();
    let door = door::find(conn, membership_id, visit.session_id, domain).await?;
    if door.signed_out_at.is_some_and(|at| at > visit.proven_at) {
        return Ok(Entry::Otherwise);
    }
    if let Some(required) = door.required_provider.filter(|_| door.domain_owner == Some(organisation_id)) {
        return Ok(if door.provider.as_ref() == Some(&required) { Entry::Free } else { Entry::Only(required) });
    }
    match door.provider_owner {
        Some(owner) if owner != organisation_id => {
            // Whoever owns the domain of an address could also have a new password mailed to it; nobody else's own
            // provider counts for other organisations, and nobody's says for them that there were two factors.
            if door.domain_owner != Some(owner) {
                return Ok(Entry::Otherwise);
            }
            amr.retain(|method| method != "mfa");
            Ok(Entry::Free)
        }
        _ => Ok(Entry::Free),
    }
}

/// The provider that everybody with an address of this domain is sent to, whether there is such an account or not.
pub async fn home_realm(browser: &Browser, email: &str) -> Result<Option<String>, Problem> {
    let Some(name) = domain_of(email) else { return Ok(None) };
    let mut conn = browser.ctx.read().await?;
    let found = domain::verified(&mut conn, name).await?;
    conn.release();
    Ok(found.and_then(|found| found.required_provider))
}

/// The page that leads on to the provider. No redirect: browsers do not let the answer to a form lead to another origin
/// that the page did not name (`form-action`), and which one it is shows only now.
pub async fn lead_on(browser: &Browser, key: &str, email: &str, target: &str) -> PageResult {
    let gone = PageError::Page(StatusCode::NOT_FOUND, "federation_gone");
    let upstream = browser.provider.federation.find(&browser.ctx, key).await?.ok_or(gone)?;
    let values = context! { provider => upstream.label.clone(), href => start_path(key, target, Some(email)) };
    browser.page_for(StatusCode::OK, "elsewhere.html", values, None)
}

/// Where the way to a provider begins.
pub fn start_path(key: &str, target: &str, email: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("continue", target);
    if let Some(email) = email {
        query.append_pair("login_hint", email);
    }
    format!("/sign-in/with/{key}?{}", query.finish())
}

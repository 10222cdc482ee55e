//! With which provider somebody must sign in, and where a session counts that another provider vouches for.
use crate::domain::federation::domain_of;
use crate::http::browser::{Browser, PageError, PageResult};
use crate::store::session::Session;
use crate::store::{domain, federation};
use axum::http::StatusCode;
use hitaji_web::Problem;
use minijinja::context;
use sqlx::PgConnection;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

/// How somebody with a session comes into an organisation.
pub enum Entry {
    /// With the session as that organisation sees it.
    Free(Box<Session>),
    /// Only by this provider.
    Only(String),
    /// Not by this session: another provider vouches for it, whose word does not count there.
    Otherwise,
}

/// The provider with which people of this address must sign in to the organisation.
pub async fn required(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    email: Option<&str>,
) -> Result<Option<String>, Problem> {
    let Some(name) = email.and_then(domain_of) else { return Ok(None) };
    let found = domain::verified(conn, name).await?;
    Ok(found.filter(|found| found.organisation_id == organisation_id).and_then(|found| found.required_provider))
}

/// Judges a session at the door of an organisation.
pub async fn enter(browser: &Browser, organisation_id: Uuid, mut session: Session) -> Result<Entry, Problem> {
    let mut conn = browser.ctx.read().await?;
    let required = required(&mut conn, organisation_id, session.email.as_deref()).await?;
    let vouching = federation::session_provider(&mut conn, session.id).await?;
    let proven = match session.email.as_deref().and_then(domain_of) {
        Some(name) => domain::verified(&mut conn, name).await?.map(|found| found.organisation_id),
        None => None,
    };
    conn.release();
    if let Some(required) = required {
        let by_it = vouching.as_ref().is_some_and(|(provider, _)| *provider == required);
        return Ok(if by_it { Entry::Free(Box::new(session)) } else { Entry::Only(required) });
    }
    match vouching.and_then(|(_, owner)| owner) {
        Some(owner) if owner != organisation_id => {
            // Whoever owns the domain of an address could also have a new password mailed to it; nobody else's own
            // provider counts for other organisations, and nobody's says for them that there were two factors.
            if proven != Some(owner) {
                return Ok(Entry::Otherwise);
            }
            session.amr.retain(|method| method != "mfa");
            Ok(Entry::Free(Box::new(session)))
        }
        _ => Ok(Entry::Free(Box::new(session))),
    }
}

/// Whether a grant still fits what the organisation wants: people of a domain with a provider of its own signed in by that one.
pub async fn stays(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    email: Option<&str>,
    session_id: Uuid,
) -> Result<bool, Problem> {
    let Some(required) = required(conn, organisation_id, email).await? else { return Ok(true) };
    let vouching = federation::session_provider(conn, session_id).await?;
    Ok(vouching.is_some_and(|(provider, _)| provider == required))
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

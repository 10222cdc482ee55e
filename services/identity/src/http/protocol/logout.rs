//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0): ends the session in this browser.
use crate::domain::client::Client;
use crate::domain::request::Parameters;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::protocol::authorize::{HintClaims, hinted_claims};
use crate::http::session;
use crate::store::session::Session;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_web::Problem;
use minijinja::context;

pub async fn get(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    browser.answer(logout(&browser, query).await)
}

/// From a client, or from our own page that asks whether it is meant.
pub async fn post(mut browser: Browser, form: Form) -> Response {
    browser.speak(form.0.first("ui_locales"));
    let confirmed = form.0.first("confirmed").is_some();
    let result = if confirmed { confirm(&browser, &form).await } else { logout(&browser, form.0).await };
    browser.answer(result)
}

async fn logout(browser: &Browser, parameters: Parameters) -> PageResult {
    let hint = match parameters.first("id_token_hint") {
        Some(hint) => Some(hinted_claims(browser, hint).await?.ok_or(bad("bad_logout"))?),
        None => None,
    };
    let (client, target) = target(browser, &parameters, hint.as_ref()).await?.unzip();
    let session = browser.session().await?;
    match session {
        None => leave(browser, target),
        // The client shows with its ID token that it speaks of this person.
        Some(session) if hint.as_ref().is_some_and(|hint| hint.sub == session.account_id) => {
            end(browser, &session).await?;
            leave(browser, target)
        }
        Some(session) => {
            let values = context! {
                name => session.name.clone(), email => session.address(), target => target.clone(), client => client,
            };
            browser.page_for(StatusCode::OK, "sign_out.html", values, target.as_deref())
        }
    }
}

async fn confirm(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    if let Some(session) = browser.session().await? {
        end(browser, &session).await?;
    }
    // The page was given this address after it was checked, and anybody may write the form anew: check again.
    let client = match form.0.first("client") {
        Some(id) => browser.provider.client(id).await?,
        None => None,
    };
    let target = form.0.first("target").filter(|target| client.is_some_and(|client| is_registered(&client, target)));
    leave(browser, target.map(str::to_owned))
}

async fn end(browser: &Browser, current: &Session) -> Result<(), Problem> {
    let mut tx = session::begin(&browser.ctx, current.account_id).await?;
    session::end(&browser.ctx, &mut tx, current.id).await?;
    let event = Event {
        organisation_id: current.organisation_id,
        session_id: Some(current.id),
        ..Event::done(Action::SignOut, current.account_id)
    };
    note(browser.ctx.request(), &mut tx, event).await?;
    tx.commit(None).await?;
    browser.forget();
    Ok(())
}

fn leave(browser: &Browser, target: Option<String>) -> PageResult {
    match target {
        Some(target) => browser.redirect(&target),
        None => browser.page("signed_out.html", context! {}),
    }
}

/// Which client, and where to go afterwards: exactly as registered, with the client's `state`.
async fn target(
    browser: &Browser,
    parameters: &Parameters,
    hint: Option<&HintClaims>,
) -> Result<Option<(String, String)>, PageError> {
    let Some(uri) = parameters.first("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let named = parameters.first("client_id");
    let id = match (named, hint) {
        (Some(named), Some(hint)) if named != hint.aud => return Err(bad("bad_logout")),
        (Some(named), _) => named,
        (None, Some(hint)) => &hint.aud,
        (None, None) => return Err(bad("bad_logout")),
    };
    let client = browser.provider.client(id).await?.ok_or(bad("bad_client"))?;
    if !client.may_leave_to(uri) {
        return Err(bad("bad_redirect"));
    }
    let Some(state) = parameters.first("state") else {
        return Ok(Some((client.id.clone(), uri.to_owned())));
    };
    let glue = if uri.contains('?') { '&' } else { '?' };
    let target = format!("{uri}{glue}{}", Parameters::default().with("state", Some(state)).encode());
    Ok(Some((client.id.clone(), target)))
}

fn is_registered(client: &Client, target: &str) -> bool {
    let bare = target.split_once("?state=").or(target.split_once("&state=")).map_or(target, |(bare, _)| bare);
    client.may_leave_to(bare)
}

fn bad(key: &'static str) -> PageError {
    PageError::Page(StatusCode::BAD_REQUEST, key)
}

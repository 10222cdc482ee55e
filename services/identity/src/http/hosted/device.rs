//! `/device`: a person lets in a device that has no browser, by the code that it shows (RFC 8628 section 3.3).
use crate::domain::client::Client;
use crate::domain::consent::covers;
use crate::domain::device::{normalise, shown as as_shown};
use crate::domain::policy::Verdict;
use crate::domain::request::Parameters;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::federation::entry::{self, Entry, Visit};
use crate::http::hosted::consent::{about, groups, remember, shown};
use crate::http::hosted::fields::Errors;
use crate::http::membership::{self, Belonging};
use crate::http::mint::Proof;
use crate::http::policy;
use crate::http::protocol::authorize::{Granting, grant_of, wanted_by};
use crate::http::protocol::device::user_code_hashes;
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::http::throttle::Try;
use crate::store;
use crate::store::device::{self, Device};
use crate::store::grant;
use crate::store::session::Session;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_db::Tx;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;
use std::sync::Arc;

/// A device that waits, found by somebody who is signed in.
struct Found {
    session: Session,
    device: Device,
    client: Arc<Client>,
    /// As people read it.
    code: String,
}

pub async fn show(browser: Browser) -> Response {
    browser.answer(first(&browser).await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(entered(&browser, &form).await)
}

pub async fn decide(browser: Browser, form: Form) -> Response {
    browser.answer(decided(&browser, &form).await)
}

async fn first(browser: &Browser) -> PageResult {
    let query = Parameters::parse(browser.ctx.request().query());
    let code = query.first("user_code").and_then(normalise).map(|code| as_shown(&code));
    match browser.session().await? {
        Some(session) => {
            entry(browser, StatusCode::OK, &session, code.as_deref().unwrap_or_default(), &Errors::default())
        }
        None => sign_in_first(browser, code.as_deref()),
    }
}

/// Codes are guessed in somebody's name only, so that the guesses can be counted.
fn sign_in_first(browser: &Browser, code: Option<&str>) -> PageResult {
    let target = match code {
        Some(code) => format!("/device?{}", Parameters::default().with("user_code", Some(code)).encode()),
        None => "/device".to_owned(),
    };
    browser.redirect(&format!("/sign-in?{}", Parameters::default().with("continue", Some(&target)).encode()))
}

fn entry(browser: &Browser, status: StatusCode, session: &Session, code: &str, errors: &Errors) -> PageResult {
    let values = context! { address => session.address(), code => code, errors => errors.value() };
    browser.page_for(status, "device.html", values, None)
}

/// The device of this code, with the limits of guessing; or the page that says there is none.
async fn find(browser: &Browser, form: &Form) -> Result<Result<Found, Response>, PageError> {
    browser.check_form(form)?;
    let code = normalise(form.typed("user_code"));
    let Some(session) = browser.session().await? else {
        return sign_in_first(browser, code.map(|code| as_shown(&code)).as_deref()).map(Err);
    };
    let (ctx, provider) = (&browser.ctx, &browser.provider);
    let key = format!("device/{}", session.account_id);
    provider.throttle.address(Try::Secret, ctx.request().client_ip)?;
    provider.throttle.account(&key, ctx.now())?;
    let found = match &code {
        Some(code) => {
            let mut conn = ctx.read().await?;
            let found = device::waiting(&mut conn, &user_code_hashes(provider, code), ctx.now()).await?;
            conn.release();
            found
        }
        None => None,
    };
    let client = match &found {
        Some(device) => provider.client(&device.client_id).await?,
        None => None,
    };
    if let (Some(device), Some(client), Some(code)) = (found, client, code) {
        provider.throttle.succeeded(&key);
        return Ok(Ok(Found { session, device, client, code: as_shown(&code) }));
    }
    let mut errors = Errors::default();
    errors.add(browser, "user_code", "device_code_wrong");
    entry(browser, StatusCode::UNPROCESSABLE_ENTITY, &session, form.typed("user_code"), &errors).map(Err)
}

async fn entered(browser: &Browser, form: &Form) -> PageResult {
    let found = match find(browser, form).await? {
        Ok(found) => found,
        Err(page) => return Ok(page),
    };
    let mut belongings = membership::of(&browser.ctx, found.session.account_id).await?;
    belongings.retain(|belonging| found.client.serves(belonging.tenant.id.0));
    let chosen = match (belongings.as_slice(), form.typed("organisation")) {
        ([], _) => return Err(PageError::Page(StatusCode::FORBIDDEN, "device_nowhere")),
        ([only], "") => Some(only),
        (several, hint) => membership::named(several, hint),
    };
    match chosen {
        Some(belonging) => confirm(browser, found, belonging).await,
        None => choose(browser, &found, &belongings),
    }
}

fn choose(browser: &Browser, found: &Found, belongings: &[Belonging]) -> PageResult {
    let cards: Vec<Value> = belongings
        .iter()
        .map(|belonging| context! { id => belonging.tenant.id.to_string(), name => belonging.tenant.name.clone() })
        .collect();
    let values = context! { code => found.code.clone(), client => found.client.name.clone(), organisations => cards };
    browser.page("device_organisation.html", values)
}

async fn confirm(browser: &Browser, found: Found, belonging: &Belonging) -> PageResult {
    let address = found.client.redirect_uris.first().map_or("", String::as_str);
    let about = about(browser, &found.client, address).await?;
    let (code, client) = (found.code.clone(), found.client.clone());
    let (granting, _) = granting(browser, found, belonging);
    let values = context! {
        code => code,
        client => client.name.clone(),
        about => about,
        organisation => belonging.tenant.name.clone(),
        organisation_id => belonging.tenant.id.to_string(),
        address => granting.session.address(),
        groups => groups(browser, &granting.wanted),
        scopes => granting.wanted.join(" "),
    };
    browser.page("device_confirm.html", values)
}

fn granting(browser: &Browser, found: Found, belonging: &Belonging) -> (Granting, Device) {
    let Found { session, device, client, .. } = found;
    let standing = Standing::Member(belonging.clone());
    let wanted = wanted_by(browser, &client, &device.scope, &session, &standing);
    (Granting { session, standing, wanted }, device)
}

async fn decided(browser: &Browser, form: &Form) -> PageResult {
    let found = match find(browser, form).await? {
        Ok(found) => found,
        Err(page) => return Ok(page),
    };
    let (ctx, client, account_id) = (&browser.ctx, found.client.clone(), found.session.account_id);
    let too_late = || PageError::Page(StatusCode::CONFLICT, "device_too_late");
    let mut tx = begin(ctx, account_id).await?;
    if form.typed("decision") != "allow" {
        if !device::decide(&mut tx, &found.device.hash, None, ctx.now()).await? {
            return Err(too_late());
        }
        audit(&mut tx, "deny", "identity.device", None, json!({"client_id": client.id}));
        tx.commit(None).await.map_err(Problem::from)?;
        return done(browser, &client, "device_denied");
    }
    let mut belongings = membership::of(ctx, account_id).await?;
    belongings.retain(|belonging| client.serves(belonging.tenant.id.0));
    let belonging = membership::named(&belongings, form.typed("organisation"));
    let belonging = belonging.ok_or(PageError::Page(StatusCode::FORBIDDEN, "device_nowhere"))?;
    let mut found = found;
    admit(browser, &mut tx, &mut found.session, belonging).await?;
    let (granting, device) = granting(browser, found, belonging);
    if !covers(&shown(form), &granting.wanted) {
        return Err(PageError::Page(StatusCode::CONFLICT, "device_too_late"));
    }
    let new = grant_of(browser, &client, &device.scope, &granting);
    grant::insert(&mut tx, &new, ctx.now()).await?;
    if !device::decide(&mut tx, &device.hash, Some(new.id), ctx.now()).await? {
        return Err(too_late());
    }
    if client.consent {
        remember(browser, &mut tx, &client, &granting).await?;
    }
    let what = json!({"client_id": client.id, "organisation_id": new.organisation_id, "scope": new.scope});
    audit(&mut tx, "allow", "identity.device", Some(new.id), what);
    tx.commit(None).await.map_err(Problem::from)?;
    done(browser, &client, "device_allowed")
}

/// The organisation's door and rules, for the person who stands before the device.
async fn admit(browser: &Browser, tx: &mut Tx, session: &mut Session, belonging: &Belonging) -> Result<(), PageError> {
    let refused = || PageError::Page(StatusCode::FORBIDDEN, "device_nowhere");
    let visit =
        Visit { belonging, session_id: session.id, email: session.email.as_deref(), proven_at: session.auth_time };
    if !matches!(entry::enter(tx, &visit, &mut session.amr).await?, Entry::Free) {
        return Err(refused());
    }
    let last_use = store::policy::last_use(tx, session.id, belonging.tenant.id.0).await?;
    let visit = policy::Entry { proof: &Proof::of(session), last_use, client: None };
    match policy::admit(&browser.ctx, tx, belonging, &visit).await? {
        Verdict::Admit => Ok(()),
        _ => Err(refused()),
    }
}

fn done(browser: &Browser, client: &Client, key: &str) -> PageResult {
    let values = context! {
        title => browser.text(&format!("{key}_title")),
        body => browser.text(&format!("{key}_text")).replace("{client}", &client.name),
    };
    browser.page("message.html", values)
}

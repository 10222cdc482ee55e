//! `/sign-in`: address and password become a session.
use crate::domain::account::normalise_email;
use crate::domain::request::Parameters;
use crate::http::arrival::arrive;
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::event::{Action, Event, note, note_lock_out};
use crate::http::federation::entry::{self, start_path};
use crate::http::hosted::branding::dress_for;
use crate::http::hosted::fields::{Errors, typed};
use crate::http::passwords::Verdict;
use crate::http::protocol::authorize::destination_of;
use crate::http::protocol::pushed::Journey;
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::account::{self, Account};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;

/// What a check of address and password says.
pub enum Checked {
    Right(Box<Account>),
    Wrong,
}

pub async fn show(browser: Browser) -> Response {
    browser.answer(first(&browser).await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(sign_in(&browser, &form).await)
}

async fn first(browser: &Browser) -> PageResult {
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    dress_for(browser, &target).await?;
    let session = browser.session().await?;
    if target == "/" && session.is_some() {
        return browser.redirect("/");
    }
    let journey = Journey::of(browser, parameters_of(&target)).await.ok();
    let hint = journey.and_then(|journey| journey.parameters.first("login_hint").map(str::to_owned));
    let email = hint.or(session.and_then(|session| session.email)).unwrap_or_default();
    let values = context! { typed => context! { email => email }, reset_done => query.first("reset").is_some() };
    page(browser, StatusCode::OK, &target, values, &Errors::default()).await
}

async fn sign_in(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    dress_for(browser, &target).await?;
    let mut errors = Errors::default();
    let email = normalise_email(form.typed("email"));
    if email.is_none() {
        errors.add(browser, "email", "email_malformed");
    }
    if let Some(email) = &email
        && let Some(key) = entry::home_realm(browser, email).await?
    {
        return entry::lead_on(browser, &key, email, &target).await;
    }
    if form.secret("password").is_empty() {
        errors.add(browser, "password", "password_missing");
    }
    let again = async |errors: &Errors| {
        let values = context! { typed => typed(form, &["email"]) };
        page(browser, StatusCode::UNPROCESSABLE_ENTITY, &target, values, errors).await
    };
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return again(&errors).await;
    };
    match check_password(browser, &email, form.secret("password")).await? {
        Checked::Right(account) => arrive(browser, &account, &["pwd"], &target).await,
        Checked::Wrong => {
            errors.add(browser, "password", "sign_in_wrong");
            again(&errors).await
        }
    }
}

/// The page again, because another way to sign in did not work.
pub async fn refused(browser: &Browser, target: &str, text: &str) -> PageResult {
    let values = context! { typed => context! { email => "" }, notice => browser.text(text) };
    page(browser, StatusCode::UNPROCESSABLE_ENTITY, target, values, &Errors::default()).await
}

/// Checks address and password with all limits. Takes the same time for unknown accounts, and says nothing of them.
pub async fn check_password(browser: &Browser, email: &str, password: &str) -> Result<Checked, PageError> {
    let (ctx, provider): (_, &Provider) = (&browser.ctx, &browser.provider);
    let key = browser.attempt_key(email);
    provider.throttle.address(Try::Secret, ctx.request().client_ip)?;
    if let Err(wait) = provider.throttle.account(&key, ctx.now()) {
        note_lock_out(ctx, provider, &key, email).await?;
        return Err(wait.into());
    }
    let mut conn = ctx.read().await?;
    let account = account::find_by_email(&mut conn, email).await?;
    conn.release();
    let stored = account.as_ref().and_then(|account| account.password_hash.as_deref());
    let verdict = provider.passwords.check(password, stored).await?;
    let known = account.as_ref().map(|account| account.id);
    let account = account.filter(|account| verdict != Verdict::Wrong && account.disabled_at.is_none());
    let Some(account) = account else {
        let mut tx = begin(ctx, "anonymous").await?;
        audit(&mut tx, "sign_in_refused", "identity.account", None, json!({"email": email}));
        note(ctx.request(), &mut tx, Event::refused(Action::SignIn, known)).await?;
        tx.commit(None).await.map_err(Problem::from)?;
        return Ok(Checked::Wrong);
    };
    if let (Verdict::RightRehashed(hash), Some(old)) = (verdict, &account.password_hash) {
        let mut conn = ctx.read().await?;
        account::rehash(&mut conn, account.id, old, &hash).await?;
        conn.release();
    }
    provider.throttle.succeeded(&key);
    Ok(Checked::Right(Box::new(account)))
}

/// The authorization request that a person is on the way to, if that is where they go.
pub fn parameters_of(target: &str) -> Parameters {
    Parameters::parse(target.strip_prefix("/oauth/authorize?").unwrap_or_default())
}

/// Where the form ends in the end, when that is another origin.
pub async fn leads_to(browser: &Browser, target: &str) -> Result<Option<String>, Problem> {
    let journey = match Journey::of(browser, parameters_of(target)).await {
        Ok(journey) => journey,
        Err(PageError::Problem(problem)) => return Err(*problem),
        Err(_) => return Ok(None),
    };
    Ok(destination_of(browser, &journey).await.ok().map(|found| found.redirect_uri))
}

async fn page(browser: &Browser, status: StatusCode, target: &str, values: Value, errors: &Errors) -> PageResult {
    let organisation = parameters_of(target).first("organization").map(str::to_owned);
    let offered = browser.provider.federation.offered(&browser.ctx, organisation.as_deref()).await?;
    let button = |(key, label): &(String, String)| context! { label => label, href => start_path(key, target, None) };
    let providers: Vec<Value> = offered.iter().map(button).collect();
    let phone = browser.provider.texts.is_some();
    let values =
        context! { target => target, phone => phone, errors => errors.value(), providers => providers, ..values };
    let leads_to = leads_to(browser, target).await?;
    browser.with_script(browser.page_for(status, "sign_in.html", values, leads_to.as_deref()))
}

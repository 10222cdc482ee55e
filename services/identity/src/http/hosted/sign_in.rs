//! `/sign-in`: address and password become a session.
use crate::domain::account::normalise_email;
use crate::domain::request::{Parameters, destination};
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::hosted::fields::{Errors, typed};
use crate::http::passwords::Verdict;
use crate::http::session::{self, audit, begin};
use crate::http::throttle::Try;
use crate::http::{provider::Provider, sign_up};
use crate::store::account::{self, Account};
use crate::store::organisation;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::TenantId;
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
    let session = browser.session().await?;
    if target == "/" && session.is_some() {
        return browser.redirect("/");
    }
    let hint = parameters_of(&target).first("login_hint").map(str::to_owned);
    let email = hint.or(session.map(|session| session.email)).unwrap_or_default();
    let values = context! { typed => context! { email => email }, reset_done => query.first("reset").is_some() };
    page(browser, StatusCode::OK, &target, values, &Errors::default())
}

async fn sign_in(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    let mut errors = Errors::default();
    let email = normalise_email(form.typed("email"));
    if email.is_none() {
        errors.add(browser, "email", "email_malformed");
    }
    if form.secret("password").is_empty() {
        errors.add(browser, "password", "password_missing");
    }
    let again = |errors: &Errors| {
        let values = context! { typed => typed(form, &["email"]) };
        page(browser, StatusCode::UNPROCESSABLE_ENTITY, &target, values, errors)
    };
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return again(&errors);
    };
    match check_password(browser, &email, form.secret("password")).await? {
        Checked::Right(account) => {
            let earlier = browser.session().await?;
            let mut tx = begin(&browser.ctx, account.id).await?;
            audit(&mut tx, "sign_in", "identity.account", Some(account.id), json!(null));
            let kept = earlier.as_ref().filter(|earlier| earlier.account_id == account.id);
            let chosen = kept.and_then(|earlier| earlier.organisation_id);
            let token = session::open(&browser.ctx, &mut tx, account.id, chosen, earlier.as_ref()).await?;
            tx.commit(None).await.map_err(Problem::from)?;
            browser.remember(&token, &account.email);
            finish_sign_ups(browser, &account).await;
            browser.redirect(&target)
        }
        Checked::Wrong => {
            errors.add(browser, "password", "sign_in_wrong");
            again(&errors)
        }
    }
}

/// Checks address and password with all limits. Takes the same time for unknown accounts, and says nothing of them.
pub async fn check_password(browser: &Browser, email: &str, password: &str) -> Result<Checked, PageError> {
    let (ctx, provider): (_, &Provider) = (&browser.ctx, &browser.provider);
    let key = browser.attempt_key(email);
    provider.throttle.address(Try::Secret, ctx.request().client_ip)?;
    provider.throttle.account(&key, ctx.now())?;
    let mut conn = ctx.read().await?;
    let account = account::find_by_email(&mut conn, email).await?;
    conn.release();
    let stored = account.as_ref().map(|account| account.password_hash.as_str());
    let verdict = provider.passwords.check(password, stored).await?;
    let account = account.filter(|account| verdict != Verdict::Wrong && account.disabled_at.is_none());
    let Some(account) = account else {
        let mut tx = begin(ctx, "anonymous").await?;
        audit(&mut tx, "sign_in_refused", "identity.account", None, json!({"email": email}));
        tx.commit(None).await.map_err(Problem::from)?;
        return Ok(Checked::Wrong);
    };
    if let Verdict::RightRehashed(hash) = verdict {
        let mut conn = ctx.read().await?;
        account::rehash(&mut conn, account.id, &account.password_hash, &hash).await?;
        conn.release();
    }
    provider.throttle.succeeded(&key);
    Ok(Checked::Right(Box::new(account)))
}

/// Finishes what a crash cut short between the account and its organisation; the next sign-in tries again.
async fn finish_sign_ups(browser: &Browser, account: &Account) {
    let work = async {
        let mut conn = browser.ctx.read().await?;
        let open = organisation::memberships(&mut conn, account.id).await?;
        conn.release();
        for membership in open.iter().filter(|membership| !membership.ready).take(3) {
            sign_up::finish(&browser.ctx, account, TenantId(membership.organisation_id)).await?;
        }
        Ok::<_, Problem>(())
    };
    if let Err(problem) = work.await {
        tracing::warn!(?problem, "an unfinished sign-up could not be finished; the next sign-in tries again");
    }
}

/// The authorization request that a person is on the way to, if that is where they go.
pub fn parameters_of(target: &str) -> Parameters {
    Parameters::parse(target.strip_prefix("/oauth/authorize?").unwrap_or_default())
}

/// Where the form ends in the end, when that is another origin.
pub fn leads_to(browser: &Browser, target: &str) -> Option<String> {
    destination(&parameters_of(target), &browser.provider.clients).ok().map(|found| found.redirect_uri)
}

fn page(browser: &Browser, status: StatusCode, target: &str, values: Value, errors: &Errors) -> PageResult {
    let values = context! { target => target, errors => errors.value(), ..values };
    browser.page_for(status, "sign_in.html", values, leads_to(browser, target).as_deref())
}

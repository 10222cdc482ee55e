//! `/forgot-password` and `/reset-password/{token}`: a new password by a link that is mailed.
use crate::domain::account::{judge_password, normalise_email};
use crate::domain::link::{self, LinkKind};
use crate::http::arrival::arrive;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::hosted::fields::{Errors, typed};
use crate::http::notices::tell;
use crate::http::session::{self, audit, begin};
use crate::http::throttle::Try;
use crate::store::profile;
use crate::store::reset::{self, Reset};
use crate::store::{account, pending};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use hitaji_contracts::identity::PasswordResetRequested;
use hitaji_core::new_id;
use hitaji_web::Problem;
use minijinja::context;
use serde_json::json;

const LIFETIME: TimeDelta = TimeDelta::minutes(30);

pub async fn show(browser: Browser) -> Response {
    browser.answer(browser.page("forgot_password.html", context! {}))
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(request(&browser, &form).await)
}

/// The answer is the same whether there is such an account or not; the mail alone tells.
async fn request(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    browser.provider.throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    let Some(email) = normalise_email(form.typed("email")) else {
        let mut errors = Errors::default();
        errors.add(browser, "email", "email_malformed");
        let values = context! { typed => typed(form, &["email"]), errors => errors.value() };
        return browser.page_for(StatusCode::UNPROCESSABLE_ENTITY, "forgot_password.html", values, None);
    };
    browser.provider.throttle.send(&email, browser.ctx.request().client_ip)?;
    let mut conn = browser.ctx.read().await?;
    let account = account::find_by_email(&mut conn, &email).await?.filter(|account| account.disabled_at.is_none());
    conn.release();
    let now = browser.ctx.now();
    let actor = account.as_ref().map_or_else(|| "anonymous".to_owned(), |account| account.id.to_string());
    let mut tx = begin(&browser.ctx, actor).await?;
    if let Some(account) = &account {
        let id = new_id();
        reset::insert(&mut tx, id, account.id, browser.locale, now, now + LIFETIME).await?;
        tx.emit(id, &PasswordResetRequested { reset_id: id });
    }
    let known = account.as_ref().map(|account| account.id);
    audit(&mut tx, "ask_password_reset", "identity.account", known, json!({"email": email}));
    let event = Event { refused: known.is_none(), ..Event::refused(Action::PasswordResetRequest, known) };
    note(browser.ctx.request(), &mut tx, event).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    browser.page("reset_sent.html", context! { email => email })
}

pub async fn show_reset(browser: Browser, Path(token): Path<String>) -> Response {
    let shown = async {
        let reset = open(&browser, &token).await?;
        browser.page("reset_password.html", context! { email => reset.email })
    };
    browser.answer(shown.await)
}

pub async fn submit_reset(browser: Browser, Path(token): Path<String>, form: Form) -> Response {
    browser.answer(set(&browser, &token, &form).await)
}

async fn open(browser: &Browser, token: &str) -> Result<Reset, PageError> {
    let gone = || PageError::Page(StatusCode::GONE, "reset_gone");
    // Nobody guesses 256 bits, so looking is not counted; a whole staff may come from one address at once.
    let (id, _) = link::open(&browser.provider.master, LinkKind::PasswordReset, token).ok_or_else(gone)?;
    let mut conn = browser.ctx.read().await?;
    let found = reset::find(&mut conn, id).await?;
    conn.release();
    found.filter(|reset| reset.used_at.is_none() && reset.expires_at > browser.ctx.now()).ok_or_else(gone)
}

async fn set(browser: &Browser, token: &str, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let reset = open(browser, token).await?;
    let password = form.secret("password");
    if let Err(problem) = judge_password(password, &[&reset.name, &reset.email, "hitaji"]) {
        let mut errors = Errors::default();
        errors.add(browser, "password", problem.advice);
        let values = context! { email => reset.email, errors => errors.value() };
        return browser.page_for(StatusCode::UNPROCESSABLE_ENTITY, "reset_password.html", values, None);
    }
    let hash = browser.provider.passwords.hash(password).await?;
    let (ctx, now) = (&browser.ctx, browser.ctx.now());
    let mut tx = begin(ctx, reset.account_id).await?;
    if !reset::use_up(&mut tx, reset.id, now).await? {
        return Err(PageError::Page(StatusCode::GONE, "reset_gone"));
    }
    let before = account::find(&mut tx, reset.account_id).await?;
    if before.is_some_and(|account| account.email_verified_at.is_none()) {
        profile::forget_unproven(&mut tx, reset.account_id).await?;
    }
    profile::withdraw_links(&mut tx, reset.account_id, now).await?;
    account::set_password(&mut tx, reset.account_id, &hash, now).await?;
    account::verify_email(&mut tx, reset.account_id, now).await?;
    session::end_all(ctx, &mut tx, reset.account_id).await?;
    audit(&mut tx, "reset_password", "identity.account", Some(reset.account_id), json!(null));
    note(ctx.request(), &mut tx, Event::done(Action::PasswordReset, reset.account_id)).await?;
    pending::drop_all(&mut tx, reset.account_id).await?;
    let found = account::find(&mut tx, reset.account_id).await?;
    let account = found.ok_or(PageError::Page(StatusCode::GONE, "reset_gone"))?;
    tell(ctx, &mut tx, &account, "password");
    tx.commit(None).await.map_err(Problem::from)?;
    browser.provider.throttle.succeeded(&browser.attempt_key(&reset.email));
    // The mailbox was proven, and the password is known: it was chosen just now.
    arrive(browser, &account, &["pwd", "email"], "/").await
}

//! Another e-mail address, and the links that prove one.
use super::overview::{announce, page};
use super::{Admitted, Person, done, proven, signed_in};
use crate::domain::account::normalise_email;
use crate::domain::link::{self, LinkKind};
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::hosted::fields::Errors;
use crate::http::notices::{ask_proof, tell};
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::email_proof::{self, EmailProof};
use crate::store::{account, profile};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_web::Problem;
use minijinja::context;
use serde_json::json;

pub async fn change(browser: Browser, form: Form) -> Response {
    browser.answer(ask_change(&browser, &form).await)
}

/// The new address counts from the moment when its link is opened. Whether another account has it, only that mailbox learns.
async fn ask_change(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let person = match proven(browser, "/account").await? {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    let Some(email) = normalise_email(form.typed("email")) else {
        let mut errors = Errors::default();
        errors.add(browser, "email", "email_malformed");
        let values = context! { new_email => form.typed("email") };
        return page(browser, StatusCode::UNPROCESSABLE_ENTITY, &person, values, &errors);
    };
    mail(browser, &person, &email).await
}

pub async fn again(browser: Browser, form: Form) -> Response {
    let asked = async {
        browser.check_form(&form)?;
        match signed_in(&browser, "/account").await? {
            Admitted::Person(person) => {
                let email = person.account.email.clone().unwrap_or_default();
                mail(&browser, &person, &email).await
            }
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(asked.await)
}

async fn mail(browser: &Browser, person: &Person, email: &str) -> PageResult {
    let throttle = &browser.provider.throttle;
    throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    throttle.account(&format!("{}/proof", person.account.id), browser.ctx.now())?;
    let mut tx = begin(&browser.ctx, person.account.id).await?;
    ask_proof(&browser.ctx, &mut tx, &person.account, email).await?;
    audit(&mut tx, "ask_email_proof", "identity.account", Some(person.account.id), json!({"email": email}));
    tx.commit(None).await.map_err(Problem::from)?;
    done(browser, "/account", "mailed")
}

pub async fn show(browser: Browser, Path(token): Path<String>) -> Response {
    let shown = async {
        let proof = open(&browser, &token).await?;
        browser.page("verify_email.html", context! { email => proof.email })
    };
    browser.answer(shown.await)
}

pub async fn submit(browser: Browser, Path(token): Path<String>, form: Form) -> Response {
    browser.answer(take(&browser, &token, &form).await)
}

async fn open(browser: &Browser, token: &str) -> Result<EmailProof, PageError> {
    let gone = || PageError::Page(StatusCode::GONE, "proof_gone");
    let (id, _) = link::open(&browser.provider.master, LinkKind::EmailProof, token).ok_or_else(gone)?;
    let mut conn = browser.ctx.read().await?;
    let found = email_proof::find(&mut conn, id).await?;
    conn.release();
    found.filter(|proof| proof.used_at.is_none() && proof.expires_at > browser.ctx.now()).ok_or_else(gone)
}

async fn take(browser: &Browser, token: &str, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let proof = open(browser, token).await?;
    let gone = || PageError::Page(StatusCode::GONE, "proof_gone");
    let mut tx = begin(&browser.ctx, proof.account_id).await?;
    let account = account::find(&mut tx, proof.account_id).await?.ok_or_else(gone)?;
    if !email_proof::use_up(&mut tx, proof.id, browser.ctx.now()).await? {
        return Err(gone());
    }
    let changed = account.email.as_deref() != Some(&proof.email);
    if !profile::set_email(&mut tx, account.id, &proof.email, browser.ctx.now()).await? {
        return Err(PageError::Page(StatusCode::CONFLICT, "email_taken"));
    }
    profile::withdraw_links(&mut tx, account.id, browser.ctx.now()).await?;
    audit(&mut tx, "verify_email", "identity.account", Some(account.id), json!({"email": proof.email}));
    if changed {
        // To the address that it was.
        tell(&browser.ctx, &mut tx, &account, "email");
        announce(&mut tx, &account, &account.name, Some(&proof.email)).await?;
    }
    tx.commit(None).await.map_err(Problem::from)?;
    done(browser, "/account", "verified")
}

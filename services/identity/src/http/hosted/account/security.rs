//! `/account/security`: password, authenticator app, passkeys, recovery codes.
use super::{Admitted, Person, done, proven, signed_in, way_back};
use crate::domain::account::judge_password;
use crate::domain::factor::Handed;
use crate::domain::request::Parameters;
use crate::http::arrival::raise;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::hosted::fields::Errors;
use crate::http::hosted::sign_in::{Checked, check_password};
use crate::http::notices::tell;
use crate::http::session::{self, audit, begin};
use crate::http::{factors, passkeys};
use crate::store::passkey;
use crate::store::{account, pending, profile};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;
use uuid::Uuid;

const PAGE: &str = "/account/security";
const APP: &str = "/account/app";

pub async fn show(browser: Browser) -> Response {
    let shown = async {
        let back = way_back(Parameters::parse(browser.ctx.request().query()).first("continue"));
        match signed_in(&browser, PAGE).await? {
            Admitted::Person(person) => page(&browser, StatusCode::OK, &person, back, &Errors::default()).await,
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(shown.await)
}

async fn page(
    browser: &Browser,
    status: StatusCode,
    person: &Person,
    back: Option<String>,
    errors: &Errors,
) -> PageResult {
    let mut conn = browser.ctx.read().await?;
    let keys = passkey::of(&mut conn, person.account.id).await?;
    conn.release();
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            context! {
                id => key.id.to_string(),
                name => key.name.clone(),
                added => key.created_at.format("%Y-%m-%d").to_string(),
                used => key.used_at.map(|at| at.format("%Y-%m-%d").to_string()),
                suspect => key.suspect_at.is_some(),
            }
        })
        .collect();
    let query = Parameters::parse(browser.ctx.request().query());
    let known = ["password_set", "app_removed", "passkey_added", "passkey_removed"];
    let said = known.into_iter().find(|known| query.first("done") == Some(known));
    let values = context! {
        here => "security",
        address => person.account.address(),
        has_password => person.account.password_hash.is_some(),
        app => person.factors.totp,
        any => person.factors.any(),
        codes_left => person.factors.recovery_codes,
        keys => keys,
        app_page => format!("{APP}?{}", Parameters::default().with("continue", back.as_deref()).encode()),
        back => back,
        said => said.map(|said| browser.text(&format!("account_{said}"))),
        errors => errors.value(),
    };
    browser.with_script(browser.page_for(status, "account_security.html", values, None))
}

pub async fn set_password(browser: Browser, form: Form) -> Response {
    browser.answer(password(&browser, &form).await)
}

/// The old password is asked for itself; who has a second factor has proven that lately too.
async fn password(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let admitted = match signed_in(browser, PAGE).await? {
        Admitted::Person(person) if !person.factors.any() && person.account.password_hash.is_some() => {
            Admitted::Person(person)
        }
        _ => proven(browser, PAGE).await?,
    };
    let person = match admitted {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    let (account, mut errors) = (&person.account, Errors::default());
    let new = form.secret("password");
    if account.password_hash.is_some() {
        let checked = check_password(browser, account.address(), form.secret("old_password")).await?;
        if !matches!(checked, Checked::Right(found) if found.id == account.id) {
            errors.add(browser, "old_password", "password_wrong");
        }
    }
    if let Err(problem) = judge_password(new, &[&account.name, account.address(), "hitaji"]) {
        errors.add(browser, "password", problem.advice);
    }
    if !errors.is_empty() {
        return page(browser, StatusCode::UNPROCESSABLE_ENTITY, &person, None, &errors).await;
    }
    let hash = browser.provider.passwords.hash(new).await?;
    let mut tx = begin(&browser.ctx, account.id).await?;
    account::set_password(&mut tx, account.id, &hash, browser.ctx.now()).await?;
    profile::withdraw_links(&mut tx, account.id, browser.ctx.now()).await?;
    pending::drop_all(&mut tx, account.id).await?;
    session::end_others(&browser.ctx, &mut tx, account.id, person.session.id).await?;
    audit(&mut tx, "set_password", "identity.account", Some(account.id), json!(null));
    tell(&browser.ctx, &mut tx, account, "password");
    tx.commit(None).await.map_err(Problem::from)?;
    raise(browser, &person.session, &["pwd"]).await?;
    done(browser, PAGE, "password_set")
}

pub async fn show_app(browser: Browser) -> Response {
    let shown = async {
        let person = match proven(&browser, APP).await? {
            Admitted::Person(person) => person,
            Admitted::First(response) => return Ok(response),
        };
        if person.factors.totp {
            return browser.redirect(PAGE);
        }
        let back = way_back(Parameters::parse(browser.ctx.request().query()).first("continue"));
        let handed = factors::offer_app(&browser, &person.account).await?;
        app_page(&browser, StatusCode::OK, &handed, back, &Errors::default())
    };
    browser.answer(shown.await)
}

fn app_page(
    browser: &Browser,
    status: StatusCode,
    handed: &Handed,
    back: Option<String>,
    errors: &Errors,
) -> PageResult {
    let values = context! {
        here => "security",
        // Drawn by us from our own text: it needs no escaping.
        picture => Value::from_safe_string(handed.svg.clone()),
        secret => handed.text.clone(),
        back => back,
        errors => errors.value(),
    };
    browser.page_for(status, "account_app.html", values, None)
}

pub async fn confirm_app(browser: Browser, form: Form) -> Response {
    browser.answer(confirm(&browser, &form).await)
}

async fn confirm(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let person = match proven(browser, APP).await? {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    let back = way_back(form.0.first("continue"));
    let Some(codes) = factors::confirm_app(browser, &person.account, form.typed("code")).await? else {
        let Some(handed) = factors::offered_app(browser, &person.account).await? else {
            return browser.redirect(PAGE);
        };
        let mut errors = Errors::default();
        errors.add(browser, "code", "code_wrong");
        return app_page(browser, StatusCode::UNPROCESSABLE_ENTITY, &handed, back, &errors);
    };
    raise(browser, &person.session, &["otp"]).await?;
    codes_page(browser, &codes, back)
}

/// The recovery codes, this once. Without new ones back to the list.
fn codes_page(browser: &Browser, codes: &[String], back: Option<String>) -> PageResult {
    if codes.is_empty() {
        return browser.redirect(back.as_deref().unwrap_or(PAGE));
    }
    let values = context! { here => "security", codes => codes.to_vec(), back => back };
    browser.page("account_codes.html", values)
}

/// Somebody proven, with a form of ours.
async fn changing(browser: &Browser, form: &Form) -> Result<Admitted, PageError> {
    browser.check_form(form)?;
    proven(browser, PAGE).await
}

pub async fn remove_app(browser: Browser, form: Form) -> Response {
    let removed = async {
        match changing(&browser, &form).await? {
            Admitted::Person(person) => {
                factors::remove_app(&browser, &person.account).await?;
                done(&browser, PAGE, "app_removed")
            }
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(removed.await)
}

pub async fn renew_codes(browser: Browser, form: Form) -> Response {
    let renewed = async {
        match changing(&browser, &form).await? {
            Admitted::Person(person) if person.factors.any() => {
                let codes = factors::renew_codes(&browser, &person.account).await?;
                codes_page(&browser, &codes, None)
            }
            Admitted::Person(_) => browser.redirect(PAGE),
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(renewed.await)
}

pub async fn add_passkey(browser: Browser, form: Form) -> Response {
    browser.answer(add_key(&browser, &form).await)
}

async fn add_key(browser: &Browser, form: &Form) -> PageResult {
    let person = match changing(browser, form).await? {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    let name: String = form.typed("name").chars().filter(|c| !c.is_control()).take(60).collect();
    let name = if name.is_empty() { browser.text("passkey").to_owned() } else { name };
    let (ceremony, answer) = (form.typed("ceremony"), form.secret("credential"));
    let back = way_back(form.0.first("continue"));
    match passkeys::add(browser, &person.account, &name, ceremony, answer).await? {
        Some(codes) if !codes.is_empty() => codes_page(browser, &codes, back),
        Some(_) => done(browser, PAGE, "passkey_added"),
        None => {
            let mut errors = Errors::default();
            errors.add(browser, "passkey", "passkey_not_added");
            page(browser, StatusCode::UNPROCESSABLE_ENTITY, &person, back, &errors).await
        }
    }
}

pub async fn remove_passkey(browser: Browser, form: Form) -> Response {
    let removed = async {
        match changing(&browser, &form).await? {
            Admitted::Person(person) => {
                if let Ok(id) = Uuid::parse_str(form.typed("id")) {
                    passkeys::remove(&browser, &person.account, id).await?;
                }
                done(&browser, PAGE, "passkey_removed")
            }
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(removed.await)
}

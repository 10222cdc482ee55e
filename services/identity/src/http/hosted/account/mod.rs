//! `/account`: what people see and change of their own account.
mod data;
mod devices;
mod email;
mod overview;
mod security;

use crate::domain::request::Parameters;
use crate::http::browser::{Browser, PageError, PageResult, continue_to};
use crate::http::factors;
use crate::store::account::{self, Account};
use crate::store::factor::Factors;
use crate::store::session::Session;
use axum::response::Response;
use hitaji_web::{Access, Problem, Route};

const PAGE: Access = Access::Public("the page itself asks people to sign in");

/// Whose account it is.
pub struct Person {
    pub session: Session,
    pub account: Account,
    pub factors: Factors,
}

/// Who is signed in here, if anybody.
pub async fn person(browser: &Browser) -> Result<Option<Person>, Problem> {
    let Some(session) = browser.session().await? else { return Ok(None) };
    let mut conn = browser.ctx.read().await?;
    let account = account::find(&mut conn, session.account_id).await?;
    conn.release();
    let factors = factors::of(&browser.ctx, session.account_id).await?;
    Ok(account.map(|account| Person { session, account, factors }))
}

/// The person, or where they must go first.
pub enum Admitted {
    Person(Box<Person>),
    First(Response),
}

/// Anybody who is signed in; else to the sign-in, and back to `page`.
async fn signed_in(browser: &Browser, page: &str) -> Result<Admitted, PageError> {
    match person(browser).await? {
        Some(person) => Ok(Admitted::Person(Box::new(person))),
        None => Ok(Admitted::First(browser.redirect(&first("/sign-in", None, page))?)),
    }
}

/// Somebody who proved who they are just now, with two factors where they have two; else to prove it, and back to `page`.
pub async fn proven(browser: &Browser, page: &str) -> Result<Admitted, PageError> {
    let person = match signed_in(browser, page).await? {
        Admitted::Person(person) => person,
        first @ Admitted::First(_) => return Ok(first),
    };
    let Some(level) = factors::lacking(&person.session, person.factors, browser.ctx.now()) else {
        return Ok(Admitted::Person(person));
    };
    // Who has neither a factor nor a password proves it by signing in, in whatever way they do.
    let can = person.factors.any() || person.account.password_hash.is_some();
    let to = if can {
        first("/sign-in/factor", Some(level), page)
    } else if person.session.own_provider {
        // Only the address itself can prove it then: by a new password.
        "/forgot-password".to_owned()
    } else {
        first("/sign-in", None, page)
    };
    Ok(Admitted::First(browser.redirect(&to)?))
}

fn first(path: &str, level: Option<&str>, back: &str) -> String {
    format!("{path}?{}", Parameters::default().with("level", level).with("continue", Some(back)).encode())
}

/// Where the person wanted to be before they came here to set something up; nothing where they came by themselves.
fn way_back(continued: Option<&str>) -> Option<String> {
    Some(continue_to(continued)).filter(|target| target != "/" && !target.starts_with("/account"))
}

/// Back to a page of ours, which says that it is done.
fn done(browser: &Browser, page: &str, what: &str) -> PageResult {
    browser.redirect(&format!("{page}?done={what}"))
}

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/account", PAGE, overview::show),
        Route::post("/account", PAGE, overview::submit),
        Route::post("/account/email", PAGE, email::change),
        Route::post("/account/email/proof", PAGE, email::again),
        Route::get("/verify-email/{token}", PAGE, email::show),
        Route::post("/verify-email/{token}", PAGE, email::submit),
        Route::get("/account/security", PAGE, security::show),
        Route::post("/account/password", PAGE, security::set_password),
        Route::get("/account/app", PAGE, security::show_app),
        Route::post("/account/app", PAGE, security::confirm_app),
        Route::post("/account/app/remove", PAGE, security::remove_app),
        Route::post("/account/recovery-codes", PAGE, security::renew_codes),
        Route::post("/account/passkeys", PAGE, security::add_passkey),
        Route::post("/account/passkeys/remove", PAGE, security::remove_passkey),
        Route::get("/account/sessions", PAGE, devices::show),
        Route::post("/account/sessions", PAGE, devices::end),
        Route::get("/account/data", PAGE, data::show),
        Route::get("/account/export", PAGE, data::export),
        Route::post("/account/delete", PAGE, data::delete),
    ]
}

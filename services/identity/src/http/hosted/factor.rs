//! `/sign-in/factor`: the second factor of a sign-in, or more proof in a session that goes on (RFC 9470).
use crate::domain::assurance::{LEVELS, PHISHING_RESISTANT, SINGLE, level_of, reaches};
use crate::domain::request::Parameters;
use crate::http::arrival::{arrive_with, raise};
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::factors;
use crate::http::hosted::fields::Errors;
use crate::http::hosted::sign_in::{Checked, check_password, leads_to};
use crate::http::passkeys;
use crate::store::account::{self, Account};
use crate::store::pending::{self, Pending};
use crate::store::session::Session;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_db::secrets::sha256;
use minijinja::context;
use uuid::Uuid;

/// Who is asked for more.
pub enum Asked {
    /// Somebody who is half in, with the token of that.
    Waiting(Pending, String),
    /// Somebody who is in, up to which level.
    Inside(Session, &'static str),
}

impl Asked {
    pub fn account_id(&self) -> Uuid {
        match self {
            Asked::Waiting(pending, _) => pending.account_id,
            Asked::Inside(session, _) => session.account_id,
        }
    }
}

pub async fn show(browser: Browser) -> Response {
    browser.answer(first(&browser).await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(prove(&browser, &form).await)
}

/// `level` is what a session must reach; a sign-in that waits has none.
pub async fn asked(browser: &Browser, level: &str) -> Result<Option<Asked>, PageError> {
    let level = LEVELS.into_iter().find(|known| *known == level);
    if let Some(level) = level
        && let Some(session) = browser.session().await?
    {
        return Ok(Some(Asked::Inside(session, level)));
    }
    let Some(token) = browser.pending() else { return Ok(None) };
    let mut conn = browser.ctx.read().await?;
    let found = pending::find(&mut conn, &sha256(token.as_bytes()), browser.ctx.now()).await?;
    conn.release();
    Ok(found.map(|pending| Asked::Waiting(pending, token)))
}

async fn first(browser: &Browser) -> PageResult {
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    let Some(asked) = asked(browser, query.first("level").unwrap_or_default()).await? else {
        return sign_in_first(browser, &target);
    };
    if let Asked::Inside(session, level) = &asked
        && !factors::own_proof(session).is_empty()
        && reaches(level_of(&factors::own_proof(session)), level)
        && session.auth_time + factors::FRESH > browser.ctx.now()
    {
        return browser.redirect(&target);
    }
    page(browser, StatusCode::OK, &asked, &target, &Errors::default()).await
}

async fn prove(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    let Some(asked) = asked(browser, form.typed("level")).await? else {
        return sign_in_first(browser, &target);
    };
    let mut conn = browser.ctx.read().await?;
    let account = account::find(&mut conn, asked.account_id()).await?;
    conn.release();
    let account = account.ok_or(PageError::Page(StatusCode::FORBIDDEN, "form_expired"))?;
    let (proven, field, text) = proven(browser, &asked, &account, form).await?;
    let Some(more) = proven else {
        return missed(browser, &asked, &target, field, text).await;
    };
    match &asked {
        Asked::Waiting(pending, token) => arrive_with(browser, &account, pending, token, more).await,
        Asked::Inside(session, _) => {
            raise(browser, session, more).await?;
            browser.redirect(&target)
        }
    }
}

type Proven = (Option<&'static [&'static str]>, &'static str, &'static str);

/// What was proven (RFC 8176), else beside which field to say what.
async fn proven(browser: &Browser, asked: &Asked, account: &Account, form: &Form) -> Result<Proven, PageError> {
    let answer = form.secret("credential");
    if !answer.is_empty() {
        let right = passkeys::proves(browser, account, form.typed("ceremony"), answer).await?;
        return Ok((right.then_some(&passkeys::AMR), "passkey", "passkey_wrong"));
    }
    let has_factors = factors::of(&browser.ctx, account.id).await?.any();
    // A password counts as fresh proof only where there is nothing better.
    if matches!(asked, Asked::Inside(..)) && !has_factors {
        let checked = check_password(browser, account.address(), form.secret("password")).await?;
        let right = matches!(checked, Checked::Right(found) if found.id == account.id);
        return Ok((right.then_some(&["pwd"]), "password", "password_wrong"));
    }
    let code = form.typed("code");
    if code.is_empty() {
        return Ok((None, "code", "code_missing"));
    }
    let right = factors::check_code(browser, account, code).await?;
    Ok((right.then_some(&["otp"]), "code", "code_wrong"))
}

async fn missed(browser: &Browser, asked: &Asked, target: &str, field: &'static str, text: &'static str) -> PageResult {
    if let Asked::Waiting(_, token) = asked {
        let mut conn = browser.ctx.read().await?;
        pending::missed(&mut conn, &sha256(token.as_bytes())).await?;
        conn.release();
    }
    let mut errors = Errors::default();
    errors.add(browser, field, text);
    page(browser, StatusCode::UNPROCESSABLE_ENTITY, asked, target, &errors).await
}

async fn page(browser: &Browser, status: StatusCode, asked: &Asked, target: &str, errors: &Errors) -> PageResult {
    let factors = factors::of(&browser.ctx, asked.account_id()).await?;
    let (target, level, address) = match asked {
        Asked::Waiting(pending, _) => (pending.target.as_str(), "", None),
        Asked::Inside(session, level) => (target, *level, Some(session.address())),
    };
    let codes = factors.any() && level != PHISHING_RESISTANT;
    let passkeys = factors.passkeys > 0 && browser.provider.webauthn.is_some();
    let values = context! {
        target => target,
        level => level,
        inside => !level.is_empty(),
        address => address,
        app => factors.totp && codes,
        codes => codes,
        passkeys => passkeys,
        password => !factors.any() && level == SINGLE,
        // What is asked for cannot be proven with what the person has.
        lacking => !level.is_empty() && level != SINGLE && !codes && !passkeys,
        set_up => format!("/account/security?{}", Parameters::default().with("continue", Some(target)).encode()),
        errors => errors.value(),
    };
    let leads_to = leads_to(browser, target).await?;
    browser.with_script(browser.page_for(status, "factor.html", values, leads_to.as_deref()))
}

pub fn sign_in_first(browser: &Browser, target: &str) -> PageResult {
    browser.redirect(&format!("/sign-in?{}", Parameters::default().with("continue", Some(target)).encode()))
}

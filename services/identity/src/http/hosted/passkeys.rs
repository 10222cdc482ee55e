//! `/passkeys/options` and `/sign-in/passkey`: what the script of passkeys asks us, and what it brings back.
use crate::http::arrival::arrive;
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::hosted::factor::{Asked, asked};
use crate::http::hosted::{account, sign_in};
use crate::http::throttle::Try;
use crate::http::{factors, passkeys};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_web::Problem;

pub async fn options(browser: Browser, form: Form) -> Response {
    let answer = options_for(&browser, &form).await;
    browser.answer(answer)
}

/// The question of a ceremony, as JSON. It is asked of nobody but who may answer it.
async fn options_for(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    browser.provider.throttle.address(Try::Token, browser.ctx.request().client_ip)?;
    let forbidden = || PageError::Page(StatusCode::FORBIDDEN, "form_expired");
    let question = match form.typed("for") {
        "sign_in" => passkeys::ask_anybody(browser).await?,
        "prove" => {
            let asked: Asked = asked(browser, form.typed("level")).await?.ok_or_else(forbidden)?;
            passkeys::ask_known(browser, asked.account_id()).await?
        }
        "register" => {
            let person = account::person(browser).await?.ok_or_else(forbidden)?;
            if factors::lacking(&person.session, person.factors, browser.ctx.now()).is_some() {
                return Err(forbidden());
            }
            passkeys::ask_new(browser, &person.account).await?
        }
        _ => return Err(PageError::Page(StatusCode::BAD_REQUEST, "failed")),
    };
    let body = serde_json::to_string(&question).map_err(Problem::internal)?;
    let mut response = body.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(sign_in(&browser, &form).await)
}

async fn sign_in(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    browser.provider.throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    let target = continue_to(form.0.first("continue"));
    match passkeys::whose(browser, form.typed("ceremony"), form.secret("credential")).await? {
        Some(account) => arrive(browser, &account, &passkeys::AMR, &target).await,
        None => sign_in::refused(browser, &target, "passkey_wrong").await,
    }
}

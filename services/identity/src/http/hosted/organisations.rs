//! `/sign-in/organisation`: in which of their organisations a person wants to work.
use crate::domain::request::Parameters;
use crate::http::browser::{Browser, Form, PageResult, continue_to};
use crate::http::hosted::sign_in::{leads_to, parameters_of};
use crate::http::membership::{self, Belonging};
use crate::http::protocol::pushed::Journey;
use crate::store::branding::{self, Branding};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};

pub async fn show(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    browser.answer(choose(&browser, &target, false).await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(chosen(&browser, &form).await)
}

async fn choose(browser: &Browser, target: &str, missing: bool) -> PageResult {
    let Some(session) = browser.session().await? else {
        return sign_in_first(browser, target);
    };
    let belongings = membership::of(&browser.ctx, session.account_id).await?;
    let ids: Vec<_> = belongings.iter().map(|belonging| belonging.tenant.id.0).collect();
    let mut conn = browser.ctx.read().await?;
    let looks = branding::find(&mut conn, &ids).await?;
    conn.release();
    let organisations: Vec<Value> = belongings.iter().map(|belonging| card(browser, belonging, &looks)).collect();
    let values = context! {
        target => target,
        name => session.name.clone(),
        email => session.address(),
        organisations => organisations,
        last => session.organisation_id.map(|id| id.to_string()),
        error => missing.then(|| browser.text("organisation_choose")),
        another => sign_in_path(target),
    };
    let status = if missing { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    browser.page_for(status, "organisations.html", values, leads_to(browser, target).await?.as_deref())
}

async fn chosen(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    let Some(session) = browser.session().await? else {
        return sign_in_first(browser, &target);
    };
    let belongings = membership::of(&browser.ctx, session.account_id).await?;
    let Some(belonging) = membership::named(&belongings, form.typed("organisation")) else {
        return choose(browser, &target, true).await;
    };
    let id = belonging.tenant.id.to_string();
    match target.strip_prefix("/oauth/authorize?") {
        Some(_) => {
            let journey = Journey::of(browser, parameters_of(&target)).await?;
            browser.redirect(&journey.going_on(browser, &[("organization", Some(&id))]).await?)
        }
        None => browser.redirect(&target),
    }
}

fn card(browser: &Browser, belonging: &Belonging, looks: &[Branding]) -> Value {
    let known = |key: &str| {
        let label = browser.text(&format!("role_{key}"));
        if label.is_empty() { key.replace('_', " ") } else { label.to_owned() }
    };
    let roles: Vec<String> = belonging.roles.iter().map(|role| known(role)).collect();
    let look = looks.iter().find(|look| look.organisation_id == belonging.tenant.id.0);
    context! {
        id => belonging.tenant.id.to_string(),
        name => belonging.tenant.name.clone(),
        roles => roles.join(", "),
        logo => look.and_then(Branding::logo_path),
    }
}

fn sign_in_path(target: &str) -> String {
    format!("/sign-in?{}", Parameters::default().with("continue", Some(target)).encode())
}

fn sign_in_first(browser: &Browser, target: &str) -> PageResult {
    browser.redirect(&sign_in_path(target))
}

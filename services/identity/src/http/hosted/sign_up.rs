//! `/sign-up`: a person and their organisation, by a form.
use crate::domain::place::{COUNTRIES, EAST_AFRICAN, country, currencies, time_zones};
use crate::http::arrival::arrive_at;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::hosted::fields::{Errors, typed};
use crate::http::sign_up::{Done, Refused, sign_up};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_contracts::identity::SignUp;
use hitaji_core::{ErrorCode, TenantId, new_id};
use hitaji_web::Problem;
use minijinja::{Value, context};
use uuid::Uuid;

const TYPED: &[&str] = &["organisation", "country", "currency", "time_zone", "name", "email", "organisation_id"];

pub async fn show(browser: Browser) -> Response {
    let values = context! {
        typed => context! { country => "KE", currency => "KES", time_zone => "Africa/Nairobi", organisation_id => new_id().to_string() },
        chosen => first_product(&browser),
    };
    browser.answer(page(&browser, StatusCode::OK, values, &Errors::default()))
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(create(&browser, &form).await)
}

async fn create(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let errors = match sign_up(&browser.ctx, &browser.provider, &asked(browser, form)).await {
        Ok(done) => return welcome(browser, &done).await,
        Err(Refused::Flaws(flaws)) => Errors::of(browser, &flaws),
        Err(Refused::Mismatch) => {
            let mut errors = Errors::default();
            errors.add(browser, "password", "sign_up_mismatch");
            errors
        }
        Err(Refused::Wait(wait)) => return Err(wait.into()),
        Err(Refused::Busy) => return Err(crate::http::passwords::Busy.into()),
        Err(Refused::Problem(problem)) => from_tenancy(problem)?,
    };
    let chosen: Vec<String> = form.0.all("products").map(str::to_owned).collect();
    page(browser, StatusCode::UNPROCESSABLE_ENTITY, context! { typed => typed(form, TYPED), chosen => chosen }, &errors)
}

/// Signs the owner in: a new one at once, a known one with their second factor.
async fn welcome(browser: &Browser, done: &Done) -> PageResult {
    arrive_at(browser, &done.account, &["pwd"], "/", Some(done.organisation_id.0)).await
}

fn asked(browser: &Browser, form: &Form) -> SignUp {
    let place = country(form.typed("country"));
    // Nothing chosen means what is usual in the country.
    let or_usual = |name: &str, usual: Option<&'static str>| match form.typed(name) {
        "" => usual.unwrap_or_default().to_owned(),
        chosen => chosen.to_owned(),
    };
    SignUp {
        organisation_id: Uuid::parse_str(form.typed("organisation_id")).ok().map(TenantId),
        organisation: form.typed("organisation").to_owned(),
        slug: None,
        country: form.typed("country").to_owned(),
        currency: or_usual("currency", place.map(|place| place.currency)),
        time_zone: or_usual("time_zone", place.map(|place| place.time_zone)),
        products: form.0.all("products").map(str::to_owned).collect(),
        name: form.typed("name").to_owned(),
        email: form.typed("email").to_owned(),
        password: form.secret("password").to_owned(),
        locale: Some(browser.locale.to_owned()),
    }
}

/// What tenancy found wrong, next to our fields.
fn from_tenancy(problem: Problem) -> Result<Errors, PageError> {
    if problem.code != ErrorCode::Validation {
        return Err(problem.into());
    }
    let mut errors = Errors::default();
    for error in problem.errors.clone() {
        let field = match error.pointer.as_ref() {
            "/country" => "country",
            "/currency" => "currency",
            "/time_zone" => "time_zone",
            "/products" => "products",
            _ => "organisation",
        };
        errors.say(field, error.message);
    }
    Ok(errors)
}

fn first_product(browser: &Browser) -> Vec<&'static str> {
    browser.provider.products().first().map(|(name, _)| *name).into_iter().collect()
}

fn page(browser: &Browser, status: StatusCode, values: Value, errors: &Errors) -> PageResult {
    let option = |value: &str, label: &str| context! { value => value, label => label };
    let countries: Vec<Value> =
        COUNTRIES.iter().map(|country| option(country.code, country.name(browser.locale))).collect();
    let zones: Vec<Value> = time_zones().into_iter().map(|zone| option(zone, &zone.replace('_', " "))).collect();
    let products: Vec<Value> = browser
        .provider
        .products()
        .into_iter()
        .map(|(name, summary)| {
            let label = browser.text(&format!("product_{name}"));
            let about = browser.text(&format!("product_{name}_about"));
            let known = !label.is_empty();
            context! { value => name, label => if known { label } else { name }, about => if known { about } else { summary } }
        })
        .collect();
    let values = context! {
        near => countries[..EAST_AFRICAN].to_vec(),
        far => countries[EAST_AFRICAN..].to_vec(),
        currencies => currencies().into_iter().map(|code| option(code, code)).collect::<Vec<_>>(),
        zones => zones,
        products => products,
        errors => errors.value(),
        ..values
    };
    browser.page_for(status, "sign_up.html", values, None)
}

//! `/account`: name, language, address.
use super::{Admitted, Person, done, signed_in};
use crate::domain::account::{locale_of, normalise_name};
use crate::domain::request::Parameters;
use crate::http::browser::{Browser, Form, PageResult};
use crate::http::hosted::fields::Errors;
use crate::http::session::{audit, begin};
use crate::pages::LANGUAGES;
use crate::store::account::Account;
use crate::store::{organisation, profile};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_contracts::identity::MembershipChanged;
use hitaji_core::{AccountId, TenantId};
use hitaji_db::Tx;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;

pub async fn show(browser: Browser) -> Response {
    let shown = async {
        match signed_in(&browser, "/account").await? {
            Admitted::Person(person) => page(&browser, StatusCode::OK, &person, context! {}, &Errors::default()),
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(shown.await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(change(&browser, &form).await)
}

async fn change(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let person = match signed_in(browser, "/account").await? {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    let Some(name) = normalise_name(form.typed("name")) else {
        let mut errors = Errors::default();
        errors.add(browser, "name", "name_missing");
        let values = context! { name => form.typed("name") };
        return page(browser, StatusCode::UNPROCESSABLE_ENTITY, &person, values, &errors);
    };
    let locale = locale_of(form.typed("locale")).unwrap_or(browser.locale);
    let mut tx = begin(&browser.ctx, person.account.id).await?;
    profile::rename(&mut tx, person.account.id, &name, locale).await?;
    audit(&mut tx, "change", "identity.account", Some(person.account.id), json!({"name": name, "locale": locale}));
    if name != person.account.name {
        announce(&mut tx, &person.account, &name, person.account.email.as_deref()).await?;
    }
    tx.commit(None).await.map_err(Problem::from)?;
    browser.keep_locale(locale);
    done(browser, "/account", "saved")
}

/// Tells every organisation that a member has another name or address.
pub async fn announce(tx: &mut Tx, account: &Account, name: &str, email: Option<&str>) -> Result<(), Problem> {
    for membership in organisation::memberships(tx, account.id).await? {
        let event = MembershipChanged {
            tenant_id: TenantId(membership.organisation_id),
            account_id: AccountId(account.id),
            email: email.unwrap_or_default().to_owned(),
            phone: account.phone.clone(),
            name: name.to_owned(),
            roles: membership.roles,
        };
        tx.emit(account.id, &event);
    }
    Ok(())
}

/// `values` holds what was typed.
pub fn page(browser: &Browser, status: StatusCode, person: &Person, values: Value, errors: &Errors) -> PageResult {
    let query = Parameters::parse(browser.ctx.request().query());
    let known = ["saved", "mailed", "verified"];
    let said = known.into_iter().find(|known| query.first("done") == Some(known));
    let languages: Vec<Value> =
        LANGUAGES.iter().map(|(tag, name)| context! { value => *tag, label => *name }).collect();
    let values = context! {
        ..values,
        ..context! {
            here => "account",
            name => person.account.name.clone(),
            email => person.account.email.clone(),
            phone => person.account.phone.clone(),
            verified => person.account.email_verified_at.is_some(),
            chosen => person.account.locale.clone(),
            choices => languages,
            said => said.map(|said| browser.text(&format!("account_{said}"))),
            errors => errors.value(),
        }
    };
    browser.page_for(status, "account.html", values, None)
}

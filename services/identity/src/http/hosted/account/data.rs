//! `/account/data`: take one's data along, and leave.
use super::{Admitted, Person, proven, signed_in};
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::hosted::fields::Errors;
use crate::http::notices::tell;
use crate::http::session::{self, audit, begin};
use crate::store::{factor, organisation, passkey, profile};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_contracts::identity::MembershipEnded;
use hitaji_core::{AccountId, TenantId};
use hitaji_db::{DbError, Tx};
use hitaji_web::Problem;
use minijinja::context;
use serde_json::json;

const PAGE: &str = "/account/data";

pub async fn show(browser: Browser) -> Response {
    let shown = async {
        match signed_in(&browser, PAGE).await? {
            Admitted::Person(person) => page(&browser, StatusCode::OK, &person, &[], &Errors::default()),
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(shown.await)
}

fn page(browser: &Browser, status: StatusCode, person: &Person, owned: &[String], errors: &Errors) -> PageResult {
    let values = context! { here => "data", address => person.account.address(), owned => owned.to_vec(), errors => errors.value() };
    browser.page_for(status, "account_data.html", values, None)
}

/// One JSON document to keep.
pub async fn export(browser: Browser) -> Response {
    let written = async {
        let person = match proven(&browser, PAGE).await? {
            Admitted::Person(person) => person,
            Admitted::First(response) => return Ok(response),
        };
        let mut tx = begin(&browser.ctx, person.account.id).await?;
        let document = profile::export(&mut tx, person.account.id).await?;
        audit(&mut tx, "export", "identity.account", Some(person.account.id), json!(null));
        tx.commit(None).await.map_err(Problem::from)?;
        let mut response = serde_json::to_string_pretty(&document).map_err(Problem::internal)?.into_response();
        for (name, value) in [
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"hitaji-account.json\""),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    };
    browser.answer(written.await)
}

pub async fn delete(browser: Browser, form: Form) -> Response {
    browser.answer(leave(&browser, &form).await)
}

async fn leave(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let person = match proven(browser, PAGE).await? {
        Admitted::Person(person) => person,
        Admitted::First(response) => return Ok(response),
    };
    if form.typed("confirm").to_lowercase() != person.account.address().to_lowercase() {
        let mut errors = Errors::default();
        errors.add(browser, "confirm", "delete_confirm_wrong");
        return page(browser, StatusCode::UNPROCESSABLE_ENTITY, &person, &[], &errors);
    }
    let mut tx = begin(&browser.ctx, person.account.id).await?;
    let owned = owned_alone(browser, &mut tx, &person).await?;
    if !owned.is_empty() {
        tx.rollback().await.map_err(Problem::from)?;
        return page(browser, StatusCode::CONFLICT, &person, &owned, &Errors::default());
    }
    forget(browser, &mut tx, &person).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    browser.forget();
    browser
        .page("message.html", context! { title => browser.text("deleted_title"), body => browser.text("deleted_text") })
}

/// Names of the organisations that would be left without an owner. What is archived or erased needs none.
async fn owned_alone(browser: &Browser, tx: &mut Tx, person: &Person) -> Result<Vec<String>, PageError> {
    let mut names = Vec::new();
    for id in profile::owned_alone(tx, person.account.id).await? {
        match browser.ctx.databases().describe(TenantId(id)).await {
            Ok(tenant) if tenant.state == hitaji_db::TenantState::Active => names.push(tenant.name.clone()),
            Ok(_) | Err(DbError::UnknownTenant) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(names)
}

/// What is left is an id: it stands in records of organisations that must be kept.
async fn forget(browser: &Browser, tx: &mut Tx, person: &Person) -> Result<(), PageError> {
    let (ctx, id, now) = (&browser.ctx, person.account.id, browser.ctx.now());
    // Before the address goes.
    tell(ctx, tx, &person.account, "deleted");
    session::end_all(ctx, tx, id).await?;
    for organisation in profile::leave_all(tx, id, now).await? {
        let tenant_id = TenantId(organisation);
        tx.emit(id, &MembershipEnded { tenant_id, account_id: AccountId(id) });
        let (members, invited) = organisation::count_people(tx, organisation, now).await?;
        ctx.databases().set_users(tx, tenant_id, members + invited).await?;
    }
    factor::remove_totp(tx, id).await?;
    factor::remove_recovery_codes(tx, id).await?;
    passkey::remove_all(tx, id).await?;
    profile::blank(tx, id, now).await?;
    audit(tx, "delete", "identity.account", Some(id), json!(null));
    Ok(())
}

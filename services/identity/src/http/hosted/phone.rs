//! `/sign-in/phone` and `/account/phone`: a code sent to a phone signs its person in, or proves whose number it is.
use crate::domain::one_time_code::{ATTEMPTS_MAX, fits};
use crate::domain::request::Parameters;
use crate::http::arrival::arrive;
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::event::{Action, Event, note};
use crate::http::hosted::account::{Admitted, proven};
use crate::http::hosted::fields::{Errors, typed};
use crate::http::hosted::sign_in::leads_to;
use crate::http::membership;
use crate::http::notices::tell;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::account;
use crate::store::one_time_code::{self, OneTimeCode};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use hitaji_contracts::identity::CodeSent;
use hitaji_core::{new_id, normal_phone};
use hitaji_db::Tx;
use hitaji_web::Problem;
use minijinja::context;
use serde_json::json;
use uuid::Uuid;

const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Where a number without calling code is taken to be of, before anybody is known.
const HOME_COUNTRY: &str = "KE";

/// What a code is asked for.
#[derive(Clone, Copy)]
enum Purpose {
    SignIn,
    /// The person who is signed in here says that it is their number.
    Verify(Uuid),
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Purpose::SignIn => "sign_in",
            Purpose::Verify(_) => "verify",
        }
    }

    fn is_own(self) -> bool {
        matches!(self, Purpose::Verify(_))
    }
}

pub async fn show(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    browser.answer(number_page(&browser, &target, false, None).await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(ask(&browser, &form, Purpose::SignIn).await)
}

pub async fn show_code(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    browser.answer(code_page(&browser, &query, &Errors::default()).await)
}

pub async fn submit_code(browser: Browser, form: Form) -> Response {
    browser.answer(take(&browser, &form).await)
}

pub async fn show_own(browser: Browser) -> Response {
    let shown = async {
        match proven(&browser, "/account/phone").await? {
            Admitted::Person(_) => number_page(&browser, "/", true, None).await,
            Admitted::First(first) => Ok(first),
        }
    };
    browser.answer(shown.await)
}

pub async fn submit_own(browser: Browser, form: Form) -> Response {
    let asked = async {
        match proven(&browser, "/account/phone").await? {
            Admitted::Person(person) => ask(&browser, &form, Purpose::Verify(person.account.id)).await,
            Admitted::First(first) => Ok(first),
        }
    };
    browser.answer(asked.await)
}

async fn number_page(browser: &Browser, target: &str, own: bool, again: Option<&Form>) -> PageResult {
    offered(browser)?;
    let mut errors = Errors::default();
    if again.is_some() {
        errors.add(browser, "phone", "phone_malformed");
    }
    let status = if again.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let typed = again.map(|form| typed(form, &["phone"]));
    let values = context! { target => target, own => own, typed => typed, errors => errors.value() };
    browser.page_for(status, "phone.html", values, leads_to(browser, target).await?.as_deref())
}

/// Without a way to send texts there is no such page.
fn offered(browser: &Browser) -> Result<(), PageError> {
    let sent = browser.provider.texts.is_some();
    if sent { Ok(()) } else { Err(PageError::Page(StatusCode::NOT_FOUND, "phone_off")) }
}

/// Makes a code and has it sent. The answer is the same whether anybody has this number or not; the phone alone tells.
async fn ask(browser: &Browser, form: &Form, purpose: Purpose) -> PageResult {
    offered(browser)?;
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    let (ctx, provider) = (&browser.ctx, &browser.provider);
    let Some(phone) = normal_phone(form.typed("phone"), HOME_COUNTRY) else {
        return number_page(browser, &target, purpose.is_own(), Some(form)).await;
    };
    provider.throttle.send(&phone, ctx.request().client_ip)?;
    // Texts cost money, and a phone that rings all night is a harm: each further one waits longer, until one is used.
    provider.throttle.account(&format!("{phone}/text"), ctx.now())?;
    let mut tx = begin(ctx, "anonymous").await?;
    let account_id = match purpose {
        Purpose::Verify(account_id) => Some(account_id),
        Purpose::SignIn => account::find_by_phone(&mut tx, &phone)
            .await?
            .filter(|account| account.disabled_at.is_none() && account.phone_verified_at.is_some())
            .map(|account| account.id),
    };
    let new = OneTimeCode {
        id: new_id(),
        phone,
        account_id,
        purpose: purpose.as_str().to_owned(),
        locale: browser.locale.to_owned(),
        expires_at: ctx.now() + LIFETIME,
        used_at: None,
    };
    one_time_code::insert(&mut tx, &new, ctx.now()).await?;
    if account_id.is_some() {
        tx.emit(new.id, &CodeSent { code_id: new.id });
    }
    audit(&mut tx, "send_code", "identity.account", account_id, json!({"purpose": new.purpose}));
    let event = Event { refused: account_id.is_none(), ..Event::refused(Action::CodeSent, account_id) };
    note(ctx.request(), &mut tx, event).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    let query = Parameters::default().with("code", Some(&new.id.to_string())).with("continue", Some(&target));
    browser.redirect(&format!("/sign-in/phone/code?{}", query.encode()))
}

async fn code_page(browser: &Browser, query: &Parameters, errors: &Errors) -> PageResult {
    offered(browser)?;
    let target = continue_to(query.first("continue"));
    let values = context! { target => target.clone(), id => query.first("code"), errors => errors.value() };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.page_for(status, "phone_code.html", values, leads_to(browser, &target).await?.as_deref())
}

async fn take(browser: &Browser, form: &Form) -> PageResult {
    offered(browser)?;
    browser.check_form(form)?;
    let (ctx, provider, now) = (&browser.ctx, &browser.provider, browser.ctx.now());
    provider.throttle.address(Try::Secret, ctx.request().client_ip)?;
    let mut tx = begin(ctx, "anonymous").await?;
    let id = form.0.first("code_id").and_then(|text| Uuid::parse_str(text).ok());
    let found = match id {
        Some(id) => one_time_code::attempt(&mut tx, id, ATTEMPTS_MAX, now).await?,
        None => None,
    };
    let known = found.as_ref().and_then(|code| code.account_id);
    let right = found.filter(|code| code.account_id.is_some() && fits(&provider.master, code.id, form.typed("digits")));
    let Some(code) = right else {
        audit(&mut tx, "code_refused", "identity.account", None, json!(null));
        let detail = json!({"amr": ["sms"]});
        note(ctx.request(), &mut tx, Event { detail, ..Event::refused(Action::SignIn, known) }).await?;
        // The attempt stays counted.
        tx.commit(None).await.map_err(Problem::from)?;
        let mut errors = Errors::default();
        errors.add(browser, "digits", "phone_code_wrong");
        let again =
            Parameters::default().with("code", form.0.first("code_id")).with("continue", form.0.first("continue"));
        return code_page(browser, &again, &errors).await;
    };
    if !one_time_code::use_up(&mut tx, code.id, now).await? {
        return Err(gone());
    }
    provider.throttle.succeeded(&format!("{}/text", code.phone));
    if code.purpose == "verify" {
        return verified(browser, tx, &code).await;
    }
    let account = account::find(&mut tx, code.account_id.unwrap_or_default()).await?.ok_or_else(gone)?;
    tx.commit(None).await.map_err(Problem::from)?;
    arrive(browser, &account, &["sms"], &continue_to(form.0.first("continue"))).await
}

fn gone() -> PageError {
    PageError::Page(StatusCode::GONE, "phone_code_gone")
}

/// The number is the person's from now on.
async fn verified(browser: &Browser, mut tx: Tx, code: &OneTimeCode) -> PageResult {
    let session = browser.session().await?;
    let session = session.filter(|session| Some(session.account_id) == code.account_id).ok_or_else(gone)?;
    if !account::give_phone(&mut tx, session.account_id, &code.phone, browser.ctx.now()).await? {
        return Err(PageError::Page(StatusCode::CONFLICT, "phone_taken"));
    }
    if let Some(account) = account::find(&mut tx, session.account_id).await? {
        tell(&browser.ctx, &mut tx, &account, "phone");
    }
    audit(&mut tx, "verify_phone", "identity.account", Some(session.account_id), json!(null));
    membership::announce_change(&mut tx, session.account_id).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    browser.redirect("/account")
}

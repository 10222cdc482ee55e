//! `/account/sessions`: where the person is signed in, and how to end that.
use super::{Admitted, Person, done, signed_in};
use crate::domain::request::Parameters;
use crate::domain::user_agent;
use crate::http::browser::{Browser, Form, PageResult};
use crate::http::session::{self, begin};
use crate::store::profile;
use axum::response::Response;
use hitaji_web::Problem;
use minijinja::{Value, context};
use uuid::Uuid;

const PAGE: &str = "/account/sessions";

pub async fn show(browser: Browser) -> Response {
    let shown = async {
        match signed_in(&browser, PAGE).await? {
            Admitted::Person(person) => page(&browser, &person).await,
            Admitted::First(response) => Ok(response),
        }
    };
    browser.answer(shown.await)
}

async fn page(browser: &Browser, person: &Person) -> PageResult {
    let now = browser.ctx.now();
    let mut conn = browser.ctx.read().await?;
    let devices = profile::devices(&mut conn, person.account.id, now, now - session::IDLE).await?;
    conn.release();
    let devices: Vec<Value> = devices
        .iter()
        .map(|found| {
            let words = user_agent::in_words(&found.user_agent);
            let here = found.id == person.session.id;
            context! {
                id => found.id.to_string(),
                words => if words.is_empty() { browser.text("device_unknown").to_owned() } else { words },
                here => here,
                since => found.auth_time.format("%Y-%m-%d %H:%M").to_string(),
                used => (if here { now } else { found.used_at }).format("%Y-%m-%d %H:%M").to_string(),
            }
        })
        .collect();
    let said = Parameters::parse(browser.ctx.request().query()).first("done").is_some();
    let said = said.then(|| browser.text("account_session_ended"));
    browser.page("account_devices.html", context! { here => "sessions", devices => devices, said => said })
}

pub async fn end(browser: Browser, form: Form) -> Response {
    let ended = async {
        browser.check_form(&form)?;
        let person = match signed_in(&browser, PAGE).await? {
            Admitted::Person(person) => person,
            Admitted::First(response) => return Ok(response),
        };
        let mut tx = begin(&browser.ctx, person.account.id).await?;
        match Uuid::parse_str(form.typed("id")) {
            Ok(id) => session::end_own(&browser.ctx, &mut tx, person.account.id, id).await?,
            Err(_) => session::end_others(&browser.ctx, &mut tx, person.account.id, person.session.id).await?,
        }
        tx.commit(None).await.map_err(Problem::from)?;
        done(&browser, PAGE, "ended")
    };
    browser.answer(ended.await)
}

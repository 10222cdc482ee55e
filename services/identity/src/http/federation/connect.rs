//! `/sign-in/connect/{token}`: whoever another provider vouches for proves that the account here is theirs too. Nothing
//! is ever connected by an e-mail address alone.
use crate::http::arrival::{Via, arrive_via};
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::federation::Upstream;
use crate::http::hosted::fields::Errors;
use crate::http::hosted::sign_in::{Checked, check_password};
use crate::http::session::{audit, begin};
use crate::store::account::{self, Account};
use crate::store::federation::{self, Connecting};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::new_id;
use hitaji_web::Problem;
use minijinja::context;
use serde_json::json;
use std::sync::Arc;

/// What is to be connected with what.
struct Open {
    connecting: Connecting,
    upstream: Arc<Upstream>,
    account: Account,
    /// Whether this browser is signed in with that account.
    signed_in: bool,
}

pub async fn show(browser: Browser, Path(token): Path<String>) -> Response {
    let shown = async { page(&browser, StatusCode::OK, &open(&browser, &token).await?, &Errors::default()) };
    browser.answer(shown.await)
}

pub async fn submit(browser: Browser, Path(token): Path<String>, form: Form) -> Response {
    browser.answer(connect(&browser, &token, &form).await)
}

async fn open(browser: &Browser, token: &str) -> Result<Open, PageError> {
    let gone = || PageError::Page(StatusCode::GONE, "federation_expired");
    let mut conn = browser.ctx.read().await?;
    let found = federation::connecting(&mut conn, &browser.bound(token), browser.ctx.now()).await?;
    let connecting = found.ok_or_else(gone)?;
    let email = connecting.claims.email.as_deref().unwrap_or_default();
    let account = account::find_by_email(&mut conn, email).await?;
    conn.release();
    let usable = |account: &Account| account.email_verified_at.is_some() && account.disabled_at.is_none();
    let account = account.filter(usable).ok_or_else(gone)?;
    let upstream = browser.provider.federation.find(&browser.ctx, &connecting.provider).await?.ok_or_else(gone)?;
    let signed_in = browser.session().await?.is_some_and(|session| session.account_id == account.id);
    Ok(Open { connecting, upstream, account, signed_in })
}

async fn connect(browser: &Browser, token: &str, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let open = open(browser, token).await?;
    let mut amr = Vec::new();
    if !open.signed_in {
        match check_password(browser, open.account.address(), form.secret("password")).await? {
            Checked::Right(account) if account.id == open.account.id => amr.push("pwd"),
            _ => {
                let mut errors = Errors::default();
                errors.add(browser, "password", "sign_in_wrong");
                return page(browser, StatusCode::UNPROCESSABLE_ENTITY, &open, &errors);
            }
        }
    }
    let (arrived, now) = (&open.connecting.claims.0, browser.ctx.now());
    let mut tx = begin(&browser.ctx, open.account.id).await?;
    if !federation::finish(&mut tx, open.connecting.id).await? {
        return Err(PageError::Page(StatusCode::GONE, "federation_expired"));
    }
    let id = new_id();
    if !federation::link(&mut tx, id, arrived, open.account.id, &open.upstream.label, now).await? {
        return Err(PageError::Page(StatusCode::FORBIDDEN, "federation_other_identity"));
    }
    let what = json!({"account_id": open.account.id, "issuer": arrived.issuer, "provider": open.upstream.key});
    audit(&mut tx, "link", "identity.external_identity", Some(id), what);
    tx.commit(None).await.map_err(Problem::from)?;
    amr.extend(arrived.amr());
    arrive_via(browser, &open.account, &amr, &open.connecting.target, Some(&Via::of(&open.upstream))).await
}

fn page(browser: &Browser, status: StatusCode, open: &Open, errors: &Errors) -> PageResult {
    let values = context! {
        provider => open.upstream.label.clone(),
        email => open.account.address(),
        signed_in => open.signed_in,
        errors => errors.value(),
    };
    browser.page_for(status, "connect.html", values, None)
}

//! The end of every way to sign in: somebody proved who they are, proves more where their account wants it, gets a session,
//! and goes on to where they wanted to be.
use crate::domain::assurance::{TWO, level_of, reaches};
use crate::http::browser::{Browser, PageError, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::factors;
use crate::http::federation::Upstream;
use crate::http::notices::tell;
use crate::http::session::{self, audit, begin};
use crate::http::sign_up;
use crate::store::account::Account;
use crate::store::pending::{self, Pending};
use crate::store::session::Session;
use crate::store::{federation, organisation, profile};
use axum::http::StatusCode;
use chrono::TimeDelta;
use hitaji_core::TenantId;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::Problem;
use serde_json::json;
use uuid::Uuid;

/// For so long a first factor waits for the second one.
const PENDING_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Which other provider vouches for a session, and for which organisation alone where it is one's own.
pub struct Via<'a> {
    pub provider: &'a str,
    pub organisation_id: Option<Uuid>,
}

impl Via<'_> {
    pub fn of(upstream: &Upstream) -> Via<'_> {
        Via { provider: &upstream.key, organisation_id: upstream.organisation_id }
    }
}

/// Opens the session in this browser. `amr` says how the person proved who they are (RFC 8176), `target` is a path of ours.
pub async fn arrive(browser: &Browser, account: &Account, amr: &[&str], target: &str) -> PageResult {
    begin_at(browser, account, amr, target, None, None).await
}

/// The same, to work in this organisation.
pub async fn arrive_at(
    browser: &Browser,
    account: &Account,
    amr: &[&str],
    target: &str,
    organisation: Option<Uuid>,
) -> PageResult {
    begin_at(browser, account, amr, target, organisation, None).await
}

/// The same for somebody whom another provider vouches for.
pub async fn arrive_via(
    browser: &Browser,
    account: &Account,
    amr: &[&str],
    target: &str,
    via: Option<&Via<'_>>,
) -> PageResult {
    begin_at(browser, account, amr, target, None, via).await
}

async fn begin_at(
    browser: &Browser,
    account: &Account,
    amr: &[&str],
    target: &str,
    organisation: Option<Uuid>,
    via: Option<&Via<'_>>,
) -> PageResult {
    let pending = Pending {
        account_id: account.id,
        amr: amr.iter().map(|method| (*method).to_owned()).collect(),
        target: target.to_owned(),
        organisation_id: organisation,
        provider: via.map(|via| via.provider.to_owned()),
        provider_organisation_id: via.and_then(|via| via.organisation_id),
    };
    let wants_two = factors::of(&browser.ctx, account.id).await?.any();
    // That there were two factors elsewhere is not for an organisation's own provider to say of the account itself.
    let foreign = pending.provider_organisation_id.is_some();
    let believed: Vec<String> = pending.amr.iter().filter(|method| !foreign || *method != "mfa").cloned().collect();
    if wants_two && !reaches(level_of(&believed), TWO) {
        return wait(browser, &pending).await;
    }
    enter(browser, account, &pending, None).await
}

/// The rest of a sign-in that waited: `more` was proven now.
pub async fn arrive_with(
    browser: &Browser,
    account: &Account,
    pending: &Pending,
    token: &str,
    more: &[&str],
) -> PageResult {
    let joined = Pending { amr: joined(&pending.amr, more), ..pending.clone() };
    browser.keep_pending(None);
    enter(browser, account, &joined, Some(sha256(token.as_bytes()))).await
}

/// More is proven in a session that goes on, under another cookie (RFC 9470 section 5).
pub async fn raise(browser: &Browser, session: &Session, more: &[&str]) -> Result<(), PageError> {
    let (token, amr) = (random_token(), joined(&session.amr, more));
    let mut tx = begin(&browser.ctx, session.account_id).await?;
    if !profile::raise_session(&mut tx, session.id, &sha256(token.as_bytes()), &amr, browser.ctx.now()).await? {
        return Err(PageError::Page(StatusCode::FORBIDDEN, "form_expired"));
    }
    audit(&mut tx, "raise", "identity.session", Some(session.id), json!({"amr": amr}));
    tx.commit(None).await.map_err(Problem::from)?;
    browser.remember(&token, session.address());
    Ok(())
}

fn joined(amr: &[String], more: &[&str]) -> Vec<String> {
    let mut all = amr.to_vec();
    for method in more {
        if !all.iter().any(|known| known == method) {
            all.push((*method).to_owned());
        }
    }
    all
}

async fn wait(browser: &Browser, pending: &Pending) -> PageResult {
    let (token, now) = (random_token(), browser.ctx.now());
    let mut tx = begin(&browser.ctx, pending.account_id).await?;
    pending::insert(&mut tx, &sha256(token.as_bytes()), pending, now, now + PENDING_LIFETIME).await?;
    audit(&mut tx, "sign_in_waits", "identity.account", Some(pending.account_id), json!({"amr": pending.amr}));
    tx.commit(None).await.map_err(Problem::from)?;
    browser.keep_pending(Some(&token));
    browser.redirect("/sign-in/factor")
}

async fn enter(browser: &Browser, account: &Account, proven: &Pending, waited: Option<[u8; 32]>) -> PageResult {
    let earlier = browser.session().await?;
    let amr: Vec<&str> = proven.amr.iter().map(String::as_str).collect();
    let mut tx = begin(&browser.ctx, account.id).await?;
    if let Some(hash) = waited
        && !pending::take(&mut tx, &hash).await?
    {
        return Err(PageError::Page(StatusCode::FORBIDDEN, "form_expired"));
    }
    audit(&mut tx, "sign_in", "identity.account", Some(account.id), json!({"amr": amr, "provider": proven.provider}));
    let kept = earlier.as_ref().filter(|earlier| earlier.account_id == account.id);
    let chosen = proven.organisation_id.or(kept.and_then(|earlier| earlier.organisation_id));
    let event =
        Event { organisation_id: chosen, detail: json!({"amr": amr}), ..Event::done(Action::SignIn, account.id) };
    note(browser.ctx.request(), &mut tx, event).await?;
    let token = session::open(&browser.ctx, &mut tx, account.id, chosen, &amr, earlier.as_ref()).await?;
    if let Some(provider) = &proven.provider {
        let hash = sha256(token.as_bytes());
        federation::note_session(&mut tx, &hash, provider, proven.provider_organisation_id).await?;
    }
    let before = profile::signed_in(&mut tx, account.id, browser.ctx.now()).await?;
    if before && !browser.knows(account.address()) {
        tell(&browser.ctx, &mut tx, account, "sign_in");
    }
    tx.commit(None).await.map_err(Problem::from)?;
    browser.remember(&token, account.address());
    finish_sign_ups(browser, account).await;
    browser.redirect(&proven.target)
}

/// Finishes what a crash cut short between the account and its organisation; the next sign-in tries again.
async fn finish_sign_ups(browser: &Browser, account: &Account) {
    let work = async {
        let mut conn = browser.ctx.read().await?;
        let open = organisation::memberships(&mut conn, account.id).await?;
        conn.release();
        for membership in open.iter().filter(|membership| !membership.ready).take(3) {
            sign_up::finish(&browser.ctx, account, TenantId(membership.organisation_id)).await?;
        }
        Ok::<_, Problem>(())
    };
    if let Err(problem) = work.await {
        tracing::warn!(?problem, "an unfinished sign-up could not be finished; the next sign-in tries again");
    }
}

//! The end of every way to sign in: somebody proved who they are, gets a session, and goes on to where they wanted to be.
use crate::http::browser::{Browser, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::session::{self, audit, begin};
use crate::http::sign_up;
use crate::store::account::Account;
use crate::store::organisation;
use hitaji_core::TenantId;
use hitaji_web::Problem;
use serde_json::json;

/// Opens the session in this browser. `amr` says how the person proved who they are (RFC 8176), `target` is a path of ours.
pub async fn arrive(browser: &Browser, account: &Account, amr: &[&str], target: &str) -> PageResult {
    let earlier = browser.session().await?;
    let mut tx = begin(&browser.ctx, account.id).await?;
    audit(&mut tx, "sign_in", "identity.account", Some(account.id), json!({"amr": amr}));
    let kept = earlier.as_ref().filter(|earlier| earlier.account_id == account.id);
    let chosen = kept.and_then(|earlier| earlier.organisation_id);
    let detail = json!({"amr": amr});
    let event = Event { organisation_id: chosen, detail, ..Event::done(Action::SignIn, account.id) };
    note(browser.ctx.request(), &mut tx, event).await?;
    let token = session::open(&browser.ctx, &mut tx, account.id, chosen, amr, earlier.as_ref()).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    browser.remember(&token, account.address());
    finish_sign_ups(browser, account).await;
    browser.redirect(target)
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

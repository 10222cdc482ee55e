//! The end of every way to sign in: somebody proved who they are, gets a session, and goes on to where they wanted to be.
use crate::http::browser::{Browser, PageResult};
use crate::http::federation::Upstream;
use crate::http::session::{self, audit, begin};
use crate::http::sign_up;
use crate::store::account::Account;
use crate::store::{federation, organisation};
use hitaji_core::TenantId;
use hitaji_db::secrets::sha256;
use hitaji_web::Problem;
use serde_json::json;
use uuid::Uuid;

/// Opens the session in this browser. `amr` says how the person proved who they are (RFC 8176), `target` is a path of ours.
pub async fn arrive(browser: &Browser, account: &Account, amr: &[&str], target: &str) -> PageResult {
    arrive_via(browser, account, amr, target, None).await
}

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

/// The same for somebody whom another provider vouches for.
pub async fn arrive_via(
    browser: &Browser,
    account: &Account,
    amr: &[&str],
    target: &str,
    via: Option<&Via<'_>>,
) -> PageResult {
    let earlier = browser.session().await?;
    let mut tx = begin(&browser.ctx, account.id).await?;
    audit(
        &mut tx,
        "sign_in",
        "identity.account",
        Some(account.id),
        json!({"amr": amr, "provider": via.map(|via| via.provider)}),
    );
    let kept = earlier.as_ref().filter(|earlier| earlier.account_id == account.id);
    let chosen = kept.and_then(|earlier| earlier.organisation_id);
    let token = session::open(&browser.ctx, &mut tx, account.id, chosen, amr, earlier.as_ref()).await?;
    if let Some(via) = via {
        federation::note_session(&mut tx, &sha256(token.as_bytes()), via.provider, via.organisation_id).await?;
    }
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

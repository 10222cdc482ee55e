//! Second factors of an account: set up, checked and taken away; and whether a session has proven enough for a change.
use crate::domain::assurance::{SINGLE, TWO, level_of, reaches};
use crate::domain::factor::{self, Handed, RECOVERY_CODES};
use crate::http::browser::{Browser, PageError};
use crate::http::notices::tell;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::account::Account;
use crate::store::factor::{self as store, Factors};
use crate::store::session::Session;
use chrono::TimeDelta;
use hitaji_db::secrets::{MasterKey, random};
use hitaji_db::{Databases, DbError, Tx};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;
use uuid::Uuid;

const OWNER: &str = "identity";
const PURPOSE: &str = "totp";
/// For so long a proof is enough for changes of the account itself.
pub const FRESH: TimeDelta = TimeDelta::minutes(15);

pub async fn of(ctx: &PlatformCtx, account_id: Uuid) -> Result<Factors, Problem> {
    let mut conn = ctx.read().await?;
    let factors = store::of(&mut conn, account_id).await?;
    conn.release();
    Ok(factors)
}

/// What a session must still prove before its person may change how they sign in: nothing, or a level.
pub fn lacking(session: &Session, factors: Factors, now: chrono::DateTime<chrono::Utc>) -> Option<&'static str> {
    let wanted = if factors.any() { TWO } else { SINGLE };
    let amr = own_proof(session);
    let enough = session.auth_time + FRESH > now && !amr.is_empty() && reaches(level_of(&amr), wanted);
    (!enough).then_some(wanted)
}

/// What the person proved to us. An organisation's own provider speaks for its people there, and not for their accounts: else
/// whoever runs it could make anybody's account theirs.
pub fn own_proof(session: &Session) -> Vec<String> {
    let believed = |method: &&String| !session.own_provider || (*method != "fed" && *method != "mfa");
    session.amr.iter().filter(believed).cloned().collect()
}

/// Counts one try at the second factor of an account, whatever browser or session it comes from.
pub fn count_try(browser: &Browser, account_id: Uuid) -> Result<(), PageError> {
    let throttle = &browser.provider.throttle;
    throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    throttle.factor(account_id, browser.ctx.now())?;
    Ok(())
}

pub fn tries_succeeded(browser: &Browser, account_id: Uuid) {
    browser.provider.throttle.factor_succeeded(account_id);
}

/// Whether a code of the authenticator app, or a recovery code, is right. It is used up then.
pub async fn check_code(browser: &Browser, account: &Account, typed: &str) -> Result<bool, PageError> {
    count_try(browser, account.id)?;
    let mut tx = begin(&browser.ctx, account.id).await?;
    let right = match factor::app_code(typed) {
        Some(code) => take_app_code(browser, &mut tx, account.id, &code, true).await?,
        None => take_recovery_code(browser, &mut tx, account, typed).await?,
    };
    let action = if right { "prove" } else { "prove_refused" };
    audit(&mut tx, action, "identity.factor", Some(account.id), json!({"by": "code"}));
    tx.commit(None).await.map_err(Problem::from)?;
    if right {
        tries_succeeded(browser, account.id);
    }
    Ok(right)
}

/// `confirmed`: only a secret that was confirmed before counts.
async fn take_app_code(
    browser: &Browser,
    tx: &mut Tx,
    account_id: Uuid,
    code: &str,
    confirmed: bool,
) -> Result<bool, PageError> {
    let Some(row) = store::totp(tx, account_id).await? else { return Ok(false) };
    if row.confirmed_at.is_some() != confirmed {
        return Ok(false);
    }
    let secret = browser.provider.master.open(OWNER, PURPOSE, &row.sealed)?;
    let now = browser.ctx.now();
    let Some(step) = factor::accept(&secret, code, now.timestamp(), row.last_step) else {
        return Ok(false);
    };
    store::accept_totp(tx, account_id, step, now).await?;
    Ok(true)
}

async fn take_recovery_code(browser: &Browser, tx: &mut Tx, account: &Account, typed: &str) -> Result<bool, PageError> {
    let hash = factor::recovery_hash(account.id, typed);
    let taken = store::use_recovery_code(tx, account.id, &hash, browser.ctx.now()).await?;
    if taken {
        tell(&browser.ctx, tx, account, "recovery_used");
    }
    Ok(taken)
}

/// A new secret that waits for its first code.
pub async fn offer_app(browser: &Browser, account: &Account) -> Result<Handed, PageError> {
    let secret = random::<{ factor::SECRET_BYTES }>();
    let sealed = browser.provider.master.seal(OWNER, PURPOSE, &secret);
    let mut conn = browser.ctx.read().await?;
    store::offer_totp(&mut conn, account.id, &sealed, browser.ctx.now()).await?;
    conn.release();
    hand_over(&secret, account)
}

/// The secret that waits, again.
pub async fn offered_app(browser: &Browser, account: &Account) -> Result<Option<Handed>, PageError> {
    let mut conn = browser.ctx.read().await?;
    let row = store::totp(&mut conn, account.id).await?;
    conn.release();
    let Some(row) = row.filter(|row| row.confirmed_at.is_none()) else { return Ok(None) };
    let secret = browser.provider.master.open(OWNER, PURPOSE, &row.sealed)?;
    hand_over(&secret, account).map(Some)
}

fn hand_over(secret: &[u8], account: &Account) -> Result<Handed, PageError> {
    factor::hand_over(secret, account.address())
        .ok_or_else(|| Problem::internal("a TOTP secret could not be drawn").into())
}

/// The first code: from now on the app is a second factor. The recovery codes that come with it, where there were none;
/// nothing where the code is wrong.
pub async fn confirm_app(browser: &Browser, account: &Account, typed: &str) -> Result<Option<Vec<String>>, PageError> {
    count_try(browser, account.id)?;
    let Some(code) = factor::app_code(typed) else { return Ok(None) };
    let mut tx = begin(&browser.ctx, account.id).await?;
    if !take_app_code(browser, &mut tx, account.id, &code, false).await? {
        tx.rollback().await.map_err(Problem::from)?;
        return Ok(None);
    }
    let codes = first_codes(browser, &mut tx, account).await?;
    audit(&mut tx, "add", "identity.factor", Some(account.id), json!({"factor": "app"}));
    tell(&browser.ctx, &mut tx, account, "factor_added");
    tx.commit(None).await.map_err(Problem::from)?;
    tries_succeeded(browser, account.id);
    Ok(Some(codes))
}

/// Takes the app away; the recovery codes too, where nothing is left that they stand in for.
pub async fn remove_app(browser: &Browser, account: &Account) -> Result<(), PageError> {
    let mut tx = begin(&browser.ctx, account.id).await?;
    if store::remove_totp(&mut tx, account.id).await? {
        removed(browser, &mut tx, account, "app").await?;
    }
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(())
}

/// What follows when any factor was taken away.
pub async fn removed(browser: &Browser, tx: &mut Tx, account: &Account, which: &str) -> Result<(), PageError> {
    if !store::of(tx, account.id).await?.any() {
        store::remove_recovery_codes(tx, account.id).await?;
    }
    audit(tx, "remove", "identity.factor", Some(account.id), json!({"factor": which}));
    tell(&browser.ctx, tx, account, "factor_removed");
    Ok(())
}

/// Recovery codes with the first factor; none where there are some already.
pub async fn first_codes(browser: &Browser, tx: &mut Tx, account: &Account) -> Result<Vec<String>, PageError> {
    if store::of(tx, account.id).await?.recovery_codes > 0 {
        return Ok(Vec::new());
    }
    write_codes(browser, tx, account).await
}

/// New recovery codes, shown this once. Earlier ones end.
pub async fn renew_codes(browser: &Browser, account: &Account) -> Result<Vec<String>, PageError> {
    let mut tx = begin(&browser.ctx, account.id).await?;
    let codes = write_codes(browser, &mut tx, account).await?;
    audit(&mut tx, "renew", "identity.recovery_code", Some(account.id), json!(null));
    tell(&browser.ctx, &mut tx, account, "recovery_codes");
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(codes)
}

async fn write_codes(browser: &Browser, tx: &mut Tx, account: &Account) -> Result<Vec<String>, PageError> {
    let codes: Vec<String> =
        (0..RECOVERY_CODES).map(|_| factor::recovery_code(random::<{ factor::RECOVERY_BYTES }>())).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| factor::recovery_hash(account.id, code).to_vec()).collect();
    store::renew_recovery_codes(tx, account.id, &hashes, browser.ctx.now()).await?;
    Ok(codes)
}

/// Seals anew, by today's master key, what an earlier one sealed; returns how many secrets.
pub async fn rewrap(databases: &Databases) -> Result<usize, DbError> {
    let master: &MasterKey = databases.master();
    let (mut after, mut changed) = (Uuid::nil(), 0);
    loop {
        let mut conn = databases.control().await?;
        let page = store::all_totp(&mut conn, after, 500).await?;
        for (account_id, sealed) in page.iter().filter(|(_, sealed)| !master.is_current(sealed)) {
            let anew = master.seal(OWNER, PURPOSE, &master.open(OWNER, PURPOSE, sealed)?);
            store::replace_seal(&mut conn, *account_id, sealed, &anew).await?;
            changed += 1;
        }
        conn.release();
        match page.last() {
            Some((last, _)) => after = *last,
            None => return Ok(changed),
        }
    }
}

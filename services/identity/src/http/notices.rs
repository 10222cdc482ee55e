//! Mails that tell a person what happened to their account, and links that prove an address.
use crate::domain::user_agent;
use crate::store::account::Account;
use crate::store::email_proof::{self, NewProof};
use chrono::TimeDelta;
use hitaji_contracts::identity::{AccountNoticed, EmailProofRequested};
use hitaji_core::{AccountId, new_id};
use hitaji_db::Tx;
use hitaji_web::{PlatformCtx, Problem};

/// A link that proves an address is good for so long.
pub const PROOF_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Tells the person by mail, in the transaction of what happened. `kind` names the texts `mail_<kind>_…`. Somebody without a
/// mail address hears nothing.
pub fn tell(ctx: &PlatformCtx, tx: &mut Tx, account: &Account, kind: &str) {
    let Some(email) = &account.email else { return };
    let event = AccountNoticed {
        account_id: AccountId(account.id),
        kind: kind.to_owned(),
        email: email.clone(),
        name: account.name.clone(),
        locale: account.locale.clone(),
        device: user_agent::in_words(ctx.request().header("user-agent").unwrap_or_default()),
    };
    tx.emit(account.id, &event);
}

/// Mails a link that proves `email`; earlier links of the account end.
pub async fn ask_proof(ctx: &PlatformCtx, tx: &mut Tx, account: &Account, email: &str) -> Result<(), Problem> {
    let (id, at) = (new_id(), ctx.now());
    let new =
        NewProof { id, account_id: account.id, email, locale: &account.locale, at, expires_at: at + PROOF_LIFETIME };
    email_proof::insert(tx, &new).await?;
    tx.emit(id, &EmailProofRequested { proof_id: id });
    Ok(())
}

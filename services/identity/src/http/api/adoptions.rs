//! `POST /identity/v1/adoptions`: an organisation that was taken in or copied gets an owner, who has an account already.
use crate::domain::account::normalise_email;
use crate::http::sign_up::{finish, record};
use crate::store::account;
use hitaji_contracts::identity::{Adopt, SignedUp};
use hitaji_core::AccountId;
use hitaji_web::{Answer, Body, PlatformCtx, Problem};

pub async fn create(ctx: PlatformCtx, Body(asked): Body<Adopt>) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let account = match normalise_email(&asked.email) {
        Some(email) => account::find_by_email(&mut conn, &email).await?,
        None => None,
    };
    conn.release();
    let unknown = || Problem::field("/email", "unknown_value", "There is no account with this e-mail address.");
    let account = account.ok_or_else(unknown)?;
    let id = asked.organisation.id;
    record(&ctx, &account, &asked.organisation).await?;
    let slug = finish(&ctx, &account, id).await?;
    Ok(Answer::ok(&SignedUp { organisation_id: id, slug, account_id: AccountId(account.id) }))
}

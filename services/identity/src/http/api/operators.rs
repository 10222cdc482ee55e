//! The people who run the platform: made and ended by the command line, audited.
use crate::domain::account::{normalise_email, normalise_name};
use crate::domain::operator::OperatorRole;
use crate::http::session::{self, audit, begin};
use crate::store::account::{self, Account};
use crate::store::{operator, reset};
use chrono::TimeDelta;
use hitaji_contracts::identity::{
    EndOperator, MakeOperator, OperatorEnded, OperatorMade, OperatorOut, OperatorStarted, Operators,
    PasswordResetRequested,
};
use hitaji_core::{AccountId, new_id};
use hitaji_db::Tx;
use hitaji_web::{Answer, Body, PlatformCtx, Problem};
use serde_json::json;
use uuid::Uuid;

/// Who did it: whoever may run the program beside its master key.
const COMMAND_LINE: &str = "operator:command-line";
/// A new operator has this long to set a password; "forgot password" gives another link.
const LINK_LIFETIME: TimeDelta = TimeDelta::hours(24);

pub async fn list(ctx: PlatformCtx) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let operators = operator::list(&mut conn).await?;
    conn.release();
    let out = operators.into_iter().map(|found| OperatorOut {
        account_id: AccountId(found.account_id),
        email: found.email,
        name: found.name,
        role: found.role,
        granted_at: found.granted_at,
    });
    Ok(Answer::ok(&Operators { operators: out.collect() }))
}

pub async fn create(ctx: PlatformCtx, Body(asked): Body<MakeOperator>) -> Result<Answer, Problem> {
    let malformed = || Problem::field("/email", "malformed", "This is no e-mail address.");
    let email = normalise_email(&asked.email).ok_or_else(malformed)?;
    let unknown = || Problem::field("/role", "unknown_value", "Choose support, operator or owner.");
    let role = OperatorRole::parse(&asked.role).ok_or_else(unknown)?;
    let mut tx = begin(&ctx, COMMAND_LINE).await?;
    let found = account::find_by_email(&mut tx, &email).await?.map(|account| (account.id, account.name));
    let invited = found.is_none();
    let (account_id, name) = match found {
        Some(found) => found,
        None => invite(&ctx, &mut tx, &email, asked.name.as_deref()).await?,
    };
    if operator::role(&mut tx, account_id).await?.is_some_and(|before| before != role.as_str()) {
        // Tokens that are out say the role of before.
        session::end_all(&ctx, &mut tx, account_id).await?;
    }
    operator::start(&mut tx, account_id, role.as_str(), COMMAND_LINE, ctx.now()).await?;
    let event = OperatorStarted {
        account_id: AccountId(account_id),
        email: email.clone(),
        name,
        role: role.as_str().to_owned(),
    };
    tx.emit(account_id, &event);
    audit(&mut tx, "start", "identity.operator", Some(account_id), json!({"email": email, "role": role.as_str()}));
    tx.commit(None).await?;
    Ok(Answer::ok(&OperatorMade { account_id: AccountId(account_id), email, invited }))
}

/// An account nobody can sign in to until its person follows the link in the mail.
async fn invite(ctx: &PlatformCtx, tx: &mut Tx, email: &str, name: Option<&str>) -> Result<(Uuid, String), Problem> {
    let wished = name.unwrap_or_else(|| email.split('@').next().unwrap_or(email));
    let malformed = || Problem::field("/name", "malformed", "Give a name of 1 to 120 characters.");
    let name = normalise_name(wished).ok_or_else(malformed)?;
    let (id, reset_id, now) = (new_id(), new_id(), ctx.now());
    let new = Account::new(id, email, &name, "en");
    if !account::insert(tx, &new, now).await? {
        return Err(Problem::internal("the account was made meanwhile"));
    }
    reset::insert(tx, reset_id, id, "en", now, now + LINK_LIFETIME).await?;
    tx.emit(reset_id, &PasswordResetRequested { reset_id });
    Ok((id, name))
}

pub async fn end(ctx: PlatformCtx, Body(asked): Body<EndOperator>) -> Result<Answer, Problem> {
    let unknown = || Problem::field("/email", "unknown_value", "There is no operator with this e-mail address.");
    let email = normalise_email(&asked.email).ok_or_else(unknown)?;
    let mut tx = begin(&ctx, COMMAND_LINE).await?;
    let account = account::find_by_email(&mut tx, &email).await?.ok_or_else(unknown)?;
    if !operator::end(&mut tx, account.id, ctx.now()).await? {
        return Err(unknown());
    }
    // Ends the tokens that are out, too.
    session::end_all(&ctx, &mut tx, account.id).await?;
    tx.deny_issued(account.id);
    tx.emit(account.id, &OperatorEnded { account_id: AccountId(account.id) });
    audit(&mut tx, "end", "identity.operator", Some(account.id), json!({"email": email}));
    tx.commit(None).await?;
    Ok(Answer::ok(&OperatorMade { account_id: AccountId(account.id), email, invited: false }))
}
